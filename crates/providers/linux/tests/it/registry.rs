//! Tests of `StdRegProv`: data of the machine, and keys written by clients.

use std::process::Command;
use std::sync::Arc;

use cim::{Identity, Instance, Name, Namespace, ObjectPath, Value};
use telarch_provider_linux::Machine;
use wmi::{Context, Error};

use crate::{engine, text};

const UNINSTALL: &str = "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall";

async fn call(machine: &Arc<Machine>, method: &str, parameters: &[(&str, Value)]) -> Result<Instance, Error> {
    let class = Name::parse("StdRegProv").unwrap();
    let path = ObjectPath { server: None, namespace: None, class, identity: Identity::Class };
    let input = |operation: &cim::Operation| {
        let begin = Instance::with_defaults(operation.input.clone());
        parameters.iter().try_fold(begin, |input, (name, value)| input.with(name, value.clone()))
    };
    let namespace = Namespace::parse("root/default").unwrap();
    engine(machine).invoke(&Context::of_this_process("alice"), &namespace, &path, method, input).await
}

/// A machine with a writable registry, and some files of the real machine.
fn machine() -> (tempfile::TempDir, Arc<Machine>) {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::this().keeping(folder.path().join("machine"), Some(folder.path().join("user")));
    (folder, Arc::new(machine))
}

fn strings(answer: &Instance, name: &str) -> Vec<String> {
    match answer.value(name) {
        Some(Value::Array(values)) => values.iter().map(|value| value.as_str().unwrap().to_owned()).collect(),
        _ => Vec::new(),
    }
}

async fn text_of(machine: &Arc<Machine>, key: &str, name: &str) -> String {
    let key = Value::from(key.to_owned());
    let parameters = [("sSubKeyName", key), ("sValueName", Value::from(name.to_owned()))];
    let answer = call(machine, "GetStringValue", &parameters).await.unwrap();
    assert_eq!(text(&answer, "ReturnValue"), "0", "{name}");
    text(&answer, "sValue")
}

