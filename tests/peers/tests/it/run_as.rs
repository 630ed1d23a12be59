//! PowerShell endpoints that run as another account: pypsrp against the service of a machine, with a stand-in for
//! `pwsh -s`.

use std::fs;

use serde_json::{Value, json};
use telarch_peers::{Machine, Peer as _, Proof, Pwsh, Pypsrp, Refusal, WayIn, Winrm};

const WAY: WayIn = WayIn::BasicOverHttps;
const BACKUP: &str = "http://schemas.microsoft.com/powershell/Backup";
const ORDINARY: &str = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell";
const SHELLS: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";

/// Returns the user ID of an account.
fn uid(account: &str) -> Value {
    let list = fs::read_to_string("/etc/passwd").expect("users");
    let entry = list.lines().find_map(|line| line.strip_prefix(&format!("{account}:x:")));
    json!(entry.and_then(|rest| rest.split(':').next()?.parse::<u32>().ok()).expect("a user"))
}

/// Runs scripts in one pool and returns the first output of each.
fn run(client: &Pypsrp, endpoint: &str, scripts: &[&str]) -> Result<Vec<Value>, Refusal> {
    let arguments = json!({"scripts": scripts, "configuration": endpoint});
    let results = client.use_powershell("run", arguments)?;
    Ok(results.as_array().expect("results").iter().map(|result| result["output"][0].clone()).collect())
}

/// Opens a pool that stays open, and returns its ID and process ID.
fn hold(client: &Pypsrp, endpoint: &str) -> Result<(Value, Value), Refusal> {
    let held = client.use_powershell("hold", json!({"script": "pid", "configuration": endpoint}))?;
    Ok((held["id"].clone(), held["output"][0].clone()))
}

/// Requests the state of a shell.
fn get(client: &Pypsrp, resource: &str, id: &Value) -> Result<Value, Refusal> {
    let [got] = client.manage([("get", json!({"resource": resource, "selectors": {"ShellId": id}}))]);
    got
}

#[test]
fn scripts_run_as_the_account_of_the_endpoint_and_know_their_caller() {
    let pwsh = Pwsh::new();
    let Some(machine) = Machine::start(Proof::RunAs(&pwsh)) else { return };
    let scripts = ["uid", "env:USER", "env:LOGNAME", "cwd", "env:TELARCH_USER", "env:TELARCH_CLIENT"];
    for caller in [machine.user(), machine.second()] {
        let client = machine.pypsrp_of(caller, WAY);
        let account = machine.account();
        let expected =
            [uid(account), json!(account), json!(account), json!(format!("/home/{account}")), json!(caller)];
        let found = run(&client, "backup", &scripts).expect("not refused");
        assert_eq!(found[..5], expected);
        assert_eq!(run(&client, "PowerShell.7", &["uid"]).expect("not refused"), [uid(caller)]);
        assert_eq!(client.run("id -un").text().0, format!("{caller}\n"), "shells run as the caller");
        assert_eq!(run(&client, "Backup", &["uid"]).expect("not refused"), [uid(account)]);
    }
    let shown = Winrm::to(machine.url()).user(Some(machine.user())).switch("-authentication:basic");
    let shown = shown.switch("-skipCAcheck").switch("-skipCNcheck");
    let shown = shown.run(&["get", "winrm/config/plugin?Name=backup"]);
    for line in [&format!("RunAsUser = {}\n", machine.account()), "RunAsPassword = \n"] {
        assert!(shown.text().0.contains(line), "{line}: {shown:?}");
    }
    let audit = fs::read_to_string(machine.state().join("audit.jsonl")).expect("audit records");
    for caller in [machine.user(), machine.second()] {
        let records = audit.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut own = records.filter(|record| record["account"] == json!(caller));
        let is_named = |record: Value| {
            record["run_as"] == json!(machine.account()) && record["outcome"] == json!("granted")
        };
        assert!(own.any(is_named), "{caller}: {audit}");
    }
}

#[test]
fn callers_of_an_endpoint_share_neither_pools_nor_processes_nor_quotas() {
    let pwsh = Pwsh::new();
    let Some(machine) = Machine::start(Proof::RunAs(&pwsh)) else { return };
    let (ann, ben) = (machine.pypsrp(WAY), machine.pypsrp_of(machine.second(), WAY));
    let (pool, process) = hold(&ann, "Backup").expect("not refused");
    assert!(get(&ann, BACKUP, &pool).is_ok(), "the owner");
    let unknown = |refused: Result<Value, Refusal>| {
        let refusal = refused.expect_err("another caller or endpoint");
        assert!(refusal.message.contains("unknown shell"), "{refusal:?}");
    };
    unknown(get(&ben, BACKUP, &pool));
    unknown(get(&ann, ORDINARY, &pool));
    let selectors = json!({"resource": BACKUP, "selectors": {"ShellId": pool}});
    let [deleted] = ben.manage([("delete", selectors)]);
    unknown(deleted);
    assert!(get(&ann, BACKUP, &pool).is_ok(), "it still exists");
    // MaxShellsPerUser is 2: a pool of each endpoint.
    hold(&ann, "Microsoft.PowerShell").expect("the second shell");
    for endpoint in ["Backup", "PowerShell.7"] {
        let refusal = hold(&ann, endpoint).expect_err("the third shell");
        assert_eq!(refusal.fault_code, Some(2_150_859_173), "{endpoint}: {refusal:?}");
    }
    let (_, other) = hold(&ben, "Backup").expect("the quota of another caller");
    hold(&ben, "Backup").expect("the second shell");
    let hosts = [process, other].map(|process| parent(&process));
    assert_ne!(hosts[0], hosts[1], "each caller has a host");
    hold(&ben, "Backup").expect_err("the third shell");
}

