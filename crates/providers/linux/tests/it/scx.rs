//! `root/scx`: commands run as SCOM runs them, and statistics.

use std::sync::Arc;

use base64::Engine as _;
use cim::{Identity, Instance, Name, Namespace, ObjectPath, Value};
use telarch_linux::Machine;
use wmi::{Context, Error};

use crate::{engine, text};

fn scx() -> Namespace {
    Namespace::parse("root/scx").unwrap()
}

async fn rows(query: &str) -> Vec<Instance> {
    let engine = engine(&Arc::new(Machine::this()));
    let mut rows = engine.query(&Context::of_this_process("alice"), &scx(), query).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().await {
        found.push(row.unwrap());
    }
    found
}

/// Calls a method of the operating system.
async fn call(method: &str, parameters: &[(&str, Value)]) -> Result<Instance, Error> {
    let class = Name::parse("SCX_OperatingSystem").unwrap();
    let path = ObjectPath { server: None, namespace: None, class, identity: Identity::Class };
    let input = |operation: &cim::Operation| {
        let begin = Instance::new(operation.input.clone());
        parameters.iter().try_fold(begin, |input, (name, value)| input.with(name, value.clone()))
    };
    let engine = engine(&Arc::new(Machine::this()));
    engine.invoke(&Context::of_this_process("alice"), &scx(), &path, method, input).await
}

fn answer(answer: &Instance) -> (String, String, String, String) {
    (text(answer, "ReturnValue"), text(answer, "ReturnCode"), text(answer, "StdOut"), text(answer, "StdErr"))
}

fn strings(answer: (&str, &str, &str, &str)) -> (String, String, String, String) {
    (answer.0.to_owned(), answer.1.to_owned(), answer.2.to_owned(), answer.3.to_owned())
}

#[tokio::test]
async fn commands_are_run_without_a_shell_and_with_one() {
    let plain = call("ExecuteCommand", &[("Command", "echo 'a  b' $HOME".into())]).await.unwrap();
    assert_eq!(answer(&plain), strings(("true", "0", "a  b $HOME\n", "")));
    let shell = call("ExecuteShellCommand", &[("Command", "echo $((6 * 7)); exit 5".into())]).await.unwrap();
    assert_eq!(answer(&shell), strings(("false", "5", "42\n", "")));
    let encoded = base64::engine::general_purpose::STANDARD.encode("echo über >&2");
    let parameters = [("Command", Value::from(encoded)), ("b64encoded", true.into())];
    let shell = call("ExecuteShellCommand", &parameters).await.unwrap();
    assert_eq!(answer(&shell), strings(("true", "0", "", "über\n")));
}

#[tokio::test]
async fn scripts_are_read_by_what_they_name_and_get_their_arguments() {
    let script = "#!/usr/bin/env python3\nimport sys\nprint(sys.argv[1:])\n";
    let parameters = [("Script", script.into()), ("Arguments", "one 'two three'".into())];
    let python = call("ExecuteScript", &parameters).await.unwrap();
    assert_eq!(answer(&python), strings(("true", "0", "['one', 'two three']\n", "")));
    let shell = call("ExecuteScript", &[("Script", "echo \"$0\" >&2; test -r \"$0\"; echo $?".into())])
        .await
        .unwrap();
    assert_eq!(text(&shell, "StdOut"), "0\n");
    let file = text(&shell, "StdErr");
    assert!(!std::path::Path::new(file.trim()).exists(), "nothing of it is left");
}

#[tokio::test]
async fn what_goes_wrong_is_told() {
    let missing = call("ExecuteCommand", &[("Command", "/nowhere/at-all".into())]).await.unwrap();
    assert_eq!(
        (text(&missing, "ReturnValue"), text(&missing, "ReturnCode")),
        ("false".to_owned(), "127".to_owned())
    );
    assert!(text(&missing, "StdErr").contains("/nowhere/at-all cannot be run"));
    let late = [("Command", Value::from("sleep 1000")), ("timeout", 1_u32.into())];
    let late = call("ExecuteCommand", &late).await.unwrap();
    assert_eq!(text(&late, "ReturnCode"), "-1");
    assert!(text(&late, "StdErr").contains("took longer than 1s"), "{}", text(&late, "StdErr"));
    for (parameters, problem) in [
        (vec![("Command", Value::from("echo 'a"))], "does not end"),
        (vec![("Command", "".into())], "Command is empty"),
        (vec![("Command", "id".into()), ("ElevationType", "doas".into())], "ElevationType is 'doas'"),
    ] {
        let error = call("ExecuteCommand", &parameters).await.unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
        assert_eq!(error.status(), cim::Status::InvalidParameter);
    }
}

#[tokio::test]
async fn statistics_have_an_aggregate_and_stay_within_their_types() {
    let found = rows("SELECT * FROM SCX_ProcessorStatisticalInformation").await;
    let total = found.iter().find(|row| text(row, "Name") == "_Total").unwrap();
    assert_eq!(text(total, "IsAggregate"), "true");
    let percent = |property: &str| text(total, property).parse::<u32>().unwrap();
    let sum = percent("PercentProcessorTime") + percent("PercentIdleTime") + percent("PercentIOWaitTime");
    assert!((98..=102).contains(&sum), "{sum} %");

    let memory = rows("SELECT * FROM SCX_MemoryStatisticalInformation").await;
    let of = |property: &str| text(&memory[0], property).parse::<u64>().unwrap();
    assert!((99..=101).contains(&(of("PercentAvailableMemory") + of("PercentUsedMemory"))));

    let ports = rows("SELECT * FROM SCX_EthernetPortStatistics WHERE InstanceID = 'LO'").await;
    assert_eq!(ports.len(), 1, "by name, without regard to case");
    let agent = rows("SELECT * FROM SCX_Agent").await;
    assert_eq!(text(&agent[0], "VersionString"), env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn processes_are_what_ps_says_they_are() {
    let mut child = std::process::Command::new("sh")
        .args(["-c", "echo; read x; exit", "a b"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    let number = child.id().to_string();
    let found = rows(&format!("SELECT * FROM SCX_UnixProcess WHERE Handle = '{number}'")).await;
    let [row] = found.as_slice() else { panic!("{} rows", found.len()) };
    let ps = |field: &str| crate::output("ps", &["-o", &format!("{field}="), "-p", &number]);
    for (property, field) in [
        ("Name", "comm"),
        ("ParentProcessID", "ppid"),
        ("ProcessGroupID", "pgid"),
        ("ProcessSessionID", "sid"),
        ("ProcessTTY", "tty"),
        ("RealUserID", "ruid"),
    ] {
        assert_eq!(text(row, property), ps(field), "{property}");
    }
    let nice = ps("nice").parse::<i32>().unwrap() + 20;
    assert_eq!(text(row, "ProcessNiceValue"), nice.to_string());
    let parameters = ["sh", "-c", "echo; read x; exit", "a b"].map(str::to_owned).to_vec();
    assert_eq!(row.value("Parameters"), Some(&parameters.into()));
    child.kill().unwrap();
    child.wait().unwrap();
}
