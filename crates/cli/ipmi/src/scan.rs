//! `telarch ipmi scan`: finds controllers on a network without signing in.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use ipmi::proto::{CipherSuite, ProtoError};
use ipmi::{DiscoveredController, IpmiError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

use super::hosts::Host;
use super::parallel;
use super::report::{self, Answer, Report, Row};
use super::targets::Targets;
use cli_command::Failure;
use cli_command::output;

/// Probes all hosts. A host that does not respond is not a failure, because most addresses of a network have no
/// controller; a name that cannot be resolved is.
pub(super) fn run(targets: Targets) -> Result<String, Failure> {
    let Targets { hosts, parallel, limit, format, .. } = targets;
    raise_open_file_limit();
    // Each line begins with its host, even for a single host.
    let mut report = Report::new(hosts.clone(), format).naming_hosts().ending_unread();
    let (total, mut responded, mut failures) = (hosts.len(), 0, BTreeMap::new());
    let begin = |host: Host| async move { (scan_one(&host, limit).await, host) };
    let take = |report: &mut Report, index, (outcome, host)| match outcome {
        Outcome::Silent => report.leave_out(index),
        Outcome::Failed(error) => {
            report.leave_out(index);
            failures.insert(index, (host, error));
        }
        Outcome::Found(answer) => {
            responded += 1;
            report.add(index, Ok(answer));
        }
    };
    parallel::runtime()?.block_on(parallel::each(hosts, parallel, &mut report, begin, take));
    let failed = report.finish()?;
    writeln!(output::errors(), "telarch: {responded} of {total} responded")?;
    failed.or_else(|| report::failure_of(failures.into_values())).map_or(Ok(String::new()), Err)
}

/// Raises the limit of open files to its maximum, because each probe has a socket of its own.
pub(super) fn raise_open_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Sockets that cannot be opened are reported one by one.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

enum Outcome {
    Found(Answer),
    Silent,
    Failed(String),
}

async fn scan_one(host: &Host, limit: Duration) -> Outcome {
    let address = match parallel::address(host).await {
        Ok(address) => address,
        Err(error) => return Outcome::Failed(error),
    };
    let sighting = match ipmi::discover(address, limit).await {
        Ok(sighting) => sighting,
        Err(error @ (IpmiError::Socket(_) | IpmiError::Proto(ProtoError::NoValidAnswer { .. }))) => {
            return Outcome::Failed(error.to_string());
        }
        Err(_) => return Outcome::Silent,
    };
    let row = row(&sighting);
    let cells: Vec<String> = row
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name} {}", report::plain_text(value)))
        .collect();
    Outcome::Found(Answer::new(cells.join(", ") + "\n", vec![row]))
}

fn row(sighting: &DiscoveredController) -> Row {
    let capabilities = sighting.capabilities.as_ref();
    let versions = capabilities.map(|found| match (found.ipmi15, found.rmcp_plus) {
        (true, true) => "1.5 and 2.0",
        (false, true) => "2.0",
        _ => "1.5",
    });
    let suites = sighting.suites.as_ref().map(|suites| numbers(suites));
    let users = capabilities.map(|found| {
        let kinds = [
            (found.logins.named, "named"),
            (found.logins.unnamed, "unnamed"),
            (found.logins.anonymous, "anonymous"),
        ];
        let present = kinds.into_iter().filter(|(is_present, _)| *is_present);
        present.map(|(_, name)| name).collect::<Vec<_>>().join(" ")
    });
    let lan15 =
        capabilities.map(|found| found.lan15.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" "));
    let millis = sighting.round_trip.as_secs_f64() * 1_000.0;
    vec![
        ("ping", Value::from(sighting.pong.is_some())),
        ("ipmi", versions.map_or(Value::Null, Value::from)),
        ("suites", suites.map_or(Value::Null, Value::from)),
        ("lan15", lan15.filter(|types| !types.is_empty()).map_or(Value::Null, Value::from)),
        ("users", users.map_or(Value::Null, Value::from)),
        ("kg", capabilities.map_or(Value::Null, |found| Value::from(found.has_group_key))),
        ("milliseconds", Value::from((millis * 100.0).round() / 100.0)),
    ]
}

/// Lists the numbers of cipher suites in the order of the controller, such as `3 17`.
pub(super) fn numbers(suites: &[CipherSuite]) -> String {
    suites.iter().map(CipherSuite::to_string).collect::<Vec<_>>().join(" ")
}
