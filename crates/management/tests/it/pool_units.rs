//! Units of pools, with a systemd of their own.

use std::fs;
use std::path::Path;

use linux::Machine;
use telarch_management::{PoolUnit, PoolUnitError};
use telarch_peers::in_world;
use webserver::{PoolOperation, PoolState, UnitName};

const UNITS: &str = "/run/home/.config/systemd/user";
const SLEEPER: &str = "[Service]\nExecStart=/bin/sleep 1000\n";
const RELOADED: &str =
    "[Service]\nExecStart=/bin/sleep 1000\nExecReload=/bin/sh -c \"echo reloaded > /run/reloaded\"\n";
const FAILING: &str = "[Service]\nType=oneshot\nExecStart=/bin/false\n";

fn unit(name: &str) -> UnitName {
    UnitName::parse(name).expect("the name of a unit")
}

#[test]
fn units_are_started_recycled_and_stopped() {
    in_world("pool_units::units_are_started_recycled_and_stopped", &["systemd", "systemctl"], |world| {
        fs::create_dir_all(UNITS).unwrap();
        for (name, text) in
            [("app.service", SLEEPER), ("php.service", RELOADED), ("failing.service", FAILING)]
        {
            fs::write(Path::new(UNITS).join(name), text).unwrap();
        }
        world.systemd(SLEEPER);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let machine = Machine::this();
        let control = |name: &str, operation| PoolUnit::control(&machine, &unit(name), operation);
        let state = |name: &str| PoolUnit::of(&machine, &unit(name)).state;

        assert_eq!((state("app.service"), state("none.service")), (PoolState::Stopped, PoolState::Unknown));
        let refused = control("app.service", PoolOperation::Recycle);
        assert!(matches!(refused, Err(PoolUnitError::NotRunning(_))), "{refused:?}");
        let started = control("app.service", PoolOperation::Start).unwrap();
        assert!(started.state == PoolState::Started && started.process.is_some(), "{started:?}");
        // A unit that cannot load its configuration again is restarted.
        let recycled = control("app.service", PoolOperation::Recycle).unwrap();
        assert!(recycled.state == PoolState::Started && recycled.process != started.process, "{recycled:?}");
        assert_eq!(control("app.service", PoolOperation::Stop).unwrap().state, PoolState::Stopped);
        assert_eq!(state("app.service"), PoolState::Stopped);

        let started = control("php.service", PoolOperation::Start).unwrap();
        assert!(!Path::new("/run/reloaded").exists());
        assert_eq!(control("php.service", PoolOperation::Recycle).unwrap().process, started.process);
        assert!(Path::new("/run/reloaded").exists());

        let failed = control("failing.service", PoolOperation::Start).unwrap_err().to_string();
        assert!(failed.contains("failing.service was not started"), "{failed}");
        let missing = control("none.service", PoolOperation::Start).unwrap_err().to_string();
        assert!(missing.contains("none.service does not exist"), "{missing}");
    });
}
