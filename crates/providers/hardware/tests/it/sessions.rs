//! Tests with many controllers, and with controllers that are silent or refuse.

use cim::Status;
use telarch_simulated_bmc::SimulatedBmc;

use crate::house::{House, silence, text};

/// Returns the handle of the query's own session, and the number of open sessions, by Get Session Info.
fn sessions(bmc: &SimulatedBmc) -> Option<(u8, u8)> {
    let printed = bmc.ipmitool(&["raw", "0x06", "0x3d", "0"])?;
    let octets: Vec<u8> =
        printed.split_whitespace().filter_map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
    Some((octets[0], octets[2]))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_is_shared_and_closed_at_the_end() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let before = sessions(&bmc).map(|(_, open)| open);
    let mut answers = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let engine = house.engine.clone();
        answers.spawn(async move {
            let namespace = cim::Namespace::parse("root/hardware").unwrap();
            let context = wmi::Context::of_this_process("ada");
            let mut rows = engine.query(&context, &namespace, "SELECT * FROM NumericSensor").unwrap();
            let mut count = 0;
            while let Some(row) = rows.next().await {
                row.unwrap();
                count += 1;
            }
            count
        });
    }
    while let Some(count) = answers.join_next().await {
        assert_eq!(count.unwrap(), 21);
    }
    assert_eq!(sessions(&bmc).map(|(_, open)| open), before.map(|open| open + 1));
    house.engine.close().await;
    assert_eq!(sessions(&bmc).map(|(_, open)| open), before);
    assert_eq!(house.rows("SELECT * FROM NumericSensor").await.unwrap().len(), 21, "it opens again");
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_controller_affects_only_its_own_instances() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let (_kept, address) = silence();
    house.add("dead", &address, "admin", "admin-pw");
    let rows = house.rows("SELECT * FROM NumericSensor").await.unwrap();
    assert_eq!(rows.len(), 21);
    let systems = house.rows("SELECT * FROM ComputerSystem").await.unwrap();
    let mut names: Vec<String> = systems.iter().map(|row| text(row, "Name")).collect();
    names.sort();
    assert_eq!(names, ["dead:32", "node7", "node7:32"]);
    let dead = systems.iter().find(|row| text(row, "Name") == "dead:32").unwrap();
    assert_eq!(
        (text(dead, "Status").as_str(), text(dead, "OperationalStatus").as_str()),
        ("Lost Comm", "13")
    );
    assert!(text(dead, "StatusDescriptions").contains("does not respond"), "{dead:?}");
    let error = house.rows("SELECT * FROM NumericSensor WHERE SystemName = 'dead'").await.unwrap_err();
    assert!(error.status() == Status::ProviderTimedOut && error.to_string().contains("dead"), "{error}");
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_reported_and_corrected_without_a_restart() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::new();
    assert!(house.rows("SELECT * FROM NumericSensor").await.unwrap().is_empty(), "nobody is known yet");
    house.add("node7", &bmc.address(), "admin", "wrong");
    let error = house.rows("SELECT * FROM NumericSensor").await.unwrap_err();
    assert!(
        error.status() == Status::AccessDenied && error.to_string().contains("wrong password"),
        "{error}"
    );
    house.add("node7", &bmc.address(), "nobody", "x");
    let error = house.rows("SELECT * FROM NumericSensor").await.unwrap_err();
    assert!(
        error.status() == Status::AccessDenied && !error.to_string().contains("wrong password"),
        "{error}"
    );
    house.add("node7", &bmc.address(), "admin", "admin-pw");
    assert_eq!(house.rows("SELECT * FROM NumericSensor").await.unwrap().len(), 21);
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_session_is_replaced_by_a_new_one() {
    let Some(mut bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    assert_eq!(house.rows("SELECT * FROM NumericSensor").await.unwrap().len(), 21);
    bmc.restart();
    assert_eq!(house.rows("SELECT * FROM NumericSensor").await.unwrap().len(), 21);
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let path = house.folder().join(telarch_hardware::HostFile::NAME);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = house.rows("SELECT * FROM NumericSensor").await.unwrap_err();
    assert!(error.to_string().contains("0644"), "{error}");
}
