//! Compares `Win32_Service` with `systemctl`, and runs its methods on real units, in a world with a systemd
//! of its own.

use std::fs;
use std::future::Future;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cim::{Instance, Value};
use telarch_peers::{World, in_world};
use telarch_provider_linux::Machine;

use crate::{call_on, rows_of, text};

const UNITS: &str = "/run/home/.config/systemd/user";
const OWN_SOCKET: &str = "/run/systemd/private";
const SMALL_BUS: &str = "<busconfig><include>/usr/share/dbus-1/session.conf</include>\
                         <limit name=\"max_replies_per_connection\">128</limit></busconfig>";
const BUS_SERVICE: &str = "[Service]\nExecStart=\nExecStart=/usr/bin/dbus-daemon --config-file=/run/small-bus.conf \
                           --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only\n";
const SLEEPER: &str = "[Unit]\nDescription=Sleeps\nDocumentation=man:sleep(1)\n[Service]\nExecStart=/bin/sh \
                       -c \"exec sleep 1000\" \"a b\"\n[Install]\nWantedBy=default.target\n";

/// Runs a test in a world with a systemd that has these units.
fn with_units(name: &str, units: &[(&str, &str)], body: impl AsyncFnOnce(&World, Arc<Machine>)) {
    in_world(name, &["systemd", "systemctl"], |world| {
        // Limits pending questions as the system bus does; a user bus allows more.
        let bus = Path::new(UNITS).join("dbus.service.d");
        fs::create_dir_all(&bus).unwrap();
        fs::write("/run/small-bus.conf", SMALL_BUS).unwrap();
        fs::write(bus.join("small.conf"), BUS_SERVICE).unwrap();
        for (name, text) in units {
            fs::write(Path::new(UNITS).join(name), text).unwrap();
        }
        world.systemd(SLEEPER);
        run(body(world, Arc::new(Machine::this())));
    });
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

/// Returns a property as systemctl shows it.
fn shown(world: &World, unit: &str, property: &str) -> String {
    let line = format!("XDG_RUNTIME_DIR=/run/user/0 systemctl --user show -P {property} {unit}");
    String::from_utf8(world.shell(&line).stdout).unwrap().trim().to_owned()
}

async fn service(machine: &Arc<Machine>, name: &str) -> Instance {
    let found = rows_of(machine, &format!("SELECT * FROM Win32_Service WHERE Name = '{name}'")).await;
    let [row] = found.as_slice() else { panic!("{} rows", found.len()) };
    row.clone()
}

async fn call(machine: &Arc<Machine>, name: &str, method: &str, parameters: &[(&str, Value)]) -> String {
    let path = format!("Win32_Service.Name='{name}'");
    text(&call_on(machine, &path, method, parameters).await.unwrap(), "ReturnValue")
}

async fn create(machine: &Arc<Machine>, parameters: &[(&str, Value)]) -> String {
    text(&call_on(machine, "Win32_Service", "Create", parameters).await.unwrap(), "ReturnValue")
}

#[test]
fn services_match_systemctl() {
    let name = "service::services_match_systemctl";
    with_units(
        name,
        &[("broken.service", "[Service]\nExecStart=/no/such/program\n")],
        async |world, machine| {
            let row = service(&machine, "telarchd").await;
            assert_eq!((text(&row, "State"), text(&row, "StartMode")), ("Stopped".into(), "Manual".into()));
            assert_eq!((text(&row, "ExitCode"), text(&row, "ProcessId")), ("1077".into(), "0".into()));
            assert_eq!(call(&machine, "telarchd", "StartService", &[]).await, "0");
            let row = service(&machine, "telarchd").await;
            assert_eq!(text(&row, "ProcessId"), shown(world, "telarchd", "MainPID"));
            // Listed among all, a unit is asked for few properties; by name, for all of them.
            let all = rows_of(&machine, "SELECT * FROM Win32_Service").await;
            assert_eq!(all.iter().find(|row| text(row, "Name") == "telarchd"), Some(&row));
            for (process, expected) in [(text(&row, "ProcessId"), vec!["telarchd"]), ("1".to_owned(), vec![])]
            {
                let query = format!("SELECT * FROM Win32_Service WHERE ProcessId = {process}");
                let names: Vec<String> =
                    rows_of(&machine, &query).await.iter().map(|row| text(row, "Name")).collect();
                assert_eq!(names, expected, "{query}");
            }
            assert_eq!(text(&row, "DisplayName"), shown(world, "telarchd", "Description"));
            assert_eq!(text(&row, "Description"), "Sleeps (man:sleep(1))");
            assert_eq!(text(&row, "PathName"), "/bin/sh -c \"exec sleep 1000\" \"a b\"");
            for (property, expected) in [
                ("State", "Running"),
                ("Started", "TRUE"),
                ("AcceptStop", "TRUE"),
                ("ExitCode", "0"),
                ("Status", "OK"),
                ("StartName", "root"),
                ("WaitHint", "0"),
            ] {
                assert_eq!(text(&row, property).to_uppercase(), expected.to_uppercase(), "{property}");
            }
            // The lists of systemctl contain the same services, each with the same state.
            let line = "XDG_RUNTIME_DIR=/run/user/0 systemctl --user list-units --all --plain --no-legend '*.service' | \
                    awk '$2 != \"not-found\" {print $1, $3}'";
            let listed = String::from_utf8(world.shell(line).stdout).unwrap();
            let all = rows_of(&machine, "SELECT * FROM Win32_Service").await;
            for line in listed.lines() {
                let (unit, active) = line.split_once(' ').unwrap();
                let name = unit.strip_suffix(".service").unwrap();
                let row =
                    all.iter().find(|row| text(row, "Name") == name).unwrap_or_else(|| panic!("no {name}"));
                assert_eq!(text(row, "State") == "Running", active == "active", "{name}");
            }
            let line = "XDG_RUNTIME_DIR=/run/user/0 systemctl --user list-unit-files --plain --no-legend '*.service' | awk '{print $1, $2}'";
            let listed = String::from_utf8(world.shell(line).stdout).unwrap();
            for line in listed.lines() {
                let (unit, state) = line.split_once(' ').unwrap();
                let name = unit.strip_suffix(".service").unwrap();
                let row = all.iter().find(|row| text(row, "Name") == name);
                if name.ends_with('@') || state == "alias" {
                    assert!(row.is_none(), "{name} is no service");
                } else {
                    let mode = text(row.unwrap_or_else(|| panic!("no {name}")), "StartMode");
                    let expected = match state {
                        "enabled" | "enabled-runtime" | "generated" => "Auto",
                        "masked" => "Disabled",
                        _ => "Manual",
                    };
                    assert_eq!(mode, expected, "{name} is {state}");
                }
            }
            assert_eq!(
                all.len(),
                rows_of(&machine, "SELECT Name FROM Win32_BaseService WHERE ServiceType = 'Own Process'")
                    .await
                    .len()
            );
            let timer = "[Timer]\nOnCalendar=2099-01-02 03:04:05\nUnit=telarchd.service\n";
            fs::write(Path::new(UNITS).join("later.timer"), timer).unwrap();
            let _ = world.shell("XDG_RUNTIME_DIR=/run/user/0 systemctl --user start later.timer");
            let jobs = rows_of(&machine, "SELECT * FROM Win32_ScheduledJob WHERE Name = 'later.timer'").await;
            let [job] = jobs.as_slice() else { panic!("{} jobs", jobs.len()) };
            assert_eq!(text(job, "Command"), "telarchd.service");
            assert!(text(job, "StartTime").starts_with("20990102030405"), "{job:?}");
            let by_case = rows_of(&machine, "SELECT Name FROM Win32_Service WHERE Name = 'TelarchD'").await;
            assert_eq!(by_case.len(), 1, "whoever asks need not know the case of letters");
            let query = "ASSOCIATORS OF {Win32_Service.Name='telarchd'} WHERE AssocClass=Win32_SystemServices KeysOnly";
            assert!(rows_of(&machine, query).await.len() <= 1);
        },
    );
}

#[test]
fn every_way_a_service_can_be_controlled_has_its_code() {
    let name = "service::every_way_a_service_can_be_controlled_has_its_code";
    let units = [
        ("broken.service", "[Service]\nType=exec\nExecStart=/no/such/program\n"),
        ("fails.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n"),
        ("nobody.service", "[Service]\nType=exec\nUser=no-such-user-here\nExecStart=/bin/true\n"),
        ("late.service", "[Service]\nType=notify\nTimeoutStartSec=1\nExecStart=/bin/sleep 1000\n"),
        (
            "needs.service",
            "[Unit]\nRequires=fails.service\nAfter=fails.service\n[Service]\nExecStart=/bin/sleep 1000\n",
        ),
        ("shy.service", "[Unit]\nRefuseManualStart=yes\n[Service]\nExecStart=/bin/sleep 1000\n"),
        ("kept.service", "[Unit]\nRefuseManualStop=yes\n[Service]\nExecStart=/bin/sleep 1000\n"),
    ];
    with_units(name, &units, async |world, machine| {
        std::os::unix::fs::symlink("/dev/null", Path::new(UNITS).join("hidden.service")).unwrap();
        let _ = world.shell("XDG_RUNTIME_DIR=/run/user/0 systemctl --user daemon-reload");
        for (unit, method, expected) in [
            ("telarchd", "StopService", "5"),
            ("telarchd", "StartService", "0"),
            ("telarchd", "StartService", "10"),
            ("telarchd", "InterrogateService", "0"),
            ("telarchd", "PauseService", "1"),
            ("telarchd", "ResumeService", "1"),
            ("telarchd", "StopService", "0"),
            ("telarchd", "StopService", "5"),
            ("broken", "StartService", "9"),
            ("fails", "StartService", "8"),
            ("nobody", "StartService", "15"),
            ("late", "StartService", "7"),
            ("needs", "StartService", "13"),
            ("shy", "StartService", "5"),
            ("kept", "StartService", "0"),
            ("kept", "StopService", "3"),
            ("hidden", "StartService", "14"),
            ("telarchd", "Delete", "2"),
        ] {
            assert_eq!(call(&machine, unit, method, &[]).await, expected, "{unit} {method}");
        }
        assert_eq!(
            call(&machine, "telarchd", "UserControlService", &[("ControlCode", 200_u8.into())]).await,
            "1"
        );
        assert_eq!(
            call(&machine, "telarchd", "UserControlService", &[("ControlCode", 1_u8.into())]).await,
            "4"
        );
        let row = service(&machine, "fails").await;
        assert_eq!((text(&row, "Status"), text(&row, "ExitCode")), ("Error".into(), "1066".into()));
        assert_eq!(text(&row, "ServiceSpecificExitCode"), "1");
        assert_eq!(text(&service(&machine, "hidden").await, "StartMode"), "Disabled");
        // Listed among all, a service is asked only for properties known in its state; by name, for all of
        // them.
        let all = rows_of(&machine, "SELECT * FROM Win32_Service").await;
        for state in ["Running", "Stopped"] {
            assert!(all.iter().any(|row| text(row, "State") == state), "one is {state}");
        }
        for row in &all {
            assert_eq!(row, &service(&machine, &text(row, "Name")).await);
        }
        // Users other than root ask over the bus.
        fs::remove_file(OWN_SOCKET).unwrap();
        assert_eq!(rows_of(&machine, "SELECT * FROM Win32_Service").await, all);
        let gone = call_on(&machine, "Win32_Service.Name='no-such'", "StartService", &[]).await.unwrap_err();
        assert_eq!(gone.status(), cim::Status::NotFound);
        // Dependencies, from both ends.
        let query = "ASSOCIATORS OF {Win32_Service.Name='fails'} WHERE AssocClass=Win32_DependentService \
                     ResultRole=Dependent";
        let needing = rows_of(&machine, query).await;
        assert_eq!(needing.iter().map(|row| text(row, "Name")).collect::<Vec<_>>(), ["needs"]);
        let query = "ASSOCIATORS OF {Win32_Service.Name='needs'} WHERE AssocClass=Win32_DependentService Role=Dependent";
        let needed = rows_of(&machine, query).await;
        assert_eq!(needed.iter().map(|row| text(row, "Name")).collect::<Vec<_>>(), ["fails"]);
    });
}

#[test]
fn concurrent_queries_do_not_exhaust_the_bus() {
    let name = "service::concurrent_queries_do_not_exhaust_the_bus";
    let names: Vec<String> = (0..60).map(|number| format!("crowd-{number}.service")).collect();
    let units = names.iter().map(|name| (name.as_str(), "[Service]\nExecStart=/bin/sleep 1000\n"));
    // Units ordered after or before a loaded unit are loaded too.
    let crowd = format!("[Unit]\nAfter={}\n", names.join(" "));
    let units: Vec<_> = units.chain([("crowd.target", crowd.as_str())]).collect();
    with_units(name, &units, async |world, machine| {
        let _ = world.shell("XDG_RUNTIME_DIR=/run/user/0 systemctl --user start crowd.target");
        // If systemd itself refuses the connection, the bus is used.
        fs::remove_file(OWN_SOCKET).unwrap();
        let own = UnixListener::bind(OWN_SOCKET).unwrap();
        let turned_away = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&turned_away);
        thread::spawn(move || own.incoming().for_each(|_| _ = count.fetch_add(1, Ordering::Relaxed)));
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let machine = Arc::clone(&machine);
            asking.spawn(async move {
                rows_of(&machine, "SELECT * FROM Win32_Service WHERE Name LIKE 'crowd-%'").await
            });
        }
        for rows in asking.join_all().await {
            assert_eq!(rows.len(), names.len());
            for row in rows {
                assert_eq!(text(&row, "PathName"), "/bin/sleep 1000", "{row:?}");
            }
        }
        assert_eq!(turned_away.load(Ordering::Relaxed), 20, "everybody has asked systemd itself first");
    });
}

