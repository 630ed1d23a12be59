//! `telarch ipmi scan`: which controllers there are, asked without signing in.

use std::collections::VecDeque;
use std::io::Write as _;
use std::time::Duration;

use ipmi::Sighting;
use ipmi::proto::CipherSuite;
use serde_json::Value;
use tokio::task::JoinSet;

use super::arguments::Place;
use super::hosts::Host;
use super::many;
use super::report::{self, Answer, Answers, Format, Row};
use crate::failure::Failure;

/// Asks all; those that do not answer are no failure, because most addresses of a network have no controller.
pub(super) fn run(place: Place) -> Result<String, Failure> {
    let (asked, format) = (place.hosts.len(), place.format);
    let found = many::runtime()?.block_on(scan(place));
    writeln!(std::io::stderr(), "telarch: {} of {asked} answered", found.len())?;
    if format == Format::Text {
        // Each line begins with its host, even where only one has answered.
        let lines = found.iter().filter_map(|(_, answer)| Some(answer.as_ref().ok()?.text.as_str()));
        return Ok(lines.collect());
    }
    report::print(&found, format)?;
    Ok(String::new())
}

async fn scan(place: Place) -> Answers {
    let mut waiting: VecDeque<(usize, Host)> = place.hosts.into_iter().enumerate().collect();
    let (mut found, mut running) = (Vec::new(), JoinSet::new());
    loop {
        while running.len() < place.parallel {
            let Some((order, host)) = waiting.pop_front() else { break };
            running.spawn(async move { (order, scan_one(&host, place.limit).await, host) });
        }
        let Some(done) = running.join_next().await else { break };
        if let Ok((order, Some(answer), host)) = done {
            found.push((order, (host, Ok(answer))));
        }
    }
    found.sort_by_key(|(order, _)| *order);
    found.into_iter().map(|(_, answer)| answer).collect()
}

async fn scan_one(host: &Host, limit: Duration) -> Option<Answer> {
    let address = many::address(host).await.ok()?;
    let sighting = ipmi::sight(address, limit).await.ok()?;
    let row = row(&sighting);
    let cells: Vec<String> = row
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name} {}", report::for_people(value)))
        .collect();
    Some(Answer::new(format!("{host}: {}\n", cells.join(", ")), vec![row]))
}

fn row(sighting: &Sighting) -> Row {
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
