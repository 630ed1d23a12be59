//! What every client of the command shell must see, whichever it is and however it signs in.

use std::time::Duration;

use serde_json::{Value, json};
use telarch_peers::{Peer, Remote, Run, Telarchd, WayIn};

/// Makes the tests of this module for one peer, and those of its own that it has for each way in.
macro_rules! command_shell_tests {
    ($peer:ident, $($own:ident),* $(,)?) => {
        for_each_way_in! { $peer:
            both_streams_and_the_exit_code_come_back,
            exit_codes_come_back_one_by_one_from_one_shell,
            fifteen_commands_run_in_one_shell,
            every_shell_begins_in_the_same_folder,
            a_command_that_does_not_exist_ends_with_127_and_says_so,
            five_mebibytes_of_output_are_exact,
            standard_input_arrives_and_ends,
            input_in_pieces_of_a_quarter_of_a_megabyte_arrives_whole,
            every_byte_value_passes_unchanged,
            unicode_is_unchanged_both_ways,
            environment_and_folder_are_those_asked_for,
            arguments_are_joined_by_single_spaces,
            twenty_shells_work_at_once,
            silence_longer_than_operation_timeout_is_no_failure,
            output_comes_while_the_command_still_runs,
            a_wrong_password_is_refused,
            an_unknown_shell_is_a_fault_that_clients_know,
            an_unknown_command_is_a_fault_that_clients_know,
            a_folder_that_does_not_exist_is_a_fault,
            the_configuration_can_be_read,
            $($own),*
        }
    };
}
pub(crate) use command_shell_tests;

pub(crate) fn both_streams_and_the_exit_code_come_back<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run = P::against(&service, way).run("echo out; echo err 1>&2; exit 7");
    assert_eq!(run.text(), ("out\n", "err\n", 7));
}

pub(crate) fn exit_codes_come_back_one_by_one_from_one_shell<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let commands = json!({"commands": ["exit 0", "exit 1", "exit 255", "true"]});
    let answer = P::against(&service, way).ask("run_in_one_shell", commands).expect("not refused");
    let codes: Vec<i32> = runs(&answer).iter().map(|run| run.code).collect();
    assert_eq!(codes, [0, 1, 255, 0]);
}

/// A tool that copies files sends each in so many commands of one shell before it opens the next.
pub(crate) fn fifteen_commands_run_in_one_shell<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let commands: Vec<String> = (1..=15).map(|number| format!("echo {number}; exit {number}")).collect();
    let answer = P::against(&service, way).ask("run_in_one_shell", json!({"commands": commands}));
    let runs = runs(&answer.expect("not refused"));
    assert_eq!(runs.len(), 15);
    for (run, number) in runs.iter().zip(1..) {
        assert_eq!(run.text(), (format!("{number}\n").as_str(), "", number));
    }
}

/// The same tool appends to one file from many shells by its bare name.
pub(crate) fn every_shell_begins_in_the_same_folder<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let many = json!({"count": 3, "command": "pwd; cd /"});
    let answer = P::against(&service, way).ask("run_at_once", many).expect("not refused");
    let folders: Vec<Vec<u8>> = runs(&answer["results"]).into_iter().map(|run| run.stdout).collect();
    assert!(folders.len() == 3 && folders.iter().all(|folder| *folder == folders[0]), "{answer}");
    assert!(folders[0].starts_with(b"/") && folders[0].ends_with(b"\n"), "{answer}");
}

pub(crate) fn a_command_that_does_not_exist_ends_with_127_and_says_so<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run = P::against(&service, way).run("no-such-command-here");
    let (stdout, stderr, code) = run.text();
    assert_eq!((stdout, code), ("", 127), "{run:?}");
    assert!(stderr.contains("no-such-command-here"), "{run:?}");
}

pub(crate) fn five_mebibytes_of_output_are_exact<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run = P::against(&service, way).run("seq 1000001 1655360");
    let expected: String = (1_000_001..=1_655_360).map(|number| format!("{number}\n")).collect();
    assert_eq!((run.stdout.len(), run.code), (5_242_880, 0), "{run:?}");
    assert!(run.stdout == expected.as_bytes(), "the size is right, the bytes are not: {run:?}");
}

pub(crate) fn standard_input_arrives_and_ends<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run = P::against(&service, way).run(Remote::new("tr a-z A-Z; echo end").input(b"some words\n"));
    assert_eq!(run.text(), ("SOME WORDS\nend\n", "", 0));
}

/// Ansible sends pieces of this size although they exceed the MaxEnvelopeSize it declares.
pub(crate) fn input_in_pieces_of_a_quarter_of_a_megabyte_arrives_whole<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let piece = vec![b'x'; 250_000];
    let remote = Remote::new("wc -c").input(&piece).input(&piece).input(b"");
    let run = P::against(&service, way).run(remote);
    assert_eq!((run.text().0.trim(), run.code), ("500000", 0), "{run:?}");
}

pub(crate) fn every_byte_value_passes_unchanged<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let bytes: Vec<u8> = (0..=255).collect();
    let run = P::against(&service, way).run(Remote::new("cat").input(&bytes));
    assert_eq!((run.stdout, run.code), (bytes, 0));
}