#[test]
fn services_are_created_changed_and_deleted() {
    let name = "service::services_are_created_changed_and_deleted";
    with_units(name, &[], async |world, machine| {
        let value = |text: &str| Value::text(text);
        let odd = [
            ("Name", value("made")),
            ("DisplayName", value("100 % made")),
            ("PathName", value("/bin/sh -c 'echo \"$HOME %h\" > /run/said; exec sleep 1000'")),
            ("ServiceType", 16_u8.into()),
            ("StartMode", value("Automatic")),
            ("StartName", value("LocalSystem")),
            ("ServiceDependencies", vec!["telarchd".to_owned()].into()),
        ];
        assert_eq!(create(&machine, &odd).await, "0");
        assert_eq!(create(&machine, &odd).await, "23", "it is there already");
        let row = service(&machine, "made").await;
        assert_eq!(
            (text(&row, "DisplayName"), text(&row, "StartMode")),
            ("100 % made".into(), "Auto".into())
        );
        // This systemd runs as a user, so its programs cannot change to another user.
        let file = Path::new(UNITS).join("made.service");
        let unit = fs::read_to_string(&file).unwrap();
        fs::write(&file, unit.replace("User=root\n", "")).unwrap();
        let _ = world.shell("XDG_RUNTIME_DIR=/run/user/0 systemctl --user daemon-reload");
        assert_eq!(call(&machine, "made", "StartService", &[]).await, "0");
        // The unit reports no end of its command.
        for _ in 0..6_000 {
            if fs::metadata("/run/said").is_ok_and(|found| found.len() > 0) {
                break;
            }
            thread::sleep(std::time::Duration::from_millis(10));
        }
        // The shell receives the words unchanged: nothing was expanded on the way.
        assert_eq!(fs::read_to_string("/run/said").unwrap(), "/run/home %h\n");
        assert_eq!(shown(world, "telarchd", "ActiveState"), "active", "it is needed");

        let change = [("DisplayName", value("changed"))];
        assert_eq!(call(&machine, "made", "Change", &change).await, "0");
        let change = [("PathName", value("/bin/sleep 2000")), ("StartMode", value("Manual"))];
        assert_eq!(call(&machine, "made", "Change", &change).await, "0");
        let row = service(&machine, "made").await;
        assert_eq!((text(&row, "DisplayName"), text(&row, "StartMode")), ("changed".into(), "Manual".into()));
        assert_eq!(text(&row, "PathName"), "/bin/sleep 2000");

        for (mode, code, expected) in [
            ("Automatic", "0", "Auto"),
            ("Manual", "0", "Manual"),
            ("Boot", "21", "Manual"),
            ("Disabled", "1", "Manual"),
        ] {
            let parameters = [("StartMode", value(mode))];
            assert_eq!(call(&machine, "made", "ChangeStartMode", &parameters).await, code, "{mode}");
            assert_eq!(text(&service(&machine, "made").await, "StartMode"), expected);
        }

        assert_eq!(call(&machine, "made", "Delete", &[]).await, "0");
        assert!(rows_of(&machine, "SELECT * FROM Win32_Service WHERE Name = 'made'").await.is_empty());
        let left: Vec<_> = fs::read_dir(UNITS).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("made")), "{left:?}");

        for (changed, expected) in [
            (("Name", value("../etc/passwd")), "20"),
            (("Name", value("")), "20"),
            (("PathName", value("sleep 1000")), "9"),
            (("PathName", value("/bin/sh -c 'x")), "21"),
            (("PathName", value("/bin/sh -c 'a\nExecStop=/bin/b'")), "21"),
            (("DisplayName", value("goes on \\")), "21"),
            (("DisplayName", value("a\n[Service]\nUser=root")), "21"),
            (("ServiceType", 1_u8.into()), "21"),
            (("StartMode", value("Boot")), "21"),
            (("StartName", value("no-such-user-here")), "22"),
            (("ServiceDependencies", vec!["no-such-service".to_owned()].into()), "12"),
            (("LoadOrderGroup", value("first")), "21"),
            (("DesktopInteract", true.into()), "21"),
        ] {
            let mut parameters: Vec<_> = odd.iter().filter(|(name, _)| *name != changed.0).cloned().collect();
            let reported = format!("{changed:?}");
            parameters.push(changed);
            assert_eq!(create(&machine, &parameters).await, expected, "{reported}");
        }
        assert!(!Path::new(UNITS).join("made.service").exists());
    });
}

