//! Tests with systemd, and with a mock of it that refuses.

use telarch_peers::in_world;
use telarch_quickconfig::{MachineRequest, Outcome, UNIT, Unit};

use crate::{done, machine, printed, survey, undo_everything};

const SLEEPER: &str = "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=default.target\n";

#[test]
fn the_unit_is_started_and_enabled_and_both_are_undone() {
    let name = "systemd::the_unit_is_started_and_enabled_and_both_are_undone";
    in_world(name, &["systemd"], |world| {
        assert_eq!(machine().unit(), Unit::NoSystemd);
        world.systemd(SLEEPER);
        assert_eq!(machine().unit(), Unit::Known { active: false, enabled: false });
        assert!(matches!(machine().start(), Outcome::Done(_)));
        assert!(matches!(done(&MachineRequest::Enable), Outcome::Done(_)));
        assert_eq!(machine().unit(), Unit::Known { active: true, enabled: true });
        assert_eq!((machine().start(), done(&MachineRequest::Enable)), (Outcome::Already, Outcome::Already));
        let link = "/run/home/.config/systemd/user/default.target.wants/telarchd.service";
        assert!(std::fs::symlink_metadata(link).is_ok(), "{}", printed(world, "find /run/home"));
        assert_eq!(survey(&[]).recorded.len(), 2);
        undo_everything();
        assert!(std::fs::symlink_metadata(link).is_err());
        assert!(!matches!(machine().unit(), Unit::Known { enabled: true, .. }));
    });
}

#[test]
fn the_name_of_the_unit_is_that_of_the_package() {
    let packaged = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/systemd/");
    let unit = std::fs::read_to_string(format!("{packaged}{UNIT}")).unwrap();
    assert!(unit.contains("\nWantedBy=multi-user.target\n"), "enabling it has it started at boot");
    assert!(unit.contains("\nType=notify\n"), "its job ends when it serves");
}

#[test]
fn a_unit_that_fails_to_start_is_reported_with_the_job_result() {
    let name = "systemd::a_unit_that_fails_to_start_is_reported_with_the_job_result";
    in_world(name, &["systemd"], |world| {
        world.systemd("[Service]\nType=oneshot\nExecStart=/bin/false\n");
        let outcome = machine().start();
        assert!(matches!(&outcome, Outcome::Failed(why) if why.contains("ended with failed")), "{outcome:?}");
        assert!(survey(&[]).recorded.is_empty(), "nothing was done");
    });
}

#[test]
fn a_missing_unit_is_reported() {
    in_world("systemd::a_missing_unit_is_reported", &["systemd"], |world| {
        world.systemd(SLEEPER);
        let _ = printed(world, "rm /run/home/.config/systemd/user/telarchd.service");
        assert_eq!(machine().unit(), Unit::NotInstalled);
        assert!(matches!(done(&MachineRequest::Enable), Outcome::Failed(_)));
    });
}

#[test]
fn a_user_without_permission_gets_access_denied() {
    let name = "systemd::a_user_without_permission_gets_access_denied";
    in_world(name, &["python3"], |world| {
        if world.shell("/usr/bin/python3 -c 'import dbusmock'").code != 0 {
            skips::skip!("there is no python3-dbusmock here (./test --install)");
            return;
        }
        let (service, path) = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1");
        let manager = "org.freedesktop.systemd1.Manager";
        world.mock(service, path, manager);
        let denies = "raise dbus.exceptions.DBusException('no', name='org.freedesktop.DBus.Error.InteractiveAuthorizationRequired')";
        for method in [
            [manager, "LoadUnit", "s", "o", "ret = dbus.ObjectPath('/org/freedesktop/systemd1/unit/one')"],
            [manager, "GetUnitFileState", "s", "s", "ret = 'disabled'"],
            [manager, "StartUnit", "ss", "o", denies],
            [manager, "EnableUnitFiles", "asbb", "ba(sss)", denies],
        ] {
            world.method(service, path, method);
        }
        let add = "gdbus call --system --dest org.freedesktop.systemd1 --object-path /org/freedesktop/systemd1 \
                   --method org.freedesktop.DBus.Mock.AddObject /org/freedesktop/systemd1/unit/one \
                   org.freedesktop.systemd1.Unit \"{'LoadState': <'loaded'>, 'ActiveState': <'inactive'>}\" '[]'";
        let _ = printed(world, add);
        assert_eq!(machine().unit(), Unit::Known { active: false, enabled: false });
        let denied = Outcome::Failed("Access is denied.".to_owned());
        assert_eq!((machine().start(), done(&MachineRequest::Enable)), (denied.clone(), denied));
        assert!(survey(&[]).recorded.is_empty());
    });
}