pub(crate) fn unicode_is_unchanged_both_ways<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let text = "Grüße, ça va? 漢字 かな 한글 😀 e\u{301}";
    let command = format!("printf '%s|' '{text}'; cat; printf '|%s' '{text}' 1>&2");
    let run = P::against(&service, way).run(Remote::new(&command).input(text.as_bytes()));
    assert_eq!(run.text(), (format!("{text}|{text}").as_str(), format!("|{text}").as_str(), 0));
}

pub(crate) fn environment_and_folder_are_those_asked_for<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let value = "two  words & <tags> \"double\" 'single' $HOME `ls` \\ é";
    let environment = [("GREETING", value), ("SECOND_ONE", "2")];
    let remote = Remote::new("pwd; printf '%s\\n' \"$GREETING\" \"$SECOND_ONE\"");
    let run = P::against(&service, way).run(remote.environment(&environment).folder("/usr/share"));
    assert_eq!(run.text(), (format!("/usr/share\n{value}\n2\n").as_str(), "", 0));
}

pub(crate) fn arguments_are_joined_by_single_spaces<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let remote = Remote::new("printf").arguments(&["'[%s]'", "a", "'b  c'", "\"<&>\""]);
    assert_eq!(P::against(&service, way).run(remote).text(), ("[a][b  c][<&>]", "", 0));
}

pub(crate) fn twenty_shells_work_at_once<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let many = json!({"count": 20, "command": "sleep 0.5; echo $((6 * 7)); exit 3"});
    let answer = P::against(&service, way).ask("run_at_once", many).expect("not refused");
    let runs = runs(&answer["results"]);
    assert_eq!(runs.len(), 20);
    for run in runs {
        assert_eq!(run.text(), ("42\n", "", 3));
    }
    let seconds = answer["seconds"].as_f64().expect("a number");
    assert!(seconds < 8.0, "{seconds} s: one after the other takes ten");
}

pub(crate) fn silence_longer_than_operation_timeout_is_no_failure<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    // A command of 90 seconds with the timeout of clients is the usual case, but takes as long.
    let (silence, timeout) = if std::env::var_os("TELARCH_LONG").is_some() { (90, 20) } else { (2, 1) };
    let command = format!("sleep {silence}; echo awake; exit 4");
    let remote = Remote::new(&command).operation_timeout(Duration::from_secs(timeout));
    let run = P::against(&service, way).run(remote);
    assert_eq!(run.text(), ("awake\n", "", 4));
    assert!(run.operation_timeouts >= 1, "no Receive timed out although {timeout} s were requested: {run:?}");
}

pub(crate) fn output_comes_while_the_command_still_runs<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let command = json!({"command": "echo first; read line; echo $line; exit 6", "input": "second\n"});
    let answer = P::against(&service, way).ask("answer_first_output", command).expect("not refused");
    assert_eq!(Run::from_json(&answer).text(), ("first\nsecond\n", "", 6));
}

pub(crate) fn a_wrong_password_is_refused<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let refusal = P::against(&service, way).with_password("wrong").try_run("echo hi").expect_err("refused");
    let known = ["InvalidCredentialsError", "AuthenticationError"];
    assert!(known.contains(&refusal.exception.as_str()), "{refusal:?}");
}

pub(crate) fn an_unknown_shell_is_a_fault_that_clients_know<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let refusal =
        P::against(&service, way).ask("receive_from_unknown_shell", Value::Null).expect_err("refused");
    assert_eq!((refusal.exception.as_str(), refusal.fault_code), ("WSManFaultError", Some(UNKNOWN_SHELL)));
}

pub(crate) fn an_unknown_command_is_a_fault_that_clients_know<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let refusal =
        P::against(&service, way).ask("receive_from_unknown_command", Value::Null).expect_err("refused");
    assert_eq!((refusal.exception.as_str(), refusal.fault_code), ("WSManFaultError", Some(UNKNOWN_SHELL)));
}

pub(crate) fn a_folder_that_does_not_exist_is_a_fault<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let remote = Remote::new("echo hi").folder("/no/such/folder");
    let refusal = P::against(&service, way).try_run(remote).expect_err("refused");
    assert_eq!(refusal.exception, "WSManFaultError", "{refusal:?}");
    assert!(refusal.message.contains("/no/such/folder"), "{refusal:?}");
}

pub(crate) fn the_configuration_can_be_read<P: Peer>(way: WayIn) {
    let mut settings = way.settings().to_vec();
    settings.push(("MaxEnvelopeSizekb", "321"));
    let service = Telarchd::start(&settings);
    let size = P::against(&service, way).ask("max_envelope_size_kb", Value::Null).expect("not refused");
    assert_eq!(size, 321);
}

fn runs(answer: &Value) -> Vec<Run> {
    answer.as_array().expect("a list").iter().map(Run::from_json).collect()
}

/// The shell or command is not known; clients that clean up take it for success.
const UNKNOWN_SHELL: u64 = 2_150_858_843;