#[test]
fn created_process_gets_its_own_scope() {
    let name = "service::created_process_gets_its_own_scope";
    with_units(name, &[], async |world, machine| {
        let line = [("CommandLine", Value::text("sleep 1000"))];
        let created = call_on(&machine, "Win32_Process", "Create", &line).await.unwrap();
        let number = text(&created, "ProcessId");
        let scope = format!("telarch-process-{number}.scope");
        // The job ends when the process is in its control group; systemctl show cannot wait for that.
        for _ in 0..6_000 {
            if shown(world, &scope, "ActiveState") == "active" {
                break;
            }
            thread::sleep(std::time::Duration::from_millis(10));
        }
        let group = fs::read_to_string(format!("/proc/{number}/cgroup")).unwrap();
        assert!(group.contains(&scope), "{group}");
        let target = format!("Win32_Process.Handle='{number}'");
        let ended = call_on(&machine, &target, "Terminate", &[]).await.unwrap();
        assert_eq!(text(&ended, "ReturnValue"), "0");
    });
}

#[test]
fn machine_without_systemd_has_no_services() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let machine = Arc::new(Machine::at(folder.path()));
        assert!(rows_of(&machine, "SELECT * FROM Win32_Service").await.is_empty());
        assert!(rows_of(&machine, "SELECT * FROM Win32_Service WHERE Name = 'cron'").await.is_empty());
    });
}

