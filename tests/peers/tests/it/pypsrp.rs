//! pypsrp 0.9.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use telarch_peers::{PASSWORD, Peer, Pypsrp, Run, Telarchd, USER, WayIn, ends_within};

use crate::command_shell::*;

command_shell_tests!(Pypsrp, its_own_first_example_works);

/// `Client(...).execute_cmd(...)` names no code page, and interrupts the command once it has ended.
fn its_own_first_example_works<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let answer = P::against(&service, way).ask("run_with_client", json!({"command": "echo hi; exit 5"}));
    assert_eq!(Run::from_json(&answer.expect("not refused")).text(), ("hi\n", "", 5));
}

#[test]
fn the_answer_to_create_describes_the_shell() {
    let (_service, peer) = service_and_peer();
    let shell = peer.ask("shell_attributes", Value::Null).expect("not refused");
    assert_eq!(shell["resource_uri"], "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd");
    assert_eq!(shell["client_ip"], "127.0.0.1");
    assert_eq!(shell["output_streams"], "stdout stderr");
    assert_eq!(shell["selectors"], json!({"ShellId": shell["id"]}));
    let owner = shell["owner"].as_str().expect("an owner");
    assert!(owner.to_lowercase().ends_with(USER), "{shell}");
    assert_eq!(shell["idle_time_out"], "PT60.000S", "not in the form in which Windows tells it: {shell}");
}

#[test]
fn ctrl_c_reaches_the_command_and_its_last_output_is_returned() {
    let (_service, peer) = service_and_peer();
    let command = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done";
    let answer = peer.ask("interrupt", json!({"command": command})).expect("not refused");
    assert_eq!(Run::from_json(&answer).text(), ("ready\ncaught\n", "", 9));
}

#[test]
fn ctrl_c_works_where_the_service_was_started_with_interrupts_ignored() {
    // So does a shell with what a script starts in the background.
    let deaf = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"];
    let service = Telarchd::start_through(&deaf, &[]);
    let peer = Pypsrp::against(&service, WayIn::BasicOverHttps);
    let answer =
        peer.ask("interrupt", json!({"command": "echo ready; exec sleep 300"})).expect("not refused");
    let run = Run::from_json(&answer);
    assert_eq!(run.stdout, b"ready\n");
    assert_ne!(run.code, 0, "{run:?}");
}

#[test]
fn terminate_ends_the_command_and_its_children() {
    let (_service, peer) = service_and_peer();
    let processes = peer.ask("terminate", json!({"command": TWO_PROCESSES})).expect("not refused");
    assert_ended(&processes);
}

#[test]
fn closing_the_shell_ends_the_command_and_its_children() {
    let (_service, peer) = service_and_peer();
    let processes = peer.ask("close_while_running", json!({"command": TWO_PROCESSES})).expect("not refused");
    assert_ended(&processes);
}

#[test]
fn the_end_of_the_service_ends_open_commands() {
    let (service, peer) = service_and_peer();
    let processes = peer.ask("leave_running", json!({"command": TWO_PROCESSES})).expect("not refused");
    drop(service);
    assert_ended(&processes);
}

#[test]
fn a_command_id_chosen_by_the_client_is_used_in_upper_or_lower_case() {
    let (_service, peer) = service_and_peer();
    let answer = peer.ask("own_command_id", json!({"command": "echo mine"})).expect("not refused");
    assert_eq!(Run::from_json(&answer).text(), ("mine\n", "", 0));
}

#[test]
fn a_shell_id_chosen_by_the_client_is_used_and_must_be_unique() {
    let (_service, peer) = service_and_peer();
    let answer = peer.ask("own_shell_id", json!({"command": "echo mine"})).expect("not refused");
    assert_eq!(answer["is_kept"], true, "{answer}");
    assert_eq!(Run::from_json(&answer["run"]).text(), ("mine\n", "", 0));
    assert_eq!(answer["second"], 2_150_858_803_u64, "{answer}");
}

#[test]
fn a_program_without_a_shell_receives_its_arguments_unchanged() {
    let (_service, peer) = service_and_peer();
    let program = json!({"command": "printf", "arguments": ["[%s]", "$HOME", "a  b", "';'"]});
    let answer = peer.ask("run_program", program).expect("not refused");
    assert_eq!(Run::from_json(&answer).text(), ("[$HOME][a  b][';']", "", 0));
}

#[test]
fn a_missing_program_without_a_shell_is_a_fault_with_its_name() {
    let (_service, peer) = service_and_peer();
    let program = json!({"command": "no-such-program-here", "arguments": []});
    let refusal = peer.ask("run_program", program).expect_err("there is no such program");
    // The code for a missing file, which pypsrp's own tests expect.
    assert_eq!(refusal.fault_code, Some(2_147_942_402), "{refusal:?}");
    assert!(refusal.message.contains("no-such-program-here"), "{refusal:?}");
}

