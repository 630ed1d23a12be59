//! `telarch mgmt firewall`: the rule of the firewall for the port of the service.

use std::fs::DirBuilder;
use std::num::NonZeroU16;
use std::os::unix::fs::DirBuilderExt as _;

use cli_command::paths::IfMissing;
use cli_command::{Arguments, Failure};
use quickconfig::{
    ChangeRecord, FirewallKind, MAX_OPENINGS, Machine, MachineRequest, MachineResponse, Opening, Outcome,
    Source, Survey, Transport,
};

use crate::WHAT_IF;
use crate::locations::{directory, failed};

/// Prints the state of the firewall, or changes the rule. Rules of others are not changed.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let directory = directory(arguments, IfMissing::Leave)?;
    let settings = directory.read_settings().map_err(failed)?;
    let port = NonZeroU16::new(settings.port).ok_or_else(|| failed("the port of the service is 0"))?;
    // A journal of its own, so that neither winrm quickconfig nor this command undoes changes of the other.
    let journal = directory.state().join("management-firewall");
    let created = DirBuilder::new().recursive(true).mode(0o700).create(&journal);
    created.map_err(|error| failed(format!("cannot create {}: {error}", journal.display())))?;
    let machine = Machine::of_machine(journal);
    match arguments.words().as_slice() {
        [] => Ok(state(&survey(&machine, opening(port, Vec::new()))?, port)),
        ["open", sources @ ..] if sources.len() < MAX_OPENINGS => {
            let sources = sources.iter().map(|source| Source::parse(source)).collect::<Result<Vec<_>, _>>();
            let sources = sources.map_err(|error| arguments.usage_error(error))?;
            let survey = survey(&machine, opening(port, Vec::new()))?;
            if survey.firewall.kind == FirewallKind::None {
                return Ok(state(&survey, port));
            }
            if arguments.is_given(&WHAT_IF) {
                let from: Vec<String> = sources.iter().map(ToString::to_string).collect();
                let from = if from.is_empty() { "all addresses".to_owned() } else { from.join(", ") };
                return Ok(format!("would open port {port} for {from}\n"));
            }
            let request = MachineRequest::Open(opening(port, sources));
            done(machine.execute(&request), &format!("port {port} is open already"))
        }
        ["close"] => {
            let recorded = survey(&machine, opening(port, Vec::new()))?.recorded;
            if arguments.is_given(&WHAT_IF) {
                return Ok(recorded
                    .iter()
                    .rev()
                    .map(|change| format!("would undo: {}\n", change.what))
                    .collect());
            }
            let closed = recorded.iter().rev().map(|change| close(&machine, change));
            let text = closed.collect::<Result<String, Failure>>()?;
            Ok(if text.is_empty() { "no rule was made by telarch mgmt firewall\n".to_owned() } else { text })
        }
        _ => Err(arguments.usage_error("expected open [NETWORK...], or close")),
    }
}

fn opening(port: NonZeroU16, sources: Vec<Source>) -> Opening {
    Opening { transport: Transport::Https, port, sources, zone: None }
}

fn survey(machine: &Machine, opening: Opening) -> Result<Survey, Failure> {
    match machine.execute(&MachineRequest::Survey(vec![opening])) {
        MachineResponse::Survey(survey) => Ok(survey),
        _ => Err(failed("the state of the firewall is unknown")),
    }
}

fn close(machine: &Machine, change: &ChangeRecord) -> Result<String, Failure> {
    done(machine.execute(&MachineRequest::Undo(change.number)), &change.what)
}

fn done(response: MachineResponse, already: &str) -> Result<String, Failure> {
    match response {
        MachineResponse::Done(Outcome::Done(text)) => Ok(format!("{text}\n")),
        MachineResponse::Done(Outcome::Already) => Ok(format!("{already}\n")),
        MachineResponse::Done(Outcome::Failed(reason)) => Err(failed(reason)),
        _ => Err(failed("the firewall was not changed")),
    }
}

fn state(survey: &Survey, port: NonZeroU16) -> String {
    let is_open = if survey.firewall.open == [true] { "open" } else { "closed" };
    match &survey.firewall.kind {
        FirewallKind::None => "no firewall was found\n".to_owned(),
        FirewallKind::Firewalld => format!("firewalld: port {port} is {is_open}\n"),
        FirewallKind::Ufw => format!("ufw: port {port} is {is_open}\n"),
        FirewallKind::Nftables => format!("nftables: port {port} is {is_open}\n"),
        FirewallKind::Unseen(reason) => format!("the firewall cannot be inspected: {reason}\n"),
    }
}
