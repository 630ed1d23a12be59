//! Compares NumericSensor and Sensor with the output of ipmitool for the same controller.

use std::collections::HashMap;

use cim::{Namespace, Value};
use telarch_simulated_bmc::{Board, ControllerGroup, Network, SimulatedBmc, settings};
use wmi::Context;

use crate::house::{House, number, text};

/// Parses the table of ipmitool: name, reading, and the thresholds from upper non-recoverable down.
fn table(bmc: &SimulatedBmc) -> Option<HashMap<String, Vec<String>>> {
    let printed = bmc.ipmitool(&["sensor"])?;
    let rows = printed.lines().map(|line| {
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        (cells[0].clone(), cells)
    });
    Some(rows.collect())
}

/// Returns a number of an instance in the unit of the sensor.
fn quantity(row: &cim::Instance, property: &str) -> Option<f64> {
    let digits = number(row, property)?;
    let exponent = number(row, "UnitModifier").unwrap();
    Some(format!("{digits}e{exponent}").parse().unwrap())
}

fn near(ours: Option<f64>, theirs: &str) -> bool {
    match (ours, theirs.parse::<f64>()) {
        (None, Err(_)) => theirs == "na",
        (Some(ours), Ok(theirs)) => (ours - theirs).abs() <= 0.000_6 + theirs.abs() * 1e-4,
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numeric_sensors_have_the_readings_of_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let Some(theirs) = table(&bmc) else { return };
    let house = House::with(&bmc);
    let rows = house.rows("SELECT * FROM NumericSensor").await.unwrap();
    assert_eq!(rows.len(), 21);
    let mut compared = 0;
    for row in &rows {
        let name = text(row, "ElementName");
        // ipmitool does not decode names in six-bit ASCII.
        let Some(cells) = theirs.get(&name) else {
            assert_eq!(name, "ALTITUDE6");
            continue;
        };
        assert!(near(quantity(row, "CurrentReading"), &cells[1]), "{name}: {cells:?} {row:?}");
        for (property, column) in [
            ("LowerThresholdFatal", 4),
            ("LowerThresholdCritical", 5),
            ("LowerThresholdNonCritical", 6),
            ("UpperThresholdNonCritical", 7),
            ("UpperThresholdCritical", 8),
            ("UpperThresholdFatal", 9),
        ] {
            assert!(near(quantity(row, property), &cells[column]), "{name} {property}: {cells:?} {row:?}");
        }
        let state = match cells[3].as_str() {
            "ok" => "Normal",
            "nc" => "Non-Critical",
            "cr" => "Critical",
            "nr" => "Fatal",
            _ => "Unknown",
        };
        assert!(
            text(row, "CurrentState").ends_with(state),
            "{name}: {cells:?} {}",
            text(row, "CurrentState")
        );
        compared += 1;
    }
    assert_eq!(compared, 20);
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numeric_sensors_have_the_properties_of_windows() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let row = |name: &'static str| {
        let house = &house;
        async move {
            let query = format!("SELECT * FROM NumericSensor WHERE ElementName = '{name}'");
            house.rows(&query).await.unwrap().pop().unwrap_or_else(|| panic!("no {name}"))
        }
    };
    let inlet = row("Inlet Temp").await;
    let said = |names: &[&str]| names.iter().map(|name| text(&inlet, name)).collect::<Vec<_>>();
    assert_eq!(
        said(&["SystemCreationClassName", "SystemName", "CreationClassName", "SensorType", "BaseUnits"]),
        ["ComputerSystem", "node7", "NumericSensor", "2", "2"]
    );
    assert!(text(&inlet, "DeviceID").ends_with(".0.32"), "{}", text(&inlet, "DeviceID"));
    assert_eq!(said(&["CurrentReading", "UnitModifier", "RateUnits", "IsLinear"]), ["-5", "0", "0", "true"]);
    assert_eq!(said(&["SupportedThresholds", "SettableThresholds"]), ["0 1 2 3 4 5", "0 1 2 3 4 5"]);
    assert_eq!(said(&["HealthState", "OperationalStatus", "Status"]), ["5", "2", "OK"]);
    assert_eq!(
        said(&["Hysteresis", "Resolution", "EnabledDefault", "RequestedState"]),
        ["2", "1", "2", "12"]
    );
    let battery = row("VBAT").await;
    assert_eq!(
        (number(&battery, "CurrentReading"), number(&battery, "UnitModifier")),
        (Some(3_000), Some(-3))
    );
    let fan = row("FAN1").await;
    assert_eq!((number(&fan, "BaseUnits"), number(&fan, "SensorType")), (Some(19), Some(5)));
    let curve = row("VRM Log10").await;
    assert_eq!(
        (number(&curve, "CurrentReading"), number(&curve, "UnitModifier"), text(&curve, "IsLinear").as_str()),
        (Some(100_000), Some(-3), "false")
    );
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discrete_sensors_have_states_and_are_separate_from_numeric_ones() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let rows = house.rows("SELECT * FROM Sensor").await.unwrap();
    assert_eq!(rows.len(), 8);
    let supply = rows.iter().find(|row| text(row, "ElementName") == "PSU1 Status").unwrap();
    assert_eq!((number(supply, "SensorType"), number(supply, "EnabledState")), (Some(1), Some(2)));
    assert!(!text(supply, "CurrentState").is_empty() && !text(supply, "PossibleStates").is_empty());
    let failed = rows.iter().filter(|row| number(row, "HealthState") > Some(5)).count();
    assert!(failed >= 1, "the failed power supply looks well");
    let all = house.rows("SELECT * FROM CIM_Sensor").await.unwrap();
    assert_eq!(all.len(), 29);
    let selected =
        house.rows("SELECT DeviceID, CurrentReading FROM NumericSensor WHERE SensorType = 2").await;
    assert!(selected.unwrap().len() >= 3);
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_threshold_is_set_and_verified() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let inlet =
        house.rows("SELECT * FROM NumericSensor WHERE ElementName = 'Inlet Temp'").await.unwrap().remove(0);
    let namespace = Namespace::parse("root/hardware").unwrap();
    let put = async |property: &str, value: i32| {
        let mut given = cim::ColumnSet::new();
        given.insert(inlet.class().column(property).unwrap());
        let changed = inlet.clone().with(property, value).unwrap();
        house.engine.put(&Context::of_this_process("ada"), &namespace, changed, &given).await
    };
    let now = put("UpperThresholdNonCritical", 37).await.unwrap();
    assert_eq!(number(&now, "UpperThresholdNonCritical"), Some(37));
    if let Some(theirs) = table(&bmc) {
        assert_eq!(theirs["Inlet Temp"][7].parse::<f64>().unwrap(), 37.0);
    }
    let far = put("UpperThresholdNonCritical", 4_000).await.unwrap_err();
    assert!(far.to_string().contains("out of the range"), "{far}");
    let fixed = put("UpperThresholdCritical", 41).await.unwrap_err();
    assert!(matches!(fixed, wmi::Error::ReadOnly { .. }), "{fixed}");
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sensors_are_found_by_keys_and_associations() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let any = house.rows("SELECT * FROM NumericSensor").await.unwrap().remove(3);
    let path = any.path().unwrap().to_string();
    assert_eq!(text(&house.get(&path).await.unwrap(), "ElementName"), text(&any, "ElementName"));
    let wrong = path.replace("node7", "node8");
    assert!(matches!(house.get(&wrong).await, Err(wmi::Error::NotFound(_))));
    let systems = format!("ASSOCIATORS OF {{{path}}} WHERE AssocClass = CIM_SystemDevice");
    let found = house.rows(&systems).await.unwrap();
    assert_eq!(found.iter().map(|row| text(row, "Name")).collect::<Vec<_>>(), ["node7"]);
    let back = format!("ASSOCIATORS OF {{{}}} WHERE ResultClass = CIM_Sensor", crate::house::MACHINE);
    assert_eq!(house.rows(&back).await.unwrap().len(), 29);
    let out = house
        .call("root/hardware", &path, "GetNonLinearFactors", &[("SensorReading", Value::Sint32(3))])
        .await;
    let out = out.unwrap();
    assert_eq!(
        (number(&out, "ReturnValue"), number(&out, "Hysteresis")),
        (Some(0), number(&any, "Hysteresis"))
    );
    assert_eq!(house.returned(&path, "RestoreDefaultThresholds", &[]).await, 1);
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_non_linear_sensor_has_factors_per_reading() {
    let mut board = Board::default();
    let mut record = board.records[3].clone();
    // Its linearization, after the header of 5 bytes and 18 others.
    record[5 + 18] = 0x70;
    let own = record[5 + 2];
    board.records = std::sync::Arc::new(vec![record]);
    board.sensors.insert((0, own), [0x40, 0xc0, 0, 0]);
    // Factors: each value twice, minus one, times ten; from 80h three times, and less exact.
    for raw in 0..=u8::MAX {
        let factors = if raw < 0x80 { [2, 0, 0xff, 0xc0, 0, 0xf0] } else { [3, 4, 0, 5, 0, 0xf0] };
        board.factors.insert((own, raw), factors);
    }
    let group = ControllerGroup::of(vec![(settings(0), board)], Network::default());
    let house = House::new();
    house.add("node7", &group.addresses()[0].to_string(), "admin", "admin-pw");
    let row = house.rows("SELECT * FROM NumericSensor").await.unwrap().remove(0);
    assert_eq!(
        (number(&row, "CurrentReading"), number(&row, "UnitModifier"), text(&row, "IsLinear").as_str()),
        (Some(12_700), Some(-3), "false")
    );
    assert_eq!((number(&row, "Resolution"), number(&row, "Tolerance")), (Some(200), Some(0)));
    let path = row.path().unwrap().to_string();
    let factors = async |reading: i32| {
        let given = [("SensorReading", Value::Sint32(reading))];
        house.call("root/hardware", &path, "GetNonLinearFactors", &given).await
    };
    // 90h, three times, times ten.
    let there = factors(43_200).await.unwrap();
    assert_eq!(
        ["ReturnValue", "Resolution", "Tolerance", "Accuracy"].map(|name| number(&there, name)),
        [Some(0), Some(300), Some(600), Some(5)]
    );
    assert_eq!(number(&factors(12_700).await.unwrap(), "Resolution"), Some(200));
    let beyond = factors(900_000).await.unwrap_err();
    assert!(beyond.to_string().contains("out of its range"), "{beyond}");
    house.hardware.close().await;
}
