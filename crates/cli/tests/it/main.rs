//! Command lines of `winrm` and `winrs`.

#![allow(clippy::unwrap_used)]

mod configsddl;
mod doctor;
mod failure;
mod fleet;
mod golden;
mod help;
mod hosts;
mod local;
mod man;
mod missing_source;
mod password;
mod quick_config;
mod service;
mod shells;
mod sign_in;
mod trace;
mod trust;
mod what_if;
mod winrm_grammar;
mod winrm_rules;
mod winrm_run;
mod winrs;

use telarch_cli::connection::{Connection, Target};
use telarch_cli::endpoint::Endpoint;
use telarch_cli::winrm::{self, Command, Invocation};
use telarch_cli::{Error, winrs as remote_shell};

/// Parses a `winrm` command line, split at spaces; `·` represents a space inside an argument.
fn parse(line: &str) -> Result<Invocation, Error> {
    winrm::parse(&words(line))
}

/// Parses a `winrm` command line into a command.
fn command(line: &str) -> Command {
    match parse(line) {
        Ok(Invocation::Run(command)) => *command,
        other => panic!("{line} became {other:?}"),
    }
}

/// Returns message and advice for an invalid command line.
fn refusal(line: &str) -> (String, String) {
    let error = parse(line).expect_err(line);
    (error.to_string(), error.way_out().unwrap_or_default())
}

/// Parses `winrs` arguments.
fn winrs_command(words: &[&str]) -> remote_shell::RemoteCommand {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    match remote_shell::parse(&words) {
        Ok(remote_shell::Invocation::Run(command)) => *command,
        other => panic!("{words:?} became {other:?}"),
    }
}

/// Returns the endpoint of a remote connection.
fn endpoint(connection: Connection) -> Endpoint {
    match connection.target {
        Target::Remote(endpoint) => endpoint,
        Target::Local(sockets) => panic!("local target: {sockets:?}"),
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(|word| word.replace('·', " ")).collect()
}
