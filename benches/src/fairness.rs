//! Measures the cost of fair limits: compares this revision with another build of telarchd in alternating turns.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::load::{Until, drive};
use crate::messages;
use crate::process::resident;
use crate::rounds::{by_turns, median_of};
use crate::table::Row;
use crate::telarchd::Telarchd;

/// Environment variable with the path of the other telarchd; `benches/run --against` sets it.
const AGAINST: &str = "TELARCH_AGAINST";

/// Smallest ratio of requests per second to those of the other revision.
const RATE: f64 = 0.97;
/// Largest additional memory of an idle connection in kilobytes.
const MEMORY: f64 = 1.0;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let Some(other) = std::env::var_os(AGAINST).map(PathBuf::from) else {
        let hint = "needs another build: benches/run --against PATH_TO_TELARCHD".to_owned();
        return Ok(vec![Row::told("fairness: this revision against another one", hint)]);
    };
    let (ours, theirs) = (Telarchd::start(&[])?, Telarchd::start_program(&other, &[])?);
    let mut rows = Vec::new();
    for (name, request) in [("Identify", messages::identify()), ("Get winrm/config", messages::get_config())]
    {
        for (count, connections) in [(1, "1 connection"), (64, "64 connections")] {
            rows.extend(rate(effort, &ours, &theirs, &request, count, &format!("{name}, {connections}"))?);
        }
    }
    drop((ours, theirs));
    rows.push(memory(effort, &other)?);
    Ok(rows)
}

fn rate(
    effort: &Effort,
    ours: &Telarchd,
    theirs: &Telarchd,
    request: &[u8],
    count: usize,
    what: &str,
) -> Result<[Row; 2]> {
    let until = Until::Elapsed(effort.round);
    let (mut to_ours, mut to_theirs) = (ours.plain(count)?, theirs.plain(count)?);
    let turns = by_turns(
        effort.rounds,
        || drive(&mut to_ours, request, ours.process(), until),
        || drive(&mut to_theirs, request, theirs.process(), until),
    )?;
    let [our_rate, their_rate] =
        [median_of(&turns, |turn| turn.ours.rate()), median_of(&turns, |turn| turn.theirs.rate())];
    let ratio = median_of(&turns, |turn| turn.ours.rate() / turn.theirs.rate());
    let [our_cpu, their_cpu] = [
        median_of(&turns, |turn| turn.ours.server_micros()),
        median_of(&turns, |turn| turn.theirs.server_micros()),
    ];
    let cpu = median_of(&turns, |turn| turn.theirs.server_micros() / turn.ours.server_micros());
    Ok([
        Row::at_least(
            &format!("{what}: requests/s over those of the other revision"),
            RATE,
            ratio,
            format!("{ratio:.3} ({our_rate:.0} to {their_rate:.0})"),
        ),
        Row::told(
            &format!("{what}: CPU per request, the other revision compared with this one"),
            format!("{cpu:.3} ({their_cpu:.2} to {our_cpu:.2} µs)"),
        ),
    ])
}

/// Measures the memory of an idle signed-in connection compared with the other revision.
fn memory(effort: &Effort, other: &Path) -> Result<Row> {
    let turns = by_turns(
        effort.rounds.min(3),
        || of_connection(effort, &Telarchd::start(&[])?),
        || of_connection(effort, &Telarchd::start_program(other, &[])?),
    )?;
    let [ours, theirs] = [median_of(&turns, |turn| turn.ours), median_of(&turns, |turn| turn.theirs)];
    let more = ours - theirs;
    Ok(Row::at_most(
        "resident memory of an idle signed-in connection, above that of the other revision",
        MEMORY,
        "KB",
        more,
        format!("{more:.2} KB ({ours:.2} to {theirs:.2} KB, {} connections)", effort.idle),
    ))
}

/// Returns the resident memory of one idle connection in kilobytes.
fn of_connection(effort: &Effort, service: &Telarchd) -> Result<f64> {
    let request = messages::identify();
    let mut first: Vec<Connection> = service.plain(1)?;
    first.iter_mut().try_for_each(|connection| connection.exchange(&request).map(drop))?;
    let before = resident(service.process())?;
    let mut connections = service.plain(effort.idle)?;
    connections.iter_mut().try_for_each(|connection| connection.exchange(&request).map(drop))?;
    let after = resident(service.process())?;
    Ok((after as f64 - before as f64) / 1_024.0 / effort.idle as f64)
}