#[tokio::test]
async fn packages_are_those_that_dpkg_lists() {
    let list = || {
        let format = "${db:Status-Status} ${Package} ${Version}\n";
        let output = Command::new("dpkg-query").args(["-W", "-f", format]).output().ok()?;
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let Some(mut listed) = list() else {
        skips::skip!("there is no dpkg-query here");
        return;
    };
    let (_folder, machine) = machine();
    let names = loop {
        let answer = call(&machine, "EnumKey", &[("sSubKeyName", UNINSTALL.into())]).await.unwrap();
        // A package may have been installed meanwhile.
        let before = std::mem::replace(&mut listed, list().unwrap());
        if before == listed {
            break strings(&answer, "sNames");
        }
    };
    let listed: Vec<(&str, &str)> =
        listed.lines().filter_map(|line| line.strip_prefix("installed ")?.split_once(' ')).collect();
    assert_eq!(names.len(), listed.len());
    for (name, version) in listed.iter().step_by(37) {
        let key = format!("{UNINSTALL}\\{name}");
        assert_eq!(text_of(&machine, &key, "DisplayName").await, *name);
        assert_eq!(text_of(&machine, &key, "displayversion").await, *version);
        let date = text_of(&machine, &key, "InstallDate").await;
        assert!(date.len() == 8 && date.parse::<u32>().is_ok(), "{date}");
    }
}

#[tokio::test]
async fn parent_keys_exist() {
    let (_folder, machine) = machine();
    let answer = call(&machine, "EnumKey", &[("sSubKeyName", "software\\Microsoft".into())]).await.unwrap();
    assert_eq!(strings(&answer, "sNames"), ["WebManagement", "Windows", "Windows NT"]);
    let answer = call(&machine, "EnumKey", &[("sSubKeyName", "SOFTWARE\\Nobody".into())]).await.unwrap();
    assert_eq!((text(&answer, "ReturnValue").as_str(), answer.value("sNames")), ("2", Some(&Value::Null)));
    let key = "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion";
    let shell =
        Command::new("sh").args(["-c", ". /etc/os-release; printf %s \"$PRETTY_NAME\""]).output().unwrap();
    assert_eq!(text_of(&machine, key, "ProductName").await, String::from_utf8(shell.stdout).unwrap());
}

#[tokio::test]
async fn written_values_keep_their_type() {
    let (_folder, machine) = machine();
    let key = Value::from("SOFTWARE\\Site\\Inventory");
    let code = |answer: Result<Instance, Error>| text(&answer.unwrap(), "ReturnValue");
    for (method, parameter, value) in [
        ("String", "sValue", Value::from("Keller")),
        ("ExpandedString", "sValue", "%HOME%".into()),
        ("MultiString", "sValue", vec!["a".to_owned(), "b".to_owned()].into()),
        ("DWORD", "uValue", 7_u32.into()),
        ("QWORD", "uValue", u64::MAX.into()),
        ("Binary", "uValue", vec![1_u8, 2, 255].into()),
    ] {
        let set = [("sSubKeyName", key.clone()), ("sValueName", method.into()), (parameter, value.clone())];
        assert_eq!(code(call(&machine, &format!("Set{method}Value"), &set).await), "0");
        let get = [("sSubKeyName", key.clone()), ("sValueName", method.to_lowercase().into())];
        let answer = call(&machine, &format!("Get{method}Value"), &get).await.unwrap();
        assert_eq!(answer.value(parameter), Some(&value));
    }
    let named = |name: &'static str| [("sSubKeyName", key.clone()), ("sValueName", Value::from(name))];
    assert_eq!(code(call(&machine, "GetDWORDValue", &named("String")).await), "2147749893", "another type");
    let values = call(&machine, "EnumValues", &[("sSubKeyName", key.clone())]).await.unwrap();
    let kinds = vec![1, 2, 7, 4, 11, 3];
    assert_eq!(values.value("Types"), Some(&Value::from(kinds)));
    assert_eq!(code(call(&machine, "DeleteValue", &named("DWORD")).await), "0");
    assert_eq!(code(call(&machine, "GetDWORDValue", &named("DWORD")).await), "2");
    let above = [("sSubKeyName", Value::from("SOFTWARE\\Site"))];
    assert_eq!(code(call(&machine, "DeleteKey", &above).await), "5", "there is one below it");
    assert_eq!(code(call(&machine, "DeleteKey", &[("sSubKeyName", key.clone())]).await), "0");
    assert_eq!(code(call(&machine, "DeleteKey", &above).await), "0");
    assert_eq!(code(call(&machine, "EnumKey", &above).await), "2");
}

#[tokio::test]
async fn registry_views_are_read_only() {
    let (_folder, machine) = machine();
    for key in [
        UNINSTALL,
        "SYSTEM\\CurrentControlSet\\Services\\mine",
        "HARDWARE",
        "SOFTWARE",
        "SOFTWARE\\Microsoft\\WebManagement\\Server",
        "software\\policies\\Site",
    ] {
        let parameters =
            [("sSubKeyName", Value::from(key)), ("sValueName", "a".into()), ("sValue", Value::from("b"))];
        let answer = call(&machine, "SetStringValue", &parameters).await.unwrap();
        assert_eq!(text(&answer, "ReturnValue"), "5", "{key}");
    }
    let write = [("sSubKeyName", Value::from(UNINSTALL)), ("uRequired", 2_u32.into())];
    let answer = call(&machine, "CheckAccess", &write).await.unwrap();
    assert_eq!(text(&answer, "bGranted"), "false");
    let read = [("sSubKeyName", Value::from(UNINSTALL)), ("uRequired", 1_u32.into())];
    let answer = call(&machine, "CheckAccess", &read).await.unwrap();
    assert_eq!(text(&answer, "bGranted"), "true");
}

#[tokio::test]
async fn services_of_a_machine_have_their_command_and_how_they_start() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "usr/lib/systemd/system/web.service",
        "[Unit]\nDescription=Web\n[Service]\nUser=www\nExecStart=-/bin/web -f\n",
    );
    write("usr/lib/systemd/system/getty@.service", "[Unit]\n");
    write("etc/systemd/system/multi-user.target.wants/web.service", "");
    write("etc/systemd/system/off.service", "");
    let machine = Arc::new(Machine::at(folder.path()));
    let services = "SYSTEM\\CurrentControlSet\\Services";
    let answer = call(&machine, "EnumKey", &[("sSubKeyName", services.into())]).await.unwrap();
    assert_eq!(strings(&answer, "sNames"), ["off", "Tcpip", "web"], "and the settings of the network");
    let start = async |name: &str| {
        let key = Value::from(format!("{services}\\{name}"));
        let parameters = [("sSubKeyName", key), ("sValueName", "Start".into())];
        text(&call(&machine, "GetDWORDValue", &parameters).await.unwrap(), "uValue")
    };
    assert_eq!((start("web").await, start("off").await), ("2".to_owned(), "4".to_owned()));
    assert_eq!(text_of(&machine, &format!("{services}\\WEB"), "ObjectName").await, "www");
}

