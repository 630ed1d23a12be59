//! `root/hardware` from a client that others wrote through the service to a management controller that others
//! simulate, beside what ipmitool says of the same one.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use telarch_peers::{Machine, Peer, Proof, Pypsrp, Pywinrm, StoredService, Telarchd, WayIn, Winrm, telarch};
use telarch_simulated_bmc::SimulatedBmc;

const HARDWARE: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/hardware";
const WMI: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/wmi";
const VIEW: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/microsoft/windows/hardwaremanagement";

/// Has the service with this state know the simulator as `node7`.
fn introduce(bmc: &SimulatedBmc, state: &Path) {
    let folder = tempfile::tempdir().expect("a folder");
    let password = folder.path().join("password");
    fs::write(&password, "admin-pw\n").expect("a file");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("its mode");
    let (password, state) = (password.display().to_string(), state.display().to_string());
    let address = bmc.address();
    let add = [
        "ipmi",
        "host",
        "add",
        "node7",
        &address,
        "-U",
        "admin",
        "--password-file",
        &password,
        "--state",
        &state,
    ];
    let added = telarch(&add, "");
    assert_eq!(added.code, 0, "{added:?}");
}

/// Name and reading, as ipmitool prints those of full records.
fn readings(bmc: &SimulatedBmc) -> Option<HashMap<String, f64>> {
    let printed = bmc.ipmitool(&["-c", "sdr", "elist", "full"])?;
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        Some(((*cells.first()?).to_owned(), cells.get(1)?.parse().ok()?))
    };
    Some(printed.lines().filter_map(row).collect())
}

for_each_way_in! {
    pywinrm_reads_every_class_of_the_hardware,
    pypsrp_calls_methods_of_the_hardware,
}

fn pywinrm_reads_every_class_of_the_hardware(way: WayIn) {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let service = Telarchd::start_for(way);
    introduce(&bmc, service.state_folder());
    let ask = |resource: &str, query: &str| {
        let query = json!({"resource": format!("{resource}/*"), "query": query});
        let rows = Pywinrm::against(&service, way).ask("query", query).expect("not refused");
        rows.as_array().cloned().unwrap_or_default()
    };
    let sensors = ask(HARDWARE, "SELECT * FROM NumericSensor");
    assert_eq!(sensors.len(), 21);
    let number = |row: &Value, name: &str| row[name].as_str().and_then(|text| text.parse::<i32>().ok());
    let Some(theirs) = readings(&bmc) else { return };
    let mut compared = 0;
    for row in &sensors {
        // ipmitool does not decode a name in six-bit ASCII.
        let Some(their) = row["ElementName"].as_str().and_then(|name| theirs.get(name)) else { continue };
        let (digits, power) = (number(row, "CurrentReading"), number(row, "UnitModifier"));
        let ours = f64::from(digits.expect("a reading")) * 10_f64.powi(power.expect("a power"));
        assert!((ours - their).abs() <= 0.005_f64.max(their.abs() * 0.005), "{their}: {row}");
        compared += 1;
    }
    assert_eq!(compared, 20);
    for (class, least) in [
        ("AdminDomain", 1),
        ("ComputerSystem", 2),
        ("SystemSpecificCollection", 1),
        ("Sensor", 8),
        ("CIM_Sensor", 29),
        ("RecordLog", 1),
        ("LogRecord", 6),
        ("Account", 4),
        ("PrivilegeGroup", 4),
        ("AuthorizedPrivilege", 4),
        ("ConcreteCollection", 1),
        ("RegisteredProfile", 1),
        ("CIM_SystemDevice", 29),
        ("CIM_OwningCollectionElement", 2),
        ("CIM_MemberOfCollection", 29),
        ("CIM_UseOfLog", 2),
        ("CIM_LogManagesRecord", 6),
    ] {
        let rows = ask(HARDWARE, &format!("SELECT * FROM {class}"));
        assert!(rows.len() >= least, "{class} has {} rows", rows.len());
    }
    assert_eq!(ask(WMI, "SELECT * FROM Microsoft_IPMI")[0]["BMCAddress"], "32");
    assert_eq!(ask(VIEW, "SELECT * FROM MSFT_PCSVDevice")[0]["SerialNumber"], "PRD000000");
    let machine = "ComputerSystem.CreationClassName=\"ComputerSystem\",Name=\"node7\"";
    let devices = ask(HARDWARE, &format!("ASSOCIATORS OF {{{machine}}} WHERE AssocClass = CIM_SystemDevice"));
    assert_eq!(devices.len(), 29);
    let hot = ask(HARDWARE, "SELECT DeviceID, CurrentReading FROM NumericSensor WHERE SensorType = 2");
    assert!(hot.len() >= 3 && hot[0].as_object().is_some_and(|row| row.len() == 2), "{hot:?}");
    // The text form of Windows, letter for letter.
    let records = ask(HARDWARE, "SELECT RecordFormat, RecordData FROM LogRecord");
    let format = "*string CIM_Sensor.DeviceID*uint8[2] IPMI_RecordID*uint8 IPMI_RecordType*uint8[4] IPMI_Timestamp\
                  *uint8[2] IPMI_GeneratorID*uint8 IPMI_EvMRev*uint8 IPMI_SensorType*uint8 IPMI_SensorNumber\
                  *boolean IPMI_AssertionEvent*uint8 IPMI_EventType*uint8 IPMI_EventData1*uint8 IPMI_EventData2\
                  *uint8 IPMI_EventData3*";
    assert!(records.iter().any(|row| row["RecordFormat"] == format), "{records:?}");
    assert!(
        records.iter().any(|row| row["RecordData"].as_str().is_some_and(|data| data.starts_with("*SEL(")))
    );
}

