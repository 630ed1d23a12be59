//! Tests of methods that switch the simulated chassis.

use cim::Value;
use telarch_simulated_bmc::SimulatedBmc;

use crate::house::{House, MACHINE, number, text};

#[tokio::test(flavor = "multi_thread")]
async fn request_state_change_switches_the_machine() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let change = async |state: u16| {
        house.returned(MACHINE, "RequestStateChange", &[("RequestedState", state.into())]).await
    };
    let is_on = async || number(&house.get(MACHINE).await.unwrap(), "EnabledState") == Some(2);
    assert!(is_on().await);
    assert_eq!(change(3).await, 0);
    assert!(!is_on().await && text(&house.get(MACHINE).await.unwrap(), "Status") == "Stopped");
    if let Some(theirs) = bmc.ipmitool(&["power", "status"]) {
        assert!(theirs.contains("is off"), "{theirs}");
    }
    assert_eq!(change(2).await, 0);
    assert!(is_on().await);
    assert_eq!((change(11).await, change(10).await), (0, 0));
    assert_eq!((change(7).await, change(9).await), (1, 1), "states that no controller knows");
    let log = bmc.chassis_log();
    assert!(log.starts_with("power=0\npower=1\n") && log.contains("reset"), "{log}");
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impossible_change_is_rejected_and_changes_nothing() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let limit = Value::text("00000000000030.000000:000");
    let time = cim::CimType::DateTime.parse(limit.as_str().unwrap()).unwrap();
    let given = [("RequestedState", Value::Uint16(3)), ("TimeoutPeriod", time)];
    assert_eq!(house.returned(MACHINE, "RequestStateChange", &given).await, 4_098);
    assert_eq!(house.returned(MACHINE, "RequestStateChange", &[]).await, 5);
    let controller = MACHINE.replace("node7", "node7:32");
    let off = [("RequestedState", Value::Uint16(3))];
    assert_eq!(house.returned(&controller, "RequestStateChange", &off).await, 1);
    assert_eq!(house.returned(MACHINE, "SetPowerState", &[("PowerState", Value::Uint32(7))]).await, 1);
    assert_eq!(bmc.chassis_log(), "");
    assert_eq!(house.returned(MACHINE, "SetPowerState", &[("PowerState", Value::Uint32(6))]).await, 0);
    assert_eq!(bmc.chassis_log(), "power=0\n");
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_operator_level_cannot_switch_the_power() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::new();
    // The simulator grants every user the requested privilege level.
    house.add_at(ipmi::proto::Privilege::User, "node7", &bmc.address(), "viewer", "viewer-pw");
    assert_eq!(house.rows("SELECT * FROM NumericSensor").await.unwrap().len(), 21);
    let off = [("RequestedState", Value::Uint16(3))];
    let refused = house.call("root/hardware", MACHINE, "RequestStateChange", &off).await.unwrap_err();
    assert_eq!(refused.status(), cim::Status::AccessDenied, "{refused}");
    assert_eq!(bmc.chassis_log(), "");
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_request_can_be_sent_through_the_driver_class() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let rows = house.rows_in("root/wmi", "SELECT * FROM Microsoft_IPMI").await.unwrap();
    assert_eq!(
        (text(&rows[0], "InstanceName").as_str(), number(&rows[0], "BMCAddress")),
        ("node7", Some(32))
    );
    let path = rows[0].path().unwrap().to_string();
    let ask = async |net_fn: u8, command: u8, data: Vec<u8>, size: u32, address: u8| {
        let input = [
            ("NetworkFunction", net_fn.into()),
            ("Lun", Value::Uint8(0)),
            ("ResponderAddress", address.into()),
            ("Command", command.into()),
            ("RequestDataSize", size.into()),
            ("RequestData", data.into()),
        ];
        house.call("root/wmi", &path, "RequestResponse", &input).await
    };
    let id = ask(6, 1, vec![], 0, 0x20).await.unwrap();
    // The completion code precedes the data, and is counted in its size.
    assert_eq!((number(&id, "CompletionCode"), number(&id, "ResponseDataSize")), (Some(0), Some(16)));
    assert!(text(&id, "ResponseData").starts_with("0 0 3 9 "), "{}", text(&id, "ResponseData"));
    let odd = ask(6, 1, vec![], 0, 0x21).await.unwrap_err();
    assert!(odd.to_string().contains("address"), "{odd}");
    let unknown = ask(6, 0x7f, vec![], 0, 0x20).await.unwrap();
    assert_eq!(
        (number(&unknown, "CompletionCode"), text(&unknown, "ResponseData").as_str()),
        (Some(0xc1), "193")
    );
    assert_eq!(number(&ask(0, 2, vec![0, 9, 9], 1, 0x20).await.unwrap(), "CompletionCode"), Some(0));
    assert_eq!(bmc.chassis_log(), "power=0\n");
    for (net_fn, data, size, part) in [(7, vec![], 0, "NetworkFunction"), (6, vec![1], 2, "RequestDataSize")]
    {
        let error = ask(net_fn, 1, data, size, 0x20).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    house.hardware.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn driver_methods_unavailable_over_the_network_are_rejected() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let house = House::with(&bmc);
    let driver = "Microsoft_IPMI.InstanceName=\"node7\"";
    let attention = house.call("root/wmi", driver, "SMS_Attention", &[]).await.unwrap_err();
    assert_eq!(attention.status(), cim::Status::NotSupported);
    assert!(attention.to_string().contains("only the driver of its own machine"), "{attention}");
    let namespace = "root/microsoft/windows/hardwaremanagement";
    let view = house.rows_in(namespace, "SELECT * FROM MSFT_PCSVDevice").await.unwrap().remove(0);
    let path = view.path().unwrap().to_string();
    let given = [("URI", Value::text("http://127.0.0.1/firmware"))];
    let out = house.call(namespace, &path, "InstallSoftwareFromURI", &given).await.unwrap();
    assert_eq!(number(&out, "ReturnValue"), Some(1), "not supported (CIM_SoftwareInstallationService)");
    house.hardware.close().await;
}
