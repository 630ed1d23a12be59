//! `telarch ipmi scan`: which controllers there are, asked without signing in.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write as _};
use std::time::Duration;

use ipmi::proto::CipherSuite;
use ipmi::{IpmiError, Sighting};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use tokio::task::JoinSet;

use super::arguments::Place;
use super::hosts::Host;
use super::many;
use super::report::{self, Answer, Answers, Format, Row};
use crate::failure::Failure;

/// Asks all; those that do not answer are no failure, because most addresses of a network have no controller. A name
/// that nobody knows is one.
pub(super) fn run(place: Place) -> Result<String, Failure> {
    let (asked, format) = (place.hosts.len(), place.format);
    open_as_many_as_may_be();
    let Scanned { found, unasked } = many::runtime()?.block_on(scan(place))?;
    writeln!(io::stderr(), "telarch: {} of {asked} answered", found.len())?;
    // As text it is printed already.
    if format != Format::Text {
        report::print(&found, format)?;
    }
    report::failure(&unasked).map_or(Ok(String::new()), Err)
}

/// Each controller that is looked at has a socket of its own, and processes begin with few that may be open.
pub(super) fn open_as_many_as_may_be() {
    let limit = getrlimit(Resource::Nofile);
    // Those that cannot be opened are told one by one.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// What has come of a scan, in the order of the command line.
#[derive(Default)]
struct Scanned {
    found: Answers,
    /// Those that nothing could be sent to, each with the reason.
    unasked: Answers,
}

impl Scanned {
    /// Text is printed at once: a large network takes minutes, and whoever ends it before has what was found.
    fn take(&mut self, host: Host, outcome: Outcome, format: Format) -> io::Result<()> {
        match outcome {
            Outcome::Silent => {}
            Outcome::Unasked(why) => self.unasked.push((host, Err(why))),
            Outcome::Seen(answer) => {
                if format == Format::Text {
                    // Each line begins with its host, even where only one has answered.
                    let mut out = io::stdout().lock();
                    write!(out, "{host}: {}", answer.text)?;
                    out.flush()?;
                }
                self.found.push((host, Ok(answer)));
            }
        }
        Ok(())
    }
}

enum Outcome {
    Seen(Answer),
    Silent,
    Unasked(String),
}

async fn scan(place: Place) -> io::Result<Scanned> {
    let mut waiting: VecDeque<(usize, Host)> = place.hosts.into_iter().enumerate().collect();
    let (mut scanned, mut running) = (Scanned::default(), JoinSet::new());
    // Those that were quicker than somebody before them.
    let (mut done, mut next) = (BTreeMap::new(), 0);
    loop {
        while running.len() < place.parallel {
            let Some((order, host)) = waiting.pop_front() else { break };
            running.spawn(async move { (order, scan_one(&host, place.limit).await, host) });
        }
        let Some(one) = running.join_next().await else { break };
        let Ok((order, outcome, host)) = one else { continue };
        done.insert(order, (host, outcome));
        while let Some((host, outcome)) = done.remove(&next) {
            scanned.take(host, outcome, place.format)?;
            next += 1;
        }
    }
    for (host, outcome) in done.into_values() {
        scanned.take(host, outcome, place.format)?;
    }
    Ok(scanned)
}

async fn scan_one(host: &Host, limit: Duration) -> Outcome {
    let address = match many::address(host).await {
        Ok(address) => address,
        Err(error) => return Outcome::Unasked(error),
    };
    let sighting = match ipmi::sight(address, limit).await {
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