fn pypsrp_calls_methods_of_the_hardware(way: WayIn) {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let service = Telarchd::start_for(way);
    introduce(&bmc, service.state_folder());
    let change = |state: &str| {
        let call = json!({
            "resource": format!("{HARDWARE}/ComputerSystem"), "method": "RequestStateChange",
            "selectors": {"CreationClassName": "ComputerSystem", "Name": "node7"},
            "parameters": {"RequestedState": state},
        });
        ("invoke", call)
    };
    let raw = json!({
        "resource": format!("{WMI}/Microsoft_IPMI"), "method": "RequestResponse",
        "selectors": {"InstanceName": "node7"},
        "parameters": {
            "NetworkFunction": "6", "Lun": "0", "ResponderAddress": "32", "Command": "1", "RequestDataSize": "0",
        },
    });
    let [off, on, strange, raw] =
        Pypsrp::against(&service, way).manage([change("3"), change("2"), change("7"), ("invoke", raw)]);
    let returned = |answer: Result<Value, _>| {
        answer.unwrap_or_else(|refusal: telarch_peers::Refusal| panic!("{refusal:?}"))["RequestStateChange_OUTPUT"]
            ["ReturnValue"]
            .clone()
    };
    assert_eq!((returned(off), returned(on), returned(strange)), (json!("0"), json!("0"), json!("1")));
    // What may be done twice is sent again to a controller that is slow to answer.
    let log = bmc.chassis_log();
    let mut switched: Vec<&str> = log.lines().collect();
    switched.dedup();
    assert!(switched.starts_with(&["power=0", "power=1"]), "{log}");
    let raw = raw.expect("not refused")["RequestResponse_OUTPUT"].clone();
    assert_eq!(raw["CompletionCode"], "0");
    let Some(theirs) = bmc.ipmitool(&["raw", "6", "1"]) else { return };
    let theirs: Vec<String> = std::iter::once("0".to_owned())
        .chain(
            theirs
                .split_whitespace()
                .filter_map(|octet| u8::from_str_radix(octet, 16).ok())
                .map(|octet| octet.to_string()),
        )
        .collect();
    assert_eq!(raw["ResponseData"], json!(theirs), "the completion code is the first octet");
    assert_eq!(raw["ResponseDataSize"], json!(theirs.len().to_string()));
}