/// Returns the names of the keys below a key of a root key.
async fn keys_of(machine: &Arc<Machine>, hive: u32, key: &str) -> (String, Vec<String>) {
    let parameters = [("hDefKey", Value::from(hive)), ("sSubKeyName", Value::from(key.to_owned()))];
    let answer = call(machine, "EnumKey", &parameters).await.unwrap();
    (text(&answer, "ReturnValue"), strings(&answer, "sNames"))
}

const HKEY_USERS: u32 = 0x8000_0003;
const HKEY_CURRENT_CONFIG: u32 = 0x8000_0005;

#[tokio::test]
async fn users_hive_has_the_keys_of_the_caller_by_sid() {
    let folder = tempfile::tempdir().unwrap();
    let sid = sddl::DomainSid::new([1, 2, 3]);
    let machine = Machine::this().keeping(folder.path(), Some(folder.path().to_owned())).with_sid(sid);
    let machine = Arc::new(machine);
    let user = rustix::process::geteuid().as_raw();
    let own = machine.user_sid(user).unwrap().numeric().to_string();
    assert_eq!(keys_of(&machine, HKEY_USERS, "").await, ("0".to_owned(), vec![own.clone()]));
    let set = [
        ("hDefKey", Value::from(HKEY_USERS)),
        ("sSubKeyName", format!("{own}\\Software\\Site").into()),
        ("sValueName", "a".into()),
        ("sValue", "b".into()),
    ];
    let answer = call(&machine, "SetStringValue", &set).await.unwrap();
    assert_eq!(text(&answer, "ReturnValue"), "0");
    let current = keys_of(&machine, 0x8000_0001, "Software").await;
    assert_eq!(current, ("0".to_owned(), vec!["Site".to_owned()]), "it is HKEY_CURRENT_USER");
    assert_eq!(keys_of(&machine, HKEY_USERS, "S-1-5-21-1-2-3-4").await.0, "2", "another user");
}

#[tokio::test]
async fn current_config_is_the_current_hardware_profile() {
    let (_folder, machine) = machine();
    assert_eq!(keys_of(&machine, HKEY_CURRENT_CONFIG, "").await, ("0".to_owned(), Vec::new()));
    let above = keys_of(&machine, 0x8000_0002, "SYSTEM\\CurrentControlSet\\Hardware Profiles").await;
    assert_eq!(above.1, ["Current"]);
}

#[tokio::test]
async fn processors_and_firmware_are_those_of_the_kernel() {
    let (_folder, machine) = machine();
    let key = "HARDWARE\\DESCRIPTION\\System\\CentralProcessor";
    let (_, mut names) = keys_of(&machine, 0x8000_0002, key).await;
    names.sort_by_key(|name| name.parse::<u32>().unwrap());
    let count: usize = crate::output("nproc", &["--all"]).parse().unwrap();
    let online: usize = crate::output("getconf", &["_NPROCESSORS_ONLN"]).parse().unwrap();
    assert!(names.len() == online && names.len() <= count);
    let model = "awk -F': ' '/^model name/ {print $2; exit}' /proc/cpuinfo";
    let model = crate::output("sh", &["-c", model]);
    if !model.is_empty() {
        assert_eq!(text_of(&machine, &format!("{key}\\0"), "ProcessorNameString").await, model);
    }
    let parameters = [("sSubKeyName", Value::from(format!("{key}\\{}", names.len())))];
    let answer = call(&machine, "EnumValues", &parameters).await.unwrap();
    assert_eq!(text(&answer, "ReturnValue"), "2", "one more than there are");
}