/// Returns the parent of a process.
fn parent(process: &Value) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("a parent").trim().to_owned()
}

#[test]
fn callers_without_access_and_variables_of_clients_are_refused() {
    let pwsh = Pwsh::new();
    let Some(machine) = Machine::start(Proof::RunAs(&pwsh)) else { return };
    let stranger = machine.pypsrp_of(machine.stranger(), WAY);
    let refusal = run(&stranger, "Backup", &["uid"]).expect_err("no access");
    assert_eq!(refusal.fault_code, Some(5), "{refusal:?}");
    assert!(!refusal.message.contains(machine.account()), "{refusal:?}");
    assert_eq!(run(&stranger, "PowerShell.7", &["uid"]).expect("not refused"), [uid(machine.stranger())]);
    let ann = machine.pypsrp(WAY);
    let with_environment = |endpoint: &str| {
        let environment = json!({"LD_PRELOAD": "/tmp/x.so"});
        let arguments = json!({"configuration": endpoint, "script": "uid", "environment": environment});
        ann.use_powershell("open_with_environment", arguments)
    };
    let refusal = with_environment("Backup").expect_err("a variable");
    assert!(refusal.message.contains("neither environment variables"), "{refusal:?}");
    assert!(with_environment("PowerShell.7").is_ok(), "the caller's own process");
}

#[test]
fn the_policy_disable_run_as_refuses_the_endpoint_and_ends_its_pools() {
    let pwsh = Pwsh::new();
    let Some(machine) = Machine::start(Proof::RunAs(&pwsh)) else { return };
    let ann = machine.pypsrp(WAY);
    let (pool, process) = hold(&ann, "Backup").expect("not refused");
    machine.set_policy("[Policy]\nDisableRunAs = true\n");
    let refusal = loop {
        if let Err(refusal) = get(&ann, BACKUP, &pool) {
            break refusal;
        }
    };
    assert_eq!(refusal.fault_code, Some(2_150_859_232), "{refusal:?}");
    assert!(refusal.message.contains("(DisableRunAs)"), "{refusal:?}");
    let process = process.as_i64().and_then(|id| i32::try_from(id).ok()).expect("a process ID");
    assert!(telarch_peers::ends_within(process, std::time::Duration::from_secs(60)), "{process}");
    assert_eq!(run(&ann, "PowerShell.7", &["uid"]).expect("not refused"), [uid(machine.user())]);
    machine.set_policy("[Policy]\nDisableRunAs = false\n");
    while run(&ann, "Backup", &["uid"]).is_err() {}
}

/// Returns the listed shells of a caller: the identifiers in the answer to Enumerate.
fn listed(client: &Pypsrp) -> Vec<Value> {
    let [listed] = client.manage([("enumerate_all", json!({"resource": SHELLS}))]);
    let listed = listed.expect("not refused");
    listed["items"].as_array().expect("items").iter().map(|shell| shell["Shell"]["ShellId"].clone()).collect()
}

#[test]
fn pools_of_the_endpoint_are_listed_for_their_caller_only() {
    let pwsh = Pwsh::new();
    let Some(machine) = Machine::start(Proof::RunAs(&pwsh)) else { return };
    let (ann, ben) = (machine.pypsrp(WAY), machine.pypsrp_of(machine.second(), WAY));
    let (backup, _) = hold(&ann, "Backup").expect("not refused");
    let (ordinary, _) = hold(&ann, "PowerShell.7").expect("not refused");
    let (other, _) = hold(&ben, "Backup").expect("not refused");
    let mut expected = vec![backup.to_string(), ordinary.to_string()];
    expected.sort();
    let mut found: Vec<String> = listed(&ann).iter().map(Value::to_string).collect();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(listed(&ben), [other]);
    assert!(listed(&machine.pypsrp_of(machine.account(), WAY)).is_empty(), "the account of the endpoint");
    assert!(listed(&machine.pypsrp_of(machine.stranger(), WAY)).is_empty());
    // Clients check with this request whether a pool is alive.
    let state = get(&ann, SHELLS, &backup).expect("the owner");
    assert!(state.to_string().contains(BACKUP), "{state}");
    let refusal = get(&ben, SHELLS, &backup).expect_err("another caller");
    assert!(refusal.message.contains("unknown shell"), "{refusal:?}");
    machine.set_policy("[Policy]\nDisableRunAs = true\n");
    while listed(&ann) != [ordinary.clone()] {}
}

#[test]
fn another_client_finds_a_pool_of_the_endpoint_and_connects_to_it() {
    let pwsh = Pwsh::new();
    let Some(machine) = Machine::start(Proof::RunAs(&pwsh)) else { return };
    let arguments = json!({"script": "uid; sleep:0.5; uid", "configuration": "Backup"});
    let answer = machine.pypsrp(WAY).use_powershell("connect", arguments).expect("not refused");
    assert_eq!((&answer["pools"], &answer["sizes"]), (&json!(1), &json!([1, 3])));
    let account = uid(machine.account());
    assert_eq!(answer["results"][0]["output"], json!([account, account]), "{answer}");
    assert_eq!(answer["results"][1]["output"], json!(["after"]), "{answer}");
}