#[test]
fn our_own_command_line_reads_sets_and_clears() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let service = Telarchd::start(&[]);
    introduce(&bmc, service.state_folder());
    let run = |words: &[&str]| {
        let done = Winrm::to(service.http()).run(words);
        assert!(done.code == 0 && done.stderr.is_empty(), "{words:?} {done:?}");
        done.text().0.to_owned()
    };
    let all = run(&["enumerate", "wmi/root/hardware/NumericSensor"]);
    assert_eq!(
        all.matches("\nNumericSensor\n").count() + usize::from(all.starts_with("NumericSensor\n")),
        21
    );
    for line in ["    ElementName = Inlet Temp\n", "    CurrentReading = -5\n", "    BaseUnits = 2\n"] {
        assert!(all.contains(line), "{line} is not in {all}");
    }
    let other = run(&["enumerate", "cimv2/CIM_NumericSensor?__cimnamespace=root/hardware"]);
    assert_eq!(other.matches("    CurrentReading = ").count(), 21, "{other}");
    let filter = "-filter:select DeviceID,CurrentReading from NumericSensor where SensorType=2";
    let hot = run(&["enumerate", "wmi/root/hardware/*", "-dialect:wql", filter]);
    assert!(hot.matches("DeviceID = ").count() >= 3 && !hot.contains("ElementName"), "{hot}");
    let id = all.split("NumericSensor\n").find(|row| row.contains("ElementName = Inlet Temp\n"));
    let id = id.and_then(|row| row.lines().find_map(|line| line.trim().strip_prefix("DeviceID = ")));
    let inlet = format!(
        "wmi/root/hardware/NumericSensor?CreationClassName=NumericSensor+DeviceID={}+\
         SystemCreationClassName=ComputerSystem+SystemName=node7",
        id.expect("a name")
    );
    let set = run(&["set", &inlet, "@{UpperThresholdNonCritical=\"37\"}"]);
    assert!(set.contains("    UpperThresholdNonCritical = 37\n"), "{set}");
    if let Some(theirs) = bmc.ipmitool(&["sensor", "get", "Inlet Temp"]) {
        assert!(theirs.contains("Upper Non-Critical    : 37.000"), "{theirs}");
    }
    let record = run(&["enumerate", "wmi/root/hardware/RecordLog"]);
    let count = record.lines().find_map(|line| line.trim().strip_prefix("CurrentNumberOfRecords = "));
    let count = count.and_then(|count| count.parse::<u32>().ok()).unwrap_or_default();
    assert!(count >= 6, "{record}");
    if let Some(theirs) = bmc.ipmitool(&["sel", "info"]) {
        assert!(theirs.contains(&format!("Entries          : {count}\n")), "{theirs}");
    }
    let log = record.lines().find_map(|line| line.trim().strip_prefix("InstanceID = ")).expect("a key");
    let cleared =
        run(&["invoke", "ClearLog", &format!("wmi/root/hardware/RecordLog?InstanceID={log}"), "@{}"]);
    assert!(cleared.contains("    ReturnValue = 0\n"), "{cleared}");
    let emptied = run(&["enumerate", "wmi/root/hardware/RecordLog"]);
    assert!(!emptied.contains(&format!("CurrentNumberOfRecords = {count}\n")), "{emptied}");
    let view = run(&["enumerate", "wmi/root/microsoft/windows/hardwaremanagement/MSFT_PCSVDevice"]);
    assert!(view.contains("    Manufacturer = Example Systems\n"), "{view}");
}