#[tokio::test]
async fn build_network_and_time_zone_agree_with_other_classes() {
    let (_folder, machine) = machine();
    let system = &crate::rows_of(&machine, "SELECT BuildNumber FROM Win32_OperatingSystem").await[0];
    let key = "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion";
    assert_eq!(text_of(&machine, key, "CurrentBuild").await, text(system, "BuildNumber"));
    let key = "SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters";
    assert_eq!(text_of(&machine, key, "Hostname").await, machine.host_name());
    let zone = &crate::rows_of(&machine, "SELECT * FROM Win32_TimeZone").await[0];
    let key = "SYSTEM\\CurrentControlSet\\Control\\TimeZoneInformation";
    assert_eq!(text_of(&machine, key, "TimeZoneKeyName").await, text(zone, "StandardName"));
    let parameters = [("sSubKeyName", Value::from(key)), ("sValueName", "ActiveTimeBias".into())];
    let answer = call(&machine, "GetDWORDValue", &parameters).await.unwrap();
    let Some(Value::Uint32(bias)) = answer.value("uValue") else { panic!("{answer:?}") };
    let offset = crate::output("date", &["+%:z"]);
    let (hours, minutes) = offset.trim_start_matches(['+', '-']).split_once(':').unwrap();
    let minutes = hours.parse::<i32>().unwrap() * 60 + minutes.parse::<i32>().unwrap();
    let east = if offset.starts_with('-') { -minutes } else { minutes };
    assert_eq!(bias.cast_signed(), -east);
}

#[tokio::test]
async fn settings_of_the_web_management_service_have_the_values_of_windows() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("etc/telarch/management.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let machine = Arc::new(Machine::at(folder.path()));
    const KEY: &str = "SOFTWARE\\Microsoft\\WebManagement\\Server";
    let ask = async |method: &'static str, name: &'static str, value: Option<(&'static str, Value)>| {
        let mut parameters = vec![("sSubKeyName", KEY.into()), ("sValueName", name.into())];
        parameters.extend(value);
        call(&machine, method, &parameters).await.unwrap()
    };
    let answer = ask("GetDWORDValue", "Port", None).await;
    assert_eq!((text(&answer, "ReturnValue"), text(&answer, "uValue")), ("0".to_owned(), "8172".to_owned()));
    assert_eq!(text_of(&machine, KEY, "RemoteRestrictions").await, "/wEZAgAAAAEAAABnAgAAABkAAAAA");
    let deny = "/wEZAgAAAAEAAABoAgAAABkBAAAAAAAAABkDAAAAAQAAAC4EAwoDAAMAAwACAAAALgQD/wMAAwADAAMAAABn";
    for (method, name, value, code) in [
        ("SetDWORDValue", "enableremotemanagement", ("uValue", Value::Uint32(1)), "0"),
        ("SetDWORDValue", "Port", ("uValue", Value::Uint32(8443)), "0"),
        ("SetStringValue", "RemoteRestrictions", ("sValue", deny.into()), "0"),
        ("SetBinaryValue", "SslCertificateHash", ("uValue", vec![0xA1_u8; 20].into()), "0"),
        ("SetDWORDValue", "Port", ("uValue", Value::Uint32(70_000)), "2147749893"),
        ("SetStringValue", "Port", ("sValue", "8443".into()), "2147749893"),
        ("SetBinaryValue", "SslCertificateHash", ("uValue", vec![1_u8; 19].into()), "2147749893"),
        ("SetDWORDValue", "TracingEnabled", ("uValue", Value::Uint32(1)), "5"),
    ] {
        assert_eq!(text(&ask(method, name, Some(value)).await, "ReturnValue"), code, "{method} {name}");
    }
    let text_of_file = || std::fs::read_to_string(&file).unwrap();
    assert!(text_of_file().contains("EnableRemoteManagement = true\nPort = 8443\n"), "{}", text_of_file());
    assert!(text_of_file().contains("RemoteRestrictions = \"deny, allow 10.0.0.0/8\""), "{}", text_of_file());
    assert_eq!(text(&ask("DeleteValue", "Port", None).await, "ReturnValue"), "0");
    assert!(text_of_file().contains("Port = 8172"), "{}", text_of_file());
}
