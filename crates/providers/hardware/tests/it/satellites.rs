//! Sensors of controllers behind the one of the session, whose numbers equal one of its own.

use std::collections::HashMap;

use cim::{Instance, Namespace};
use telarch_simulated_bmc::SimulatedBmc;
use wmi::Context;

use crate::house::{House, number, text};

async fn sensors(house: &House) -> HashMap<String, Instance> {
    let rows = house.rows("SELECT * FROM NumericSensor").await.unwrap();
    rows.into_iter().map(|row| (text(&row, "ElementName"), row)).collect()
}

async fn put(house: &House, row: &Instance, property: &str, value: i32) -> Result<Instance, wmi::Error> {
    let mut given = cim::ColumnSet::new();
    given.insert(row.class().column(property).unwrap());
    let changed = row.clone().with(property, value).unwrap();
    let namespace = Namespace::parse("root/hardware").unwrap();
    house.engine.put(&Context::of_this_process("ada"), &namespace, changed, &given).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_of_a_satellite_has_its_own_key_reading_and_thresholds() {
    let Some(bmc) = SimulatedBmc::start_with_satellites() else { return };
    let house = House::with(&bmc);
    let all = sensors(&house).await;
    assert_eq!(all.len(), 24);
    let names = ["CPU1 Temp", "SAT TEMP", "FAR TEMP", "SW- TEMP"];
    let keys = names.map(|name| text(&all[name], "DeviceID"));
    assert_eq!(keys, ["1.0.32", "1.0.130", "1.0.130.7", "1.0.65"]);
    let shown = names
        .map(|name| (number(&all[name], "CurrentReading"), number(&all[name], "UpperThresholdNonCritical")));
    // A controller that does not respond, and software, have neither.
    assert_eq!(shown, [(Some(45), Some(85)), (Some(33), Some(50)), (None, None), (None, None)]);
    for name in names {
        let path = all[name].path().unwrap().to_string();
        assert_eq!(text(&house.get(&path).await.unwrap(), "ElementName"), name);
    }
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_of_a_satellite_is_set_there_and_not_on_the_controller() {
    let Some(bmc) = SimulatedBmc::start_with_satellites() else { return };
    let Some(before) = bmc.ipmitool(&["sensor", "get", "CPU1 Temp"]) else { return };
    let house = House::with(&bmc);
    let all = sensors(&house).await;
    let now = put(&house, &all["SAT TEMP"], "UpperThresholdNonCritical", 40).await.unwrap();
    assert_eq!(number(&now, "UpperThresholdNonCritical"), Some(40));
    assert_eq!(bmc.ipmitool(&["sensor", "get", "CPU1 Temp"]).unwrap(), before);
    let theirs = bmc.ipmitool(&["sensor", "get", "SAT TEMP"]).unwrap();
    assert!(theirs.contains("Upper Non-Critical    : 40.000"), "{theirs}");
    // System software does not answer requests.
    assert_eq!(text(&all["SW- TEMP"], "SettableThresholds"), "");
    let refused = put(&house, &all["SW- TEMP"], "UpperThresholdNonCritical", 40).await.unwrap_err();
    assert!(refused.to_string().contains("cannot address the owner of the sensor 1.0.65"), "{refused}");
    assert_eq!(bmc.ipmitool(&["sensor", "get", "CPU1 Temp"]).unwrap(), before);
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_satellite_names_its_sensor() {
    let Some(bmc) = SimulatedBmc::start_with_satellites() else { return };
    let house = House::with(&bmc);
    let rows = house.rows("SELECT * FROM LogRecord").await.unwrap();
    let data = text(rows.last().unwrap(), "RecordData");
    assert!(data.starts_with("*SEL(1.0.130)*"), "{data}");
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_in_force_are_shown_after_another_program_changed_them() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    assert_eq!(number(&sensors(&house).await["CPU1 Temp"], "UpperThresholdNonCritical"), Some(85));
    if bmc.ipmitool(&["sensor", "thresh", "CPU1 Temp", "unc", "77"]).is_none() {
        return;
    }
    assert_eq!(number(&sensors(&house).await["CPU1 Temp"], "UpperThresholdNonCritical"), Some(77));
    house.hardware.close().await;
}
