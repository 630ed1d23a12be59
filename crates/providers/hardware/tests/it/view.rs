//! Tests of MSFT_PCSVDevice: power state, boot order and the other properties of a machine in one instance.

use cim::Value;
use telarch_simulated_bmc::{Board, ControllerGroup, Network, SimulatedBmc, ipmitool, settings};

use crate::house::{House, number, text};

const NAMESPACE: &str = "root/microsoft/windows/hardwaremanagement";
const DEVICE: &str = "MSFT_PCSVDevice.InstanceID=\"IPMI:node7\"";

async fn device(house: &House) -> cim::Instance {
    house.rows_in(NAMESPACE, "SELECT * FROM MSFT_PCSVDevice").await.unwrap().remove(0)
}

async fn returned(house: &House, method: &str, input: &[(&str, Value)]) -> Option<i128> {
    number(&house.call(NAMESPACE, DEVICE, method, input).await.unwrap(), "ReturnValue")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_shows_inventory_sensors_and_log() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let device = device(&house).await;
    let said = |names: &[&str]| names.iter().map(|name| text(&device, name)).collect::<Vec<_>>();
    assert_eq!(
        said(&["Manufacturer", "Model", "SerialNumber", "PartNumber", "Version", "TargetAddress"]),
        ["Example Systems", "Server 9000", "PRD000000", "S9000-2U", "1.0", "127.0.0.1"]
    );
    let count = |name: &str| device.value(name).unwrap().elements().len();
    assert_eq!((count("NumericSensorElementName"), count("NumericSensorCurrentReading")), (21, 21));
    assert_eq!(number(&device, "EnabledState"), Some(2));
    let log = house.call(NAMESPACE, DEVICE, "ReadLog", &[]).await.unwrap();
    let records = log.value("LogRecords").unwrap().elements();
    let Some(Value::Object(first)) = records.first() else { panic!("{log:?}") };
    assert_eq!(text(&device, "LogCurrentNumberOfRecords"), records.len().to_string());
    assert_eq!(first.value("RawData").unwrap().elements().len(), 16);
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_switched_and_dropped_boot_flags_are_an_error() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    assert_eq!(
        returned(&house, "RequestStateChange", &[("RequestedState", Value::Uint16(3))]).await,
        Some(0)
    );
    assert_eq!(number(&device(&house).await, "EnabledState"), Some(3));
    assert_eq!(bmc.chassis_log(), "power=0\n");
    // The simulator confirms boot flags and drops all but the device.
    let once = [("StructuredBootString", Value::text("cim:network:1"))];
    let error = house.call(NAMESPACE, DEVICE, "SetOneTimeBootSource", &once).await.unwrap_err();
    let difference = "pxe, next start, legacy, not valid instead of pxe, next start, legacy, valid";
    assert!(error.to_string().contains(difference), "{error}");
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_source_is_set_and_read_back() {
    let group = ControllerGroup::of(vec![(settings(0), Board::default())], Network::default());
    let address = group.addresses()[0].to_string();
    let house = House::new();
    house.add("node7", &address, "admin", "admin-pw");
    let once = |source: &str| [("StructuredBootString", Value::text(source))];
    assert_eq!(returned(&house, "SetOneTimeBootSource", &once("CIM:Tape:1")).await, Some(2));
    assert_eq!(returned(&house, "SetOneTimeBootSource", &once("cim:network:1")).await, Some(0));
    assert_eq!(number(&device(&house).await, "OneTimeBootSource"), Some(1));
    if let Some(theirs) = ipmitool(&address, &["chassis", "bootparam", "get", "5"]) {
        assert!(theirs.contains("PXE") && theirs.contains("only next boot"), "{theirs}");
    }
    let both = [
        ("OneTimeBootSource", Value::text("CIM:Network:1")),
        ("PersistentBootSource", vec!["CIM:Hard-Disk:1".to_owned()].into()),
    ];
    assert_eq!(returned(&house, "ChangeBootConfiguration", &both).await, Some(5));
    assert_eq!(returned(&house, "ChangeBootConfiguration", &both[1..]).await, Some(0));
    if let Some(theirs) = ipmitool(&address, &["chassis", "bootparam", "get", "5"]) {
        assert!(theirs.contains("Hard-Drive") && theirs.contains("all future boots"), "{theirs}");
    }
    house.hardware.close().await;
}
