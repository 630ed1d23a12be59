//! `telarch ipmi scan`: which controllers there are, asked without signing in.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use ipmi::proto::CipherSuite;
use ipmi::{DiscoveredController, IpmiError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

use super::arguments::Targets;
use super::hosts::Host;
use super::many;
use super::report::{self, Answer, Report, Row};
use cli_command::Failure;
use cli_command::output;

/// Asks all; those that do not answer are no failure, because most addresses of a network have no controller. A name
/// that nobody knows is one.
pub(super) fn run(targets: Targets) -> Result<String, Failure> {
    let Targets { hosts, parallel, limit, format, .. } = targets;
    open_as_many_as_may_be();
    // Each line begins with its host, even where only one is asked.
    let mut report = Report::new(hosts.clone(), format).naming_hosts().ending_unread();
    let (asked, mut answered, mut unasked) = (hosts.len(), 0, BTreeMap::new());
    let begin = |host: Host| async move { (scan_one(&host, limit).await, host) };
    let take = |report: &mut Report, index, (outcome, host)| match outcome {
        Outcome::Silent => report.leave_out(index),
        Outcome::Unasked(why) => {
            report.leave_out(index);
            unasked.insert(index, (host, why));
        }
        Outcome::Seen(answer) => {
            answered += 1;
            report.add(index, Ok(answer));
        }
    };
    many::runtime()?.block_on(many::each(hosts, parallel, &mut report, begin, take));
    let failed = report.finish()?;
    writeln!(output::errors(), "telarch: {answered} of {asked} answered")?;
    failed.or_else(|| report::failure_of(unasked.into_values())).map_or(Ok(String::new()), Err)
}

/// Each controller that is looked at has a socket of its own, and processes begin with few that may be open.
pub(super) fn open_as_many_as_may_be() {
    let limit = getrlimit(Resource::Nofile);
    // Those that cannot be opened are told one by one.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

enum Outcome {
    Seen(Answer),
    Silent,
    Unasked(String),
}

async fn scan_one(host: &Host, limit: Duration) -> Outcome {
    let address = match many::address(host).await {
        Ok(address) => address,
        Err(error) => return Outcome::Unasked(error),
    };
    let sighting = match ipmi::discover(address, limit).await {
        Ok(sighting) => sighting,
        Err(error @ IpmiError::Socket(_)) => return Outcome::Unasked(error.to_string()),
        Err(_) => return Outcome::Silent,
    };
    let row = row(&sighting);
    let cells: Vec<String> = row
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name} {}", report::for_people(value)))
        .collect();
    Outcome::Seen(Answer::new(cells.join(", ") + "\n", vec![row]))
}

fn row(sighting: &DiscoveredController) -> Row {
    let told = sighting.capabilities.as_ref();
    let versions = told.map(|told| match (told.ipmi15, told.rmcp_plus) {
        (true, true) => "1.5 and 2.0",
        (false, true) => "2.0",
        _ => "1.5",
    });
    let suites = sighting.suites.as_ref().map(|suites| numbers(suites));
    let users = told.map(|told| {
        let kinds = [
            (told.logins.named, "named"),
            (told.logins.unnamed, "unnamed"),
            (told.logins.anonymous, "anonymous"),
        ];
        kinds
            .into_iter()
            .filter(|(is_there, _)| *is_there)
            .map(|(_, name)| name)
            .collect::<Vec<_>>()
            .join(" ")
    });
    let lan15 = told.map(|told| told.lan15.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" "));
    let millis = sighting.round_trip.as_secs_f64() * 1_000.0;
    vec![
        ("ping", Value::from(sighting.pong.is_some())),
        ("ipmi", versions.map_or(Value::Null, Value::from)),
        ("suites", suites.map_or(Value::Null, Value::from)),
        ("lan15", lan15.filter(|types| !types.is_empty()).map_or(Value::Null, Value::from)),
        ("users", users.map_or(Value::Null, Value::from)),
        ("kg", told.map_or(Value::Null, |told| Value::from(told.has_group_key))),
        ("milliseconds", Value::from((millis * 100.0).round() / 100.0)),
    ]
}

/// `3 17`, in the controller's order.
pub(super) fn numbers(suites: &[CipherSuite]) -> String {
    suites.iter().map(CipherSuite::to_string).collect::<Vec<_>>().join(" ")
}