#[test]
fn shells_are_listed_and_the_commands_of_one_by_a_filter() {
    let (_service, peer) = service_and_peer();
    let steps = json!({"resource": SHELL, "commands": SHELL, "count": 2, "command": "echo ready; cat"});
    let [answer] = peer.manage([("shells_and_commands", steps)]);
    let answer = answer.expect("not refused");
    let listed = |list: &str| answer[list].as_array().unwrap_or_else(|| panic!("no {list} in {answer}"));

    let identifiers = listed("listed_shells").iter().map(|item| &item["Shell"]["ShellId"]);
    let identifiers: BTreeSet<&str> = identifiers.filter_map(Value::as_str).collect();
    let opened: BTreeSet<&str> = listed("shells").iter().filter_map(Value::as_str).collect();
    assert_eq!((identifiers.len(), identifiers), (2, opened), "{answer}");
    assert_eq!(answer["state"]["Shell"]["ShellId"], answer["shells"][1], "{answer}");
    assert_eq!(answer["state"]["Shell"]["CommandLine"], "echo ready; cat", "{answer}");

    let [command] = listed("listed_commands").as_slice() else { panic!("not one command: {answer}") };
    assert_eq!(command["Command"]["CommandId"], answer["command"], "{answer}");
    assert_eq!(command["Command"]["CommandLine"], "echo ready; cat", "{answer}");
    assert_eq!(command["Command"]["CommandState"], "Running", "{answer}");
    assert_eq!(listed("listed_when_done")[0]["Command"]["CommandState"], "Done", "{answer}");
    assert_eq!(answer["listed_when_closed"], json!([]));
}

#[test]
fn the_commands_of_no_particular_shell_are_not_listed() {
    let (_service, peer) = service_and_peer();
    let commands = json!({"resource": format!("{SHELL}/Command")});
    let other_filter = json!({"resource": SHELL, "filter": {"Owner": USER}});
    let unknown_shell =
        json!({"resource": SHELL, "filter": {"ShellId": "00000000-0000-0000-0000-000000000000"}});
    let codes = peer
        .manage([commands, other_filter, unknown_shell].map(|requested| ("enumerate_all", requested)))
        .map(|answer| answer.expect_err("refused").fault_code);
    assert_eq!(codes, [2_150_859_200, 2_150_859_200, 2_150_858_843].map(Some));
}

#[test]
fn a_shell_beyond_max_shells_per_user_is_a_quota_fault() {
    let service = Telarchd::start(&[("Winrs.MaxShellsPerUser", "2")]);
    let peer = Pypsrp::against(&service, WayIn::BasicOverHttps);
    peer.ask("open_shells", json!({"count": 2})).expect("two are allowed");
    let refusal = peer.ask("open_shells", json!({"count": 3})).expect_err("three are not");
    assert_eq!(refusal.fault_code, Some(2_150_859_173), "{refusal:?}");
    peer.ask("open_shells", json!({"count": 2})).expect("closed shells do not count");
}

#[test]
fn powershell_remoting_without_powershell_is_refused() {
    let service = Telarchd::start(&[("PowerShell.Program", "/nonexistent/pwsh")]);
    let peer = Pypsrp::against(&service, WayIn::BasicOverHttps);
    let refusal = peer.ask("execute_ps", json!({"script": "1"})).expect_err("there is no PowerShell");
    assert_eq!(refusal.exception, "WSManFaultError", "{refusal:?}");
    assert!(refusal.message.contains("cannot start PowerShell /nonexistent/pwsh"), "{refusal:?}");
}

#[test]
fn no_fault_and_no_log_line_repeats_the_password() {
    let service = Telarchd::start(&[("PowerShell.Program", "/nonexistent/pwsh")]);
    let peer = Pypsrp::against(&service, WayIn::BasicOverHttps);
    let refusal = peer.ask("execute_ps", json!({"script": "1"})).expect_err("there is no PowerShell");
    assert!(!refusal.message.contains(PASSWORD), "{refusal:?}");
    assert!(!service.log().contains(PASSWORD), "{}", service.log());
}

fn service_and_peer() -> (Telarchd, Pypsrp) {
    let way = WayIn::BasicOverHttps;
    let service = Telarchd::start_for(way);
    let peer = Pypsrp::against(&service, way);
    (service, peer)
}

/// `printed` are the numbers that [`TWO_PROCESSES`] wrote.
fn assert_ended(printed: &Value) {
    let numbers: Vec<i32> = printed
        .as_str()
        .expect("text")
        .split_whitespace()
        .map(|number| number.parse().expect("a number"))
        .collect();
    assert_eq!(numbers.len(), 2, "{printed}");
    for number in numbers {
        assert!(ends_within(number, Duration::from_secs(60)), "process {number} still runs");
    }
}

/// Prints the numbers of a shell and of its child, which both go on for five minutes.
const TWO_PROCESSES: &str = "sleep 300 & echo $$ $!; wait";

/// Shells of every kind, as they are read and listed.
const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
