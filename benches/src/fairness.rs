//! Measures the cost of fair limits: compares this revision with another build of telarchd in alternating turns.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::load::{Load, Until, drive};
use crate::messages;
use crate::process::resident;
use crate::rounds::{Turn, by_turns, median_of};
use crate::table::Row;
use crate::telarchd::Telarchd;

/// Environment variable with the path of the other telarchd; `benches/run --against` sets it.
const AGAINST: &str = "TELARCH_AGAINST";

/// Smallest ratio of requests per second to those of the other revision.
const RATE: f64 = 0.97;
/// Largest additional memory of an idle connection in kilobytes.
const MEMORY: f64 = 1.0;

/// Pairs of processes. A process keeps its layout of memory, which alone can change its speed by some percent.
const PAIRS: usize = 9;
/// Turns of each side in a pair.
const TURNS: usize = 2;

/// A request that is sent again and again over a number of connections.
struct Workload {
    name: &'static str,
    request: Vec<u8>,
    connections: usize,
}

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let Some(other) = std::env::var_os(AGAINST).map(PathBuf::from) else {
        let hint = "needs another build: benches/run --against PATH_TO_TELARCHD".to_owned();
        return Ok(vec![Row::without_goal("fairness: this revision against another one", hint)]);
    };
    let workloads = workloads();
    let mut turns: Vec<Vec<Turn<Load>>> = workloads.iter().map(|_| Vec::new()).collect();
    for _ in 0..PAIRS {
        let (ours, theirs) = (Telarchd::start(&[])?, Telarchd::start_program(&other, &[])?);
        for (workload, turns) in workloads.iter().zip(&mut turns) {
            turns.extend(compare(effort, &ours, &theirs, workload)?);
        }
    }
    let mut rows: Vec<_> =
        workloads.iter().zip(&turns).flat_map(|(workload, turns)| rates(workload, turns)).collect();
    rows.push(memory(effort, &other)?);
    Ok(rows)
}

fn workloads() -> [Workload; 4] {
    [
        Workload { name: "Identify, 1 connection", request: messages::identify(), connections: 1 },
        Workload { name: "Identify, 64 connections", request: messages::identify(), connections: 64 },
        Workload { name: "Get winrm/config, 1 connection", request: messages::get_config(), connections: 1 },
        Workload {
            name: "Get winrm/config, 64 connections",
            request: messages::get_config(),
            connections: 64,
        },
    ]
}

fn compare(
    effort: &Effort,
    ours: &Telarchd,
    theirs: &Telarchd,
    workload: &Workload,
) -> Result<Vec<Turn<Load>>> {
    let until = Until::Elapsed(effort.round / 4);
    let (mut to_ours, mut to_theirs) =
        (ours.plain(workload.connections)?, theirs.plain(workload.connections)?);
    by_turns(
        TURNS,
        || drive(&mut to_ours, &workload.request, ours.process(), until),
        || drive(&mut to_theirs, &workload.request, theirs.process(), until),
    )
}

fn rates(workload: &Workload, turns: &[Turn<Load>]) -> [Row; 2] {
    let name = workload.name;
    let [our_rate, their_rate] =
        [median_of(turns, |turn| turn.ours.rate()), median_of(turns, |turn| turn.theirs.rate())];
    let ratio = median_of(turns, |turn| turn.ours.rate() / turn.theirs.rate());
    let [our_cpu, their_cpu] = [
        median_of(turns, |turn| turn.ours.server_micros()),
        median_of(turns, |turn| turn.theirs.server_micros()),
    ];
    let cpu = median_of(turns, |turn| turn.theirs.server_micros() / turn.ours.server_micros());
    [
        Row::at_least(
            &format!("{name}: requests/s over those of the other revision"),
            RATE,
            ratio,
            format!("{ratio:.3} ({our_rate:.0} to {their_rate:.0})"),
        ),
        Row::without_goal(
            &format!("{name}: CPU per request, the other revision compared with this one"),
            format!("{cpu:.3} ({their_cpu:.2} to {our_cpu:.2} µs)"),
        ),
    ]
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
