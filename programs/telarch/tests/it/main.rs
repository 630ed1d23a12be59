//! The program as its users run it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod access;
mod account;
mod completion;
mod configuration;
mod events;
mod iis;
mod ipmi;
mod ipmi_beside;
mod ipmi_break;
mod ipmi_bridges;
mod ipmi_changes;
mod ipmi_daily;
mod ipmi_failures;
mod ipmi_fleet;
mod ipmi_hosts;
mod ipmi_in_band;
mod ipmi_readme;
mod ipmi_settings;
mod ipmi_terminal;
mod mgmt;
mod mofcomp;
mod ntlm;
mod pages;
mod policy;
mod prompt;
mod pwsh;
#[path = "../../../../crates/cli/tests/it/service.rs"]
#[allow(dead_code)]
mod service;
#[path = "../../../../crates/iis/tests/it/web_administration.rs"]
#[allow(dead_code)]
mod web_administration;
mod wmi;
mod wmi_security;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Output and exit status of a run of the program.
struct Ran {
    out: String,
    errors: String,
    code: i32,
}

fn telarch(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telarch"));
    command.args(arguments);
    command
}

/// Runs a command to its end with this standard input.
fn run(command: &mut Command, input: &str) -> Ran {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Writing fails if the program ends without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        out: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}

/// `telarch account ARGUMENTS --file PATH`.
fn account(path: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut command = telarch(&["account"]);
    run(command.args(arguments).arg("--file").arg(path), input)
}

#[test]
fn help_is_also_a_command_and_a_typing_error_gets_a_suggestion() {
    let said = |arguments: &[&str]| run(&mut telarch(arguments), "").out;
    assert_eq!(said(&["help"]), said(&["--help"]));
    for words in [["help", "ipmi"], ["ipmi", "help"], ["ipmi", "--help"]] {
        assert_eq!(said(&words), said(&["ipmi", "-h"]), "{words:?}");
    }
    let typo = run(&mut telarch(&["ipm"]), "");
    assert!(typo.code == 2 && typo.errors.contains("\"ipm\"; did you mean ipmi?\n"), "{}", typo.errors);
}

#[test]
fn a_reader_that_closes_the_output_is_no_error() {
    let mut command = telarch(&["wmi", "classes"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((String::from_utf8(output.stderr).unwrap().as_str(), output.status.code()), ("", Some(0)));
}

#[test]
fn help_and_version_are_printed() {
    for arguments in [&["--help"][..], &["-h"], &[]] {
        let ran = run(&mut telarch(arguments), "");
        assert!(
            ran.out.contains("  account ") && ran.out.contains("  config ") && ran.code == 0,
            "{}",
            ran.out
        );
    }
    for arguments in [&["account", "--help"][..], &["account"], &["account", "add", "--help"]] {
        let ran = run(&mut telarch(arguments), "");
        assert!(ran.out.contains("telarch account add alice") && ran.code == 0, "{}", ran.out);
    }
    let version = run(&mut telarch(&["--version"]), "");
    assert_eq!(version.out, format!("telarch {}\n", env!("CARGO_PKG_VERSION")));
    for arguments in [&["acount"][..], &["--verbose"], &["account", "grow"]] {
        let ran = run(&mut telarch(arguments), "");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.errors.starts_with("telarch: ") && ran.errors.contains("--help"), "{}", ran.errors);
    }
}
