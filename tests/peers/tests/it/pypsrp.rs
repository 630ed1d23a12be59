//! pypsrp 0.9.

use std::time::{Duration, Instant};

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
    let idle = shell["idle_time_out"].as_str().expect("a duration");
    assert!(idle == "PT60S" || idle == "PT60.000S", "{shell}");
}

#[test]
fn ctrl_c_reaches_the_command_and_its_last_words_come_back() {
    let (_service, peer) = service_and_peer();
    let command = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done";
    let answer = peer.ask("interrupt", json!({"command": command})).expect("not refused");
    assert_eq!(Run::from_json(&answer).text(), ("ready\ncaught\n", "", 9));
}

#[test]
fn terminate_ends_the_command_and_what_it_started() {
    let (_service, peer) = service_and_peer();
    let processes = peer.ask("terminate", json!({"command": TWO_PROCESSES})).expect("not refused");
    assert_ended(&processes);
}

#[test]
fn closing_the_shell_ends_the_command_and_what_it_started() {
    let (_service, peer) = service_and_peer();
    let processes = peer.ask("close_while_running", json!({"command": TWO_PROCESSES})).expect("not refused");
    assert_ended(&processes);
}

#[test]
fn the_end_of_the_service_ends_commands_that_nobody_closed() {
    let (service, peer) = service_and_peer();
    let processes = peer.ask("leave_running", json!({"command": TWO_PROCESSES})).expect("not refused");
    drop(service);
    assert_ended(&processes);
}

#[test]
fn a_command_id_chosen_by_the_client_is_honoured_in_either_case_of_letters() {
    let (_service, peer) = service_and_peer();
    let answer = peer.ask("own_command_id", json!({"command": "echo mine"})).expect("not refused");
    assert_eq!(Run::from_json(&answer).text(), ("mine\n", "", 0));
}

#[test]
fn one_shell_more_than_a_user_may_have_is_a_quota_fault() {
    let service = Telarchd::start(&[("Winrs.MaxShellsPerUser", "2")]);
    let peer = Pypsrp::against(&service, WayIn::BasicOverHttps);
    peer.ask("open_shells", json!({"count": 2})).expect("two are allowed");
    let refusal = peer.ask("open_shells", json!({"count": 3})).expect_err("three are not");
    assert_eq!(refusal.fault_code, Some(2_150_859_173), "{refusal:?}");
    peer.ask("open_shells", json!({"count": 2})).expect("closed shells do not count");
}

#[test]
fn powershell_remoting_is_refused_at_once_where_there_is_no_endpoint() {
    let (_service, peer) = service_and_peer();
    let begin = Instant::now();
    let refusal = peer.ask("execute_ps", json!({"script": "1"})).expect_err("there is no endpoint");
    assert_eq!(refusal.exception, "WSManFaultError", "{refusal:?}");
    assert!(begin.elapsed() < Duration::from_secs(10), "it took {:?}", begin.elapsed());
}

#[test]
fn no_fault_and_no_log_line_repeats_the_password() {
    let (service, peer) = service_and_peer();
    let refusal = peer.ask("execute_ps", json!({"script": "1"})).expect_err("there is no endpoint");
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
        assert!(ends_within(number, Duration::from_secs(10)), "process {number} still runs");
    }
}

/// Prints the numbers of a shell and of its child, which both go on for five minutes.
const TWO_PROCESSES: &str = "sleep 300 & echo $$ $!; wait";
