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
    assert_eq!(strings(&answer, "sNames"), ["Windows", "Windows NT"]);
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
    for key in [UNINSTALL, "SYSTEM\\CurrentControlSet\\Services\\mine", "HARDWARE", "SOFTWARE"] {
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
    assert_eq!(strings(&answer, "sNames"), ["off", "web"]);
    let start = async |name: &str| {
        let key = Value::from(format!("{services}\\{name}"));
        let parameters = [("sSubKeyName", key), ("sValueName", "Start".into())];
        text(&call(&machine, "GetDWORDValue", &parameters).await.unwrap(), "uValue")
    };
    assert_eq!((start("web").await, start("off").await), ("2".to_owned(), "4".to_owned()));
    assert_eq!(text_of(&machine, &format!("{services}\\WEB"), "ObjectName").await, "www");
}