#[test]
fn pywinrm_receives_events_of_the_system_event_log() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    if bmc.ipmitool(&["raw", "6", "1"]).is_none() {
        return;
    }
    let way = WayIn::BasicOverHttps;
    let service = Telarchd::start_for(way);
    introduce(&bmc, service.state_folder());
    let address = bmc.address();
    let (host, port) = address.split_once(':').expect("a port");
    let program = format!(
        "ipmitool -I lanplus -C 3 -H {host} -p {port} -U admin -P admin-pw \
         raw 0x0a 0x44 0 0 2 0 0 0 0 0x20 0 4 1 1 1 0x59 0x60 0x5f"
    );
    let program: Vec<&str> = program.split_whitespace().collect();
    let resource = "http://schemas.microsoft.com/wbem/wsman/1/logrecord/sel";
    let arguments = json!({"resource": resource, "query": null, "program": program, "count": 1});
    let answer = Pywinrm::against(&service, way).subscribe("watch", arguments).expect("not refused");
    let event = &answer["events"][0];
    assert_eq!(event["class"], "LogRecord", "{answer}");
    let data = event["RecordData"].as_str().unwrap_or_default();
    assert!(data.starts_with("*SEL(1.0.32)*") && data.ends_with("*true*01*59*60*5F*"), "{answer}");
}

#[test]
fn root_reads_the_hardware_in_a_separate_process() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    if !rustix::process::geteuid().is_root() {
        skips::skip!("it takes root to serve a machine");
        return;
    }
    let stored = StoredService::files("");
    let stored = stored.start();
    introduce(&bmc, &stored.state());
    let root = Winrm::at_socket(&stored.state().join("local.sock"));
    let done = root.run(&["enumerate", "wmi/root/hardware/NumericSensor"]);
    assert_eq!(done.text().0.matches("    CurrentReading = ").count(), 21, "{done:?}");
    let machine = "wmi/root/hardware/ComputerSystem?CreationClassName=ComputerSystem+Name=node7";
    let off = root.run(&["invoke", "RequestStateChange", machine, "@{RequestedState=\"3\"}"]);
    assert!(off.text().0.contains("ReturnValue = 0\n"), "{off:?}");
    assert!(bmc.chassis_log().starts_with("power=0\n"), "{}", bmc.chassis_log());
}

fn sensors_of(machine: &Machine) -> Result<Value, telarch_peers::Refusal> {
    let query = json!({"resource": format!("{HARDWARE}/*"), "query": "SELECT * FROM NumericSensor"});
    machine.pywinrm(WayIn::BasicOverHttps).ask("query", query)
}

#[test]
fn an_administrator_without_root_reads_the_hardware_through_the_broker() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let Some(machine) = Machine::start(Proof::MemberOf("Administrators")) else { return };
    introduce(&bmc, &machine.state());
    let rows = sensors_of(&machine).expect("not refused");
    assert_eq!(rows.as_array().map(Vec::len), Some(21), "{rows}");
    let off = json!({
        "resource": format!("{HARDWARE}/ComputerSystem"), "method": "RequestStateChange",
        "selectors": {"CreationClassName": "ComputerSystem", "Name": "node7"},
        "parameters": {"RequestedState": "3"},
    });
    let [off] = machine.pypsrp(WayIn::BasicOverHttps).manage([("invoke", off)]);
    assert_eq!(off.expect("not refused")["RequestStateChange_OUTPUT"]["ReturnValue"], "0");
    assert!(bmc.chassis_log().starts_with("power=0\n"), "{}", bmc.chassis_log());
}

#[test]
fn ordinary_users_are_refused_controllers_with_the_name_of_the_group() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let Some(machine) = Machine::start(Proof::MemberOf("WinRMRemoteWMIUsers__")) else { return };
    introduce(&bmc, &machine.state());
    // WBEM_E_ACCESS_DENIED: the namespace lets in nobody from afar but administrators.
    assert_eq!(sensors_of(&machine).expect_err("may not enter").fault_code, Some(2_150_859_012));
    // Even who may enter it.
    let repository = machine.state().join("repository.mof").display().to_string();
    let everybody =
        ["wmi", "security", "root/hardware", "D:(A;CI;0x6003f;;;WD)", "--repository", &repository];
    let set = telarch(&everybody, "");
    assert_eq!(set.code, 0, "{set:?}");
    let refused = sensors_of(&machine).expect_err("not the user's");
    assert!(refused.message.contains("members of BUILTIN\\Administrators"), "{refused:?}");
}