#[test]
fn drivers_are_the_modules_of_the_kernel() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("proc/modules", "xfs 2000 1 - Live 0x0\nnf_tables 3000 0 - Loading 0x0\n");
        put("proc/sys/kernel/osrelease", "6.1.0-1-amd64\n");
        put(
            "lib/modules/6.1.0-1-amd64/modules.dep",
            "kernel/fs/xfs/xfs.ko.zst: kernel/lib/crc.ko\nkernel/net/nf-tables.ko:\n",
        );
        let machine = Arc::new(Machine::at(folder.path()));
        let found = rows_of(&machine, "SELECT * FROM Win32_SystemDriver").await;
        let reported: Vec<_> = found
            .iter()
            .map(|row| ["Name", "State", "AcceptStop", "PathName"].map(|name| text(row, name)).join(" "))
            .collect();
        assert_eq!(
            reported,
            [
                "nf_tables Start Pending true /lib/modules/6.1.0-1-amd64/kernel/net/nf-tables.ko",
                "xfs Running false /lib/modules/6.1.0-1-amd64/kernel/fs/xfs/xfs.ko.zst"
            ]
        );
    });
}

#[tokio::test]
async fn drivers_match_modinfo() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("modinfo"), "description=A driver of tests\0license=GPL\0name=one_two\0").unwrap();
    std::fs::write(at("empty.s"), ".text\n").unwrap();
    let made = std::process::Command::new("sh")
        .args([
            "-ec",
            "command -v modinfo; gcc -c empty.s -o one-two.ko; objcopy --add-section .modinfo=modinfo one-two.ko; xz one-two.ko",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    if !made.status.success() {
        skips::skip!("this takes modinfo, gcc, objcopy and xz: {}", String::from_utf8_lossy(&made.stderr));
        return;
    }
    let tree = crate::tree::Tree::new()
        .file("proc/sys/kernel/osrelease", "6.1.0-test\n")
        .file("proc/modules", "one_two 4096 0 - Live 0x0\nother 4096 1 - Live 0x0\n")
        .file("lib/modules/6.1.0-test/modules.dep", "kernel/one-two.ko.xz:\nkernel/gone.ko:\n")
        .file("lib/modules/6.1.0-test/kernel/one-two.ko.xz", std::fs::read(at("one-two.ko.xz")).unwrap());
    let (_tree, machine) = tree.machine_kept();
    let found = rows_of(&machine, "SELECT * FROM Win32_SystemDriver").await;
    assert_eq!(
        found.iter().map(|row| text(row, "Description")).collect::<Vec<_>>(),
        ["A driver of tests", ""],
        "one without a file says nothing"
    );
}
