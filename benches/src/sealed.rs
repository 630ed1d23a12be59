//! Compares sealed messages with the same messages in plain text, in alternating turns on the same service.
//!
//! The work of the client is left out where possible, because the service is to be measured.

use std::time::Instant;

use crate::Result;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::messages::{self, ReadBy, Shell};
use crate::process::cpu;
use crate::rounds::{self, by_turns, median_of};
use crate::signed_in::{SealedConnection, Way};
use crate::table::Row;
use crate::telarchd::Telarchd;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let service = Telarchd::start_with_every_scheme()?;
    let mut rows = Vec::new();
    for way in Way::all() {
        let goal = match way {
            Way::Ntlm => Some(NTLM),
            Way::Kerberos(_) => Some(KERBEROS),
            Way::CredSsp => None,
        };
        rows.push(stream(effort, &service, &way, goal)?);
        rows.push(get(effort, &service, &way, goal)?);
    }
    Ok(rows)
}

/// Amount of data and its cost.
struct Turn {
    /// Number of bytes or of requests.
    octets: f64,
    seconds: f64,
    cpu: f64,
}

/// Units in which the two sides are reported.
struct Units {
    /// Unit of the rate.
    rate: &'static str,
    /// How many counted items make one of that unit.
    per_rate: f64,
    /// Unit of the CPU time.
    price: &'static str,
    /// Factor from the CPU seconds of one counted item to the reported value.
    per_price: f64,
}

fn compared(turns: &[rounds::Turn<Turn>], what: &str, units: &Units, goal: Option<f64>) -> Row {
    let rate = |turn: &Turn| turn.octets / turn.seconds / units.per_rate;
    let price = |turn: &Turn| turn.cpu / turn.octets * units.per_price;
    let ratio = median_of(turns, |turn| rate(&turn.ours) / rate(&turn.theirs));
    let [ours, theirs] =
        [median_of(turns, |turn| rate(&turn.ours)), median_of(turns, |turn| rate(&turn.theirs))];
    let [our_cpu, their_cpu] =
        [median_of(turns, |turn| price(&turn.ours)), median_of(turns, |turn| price(&turn.theirs))];
    let measured = format!(
        "{ratio:.2} ({ours:.0} to {theirs:.0} {}; CPU {our_cpu:.2} to {their_cpu:.2} {})",
        units.rate, units.price
    );
    match goal {
        Some(goal) => Row::at_least(what, goal, ratio, measured),
        None => Row::without_goal(what, measured),
    }
}

/// Measures output of a command that is requested as fast as possible.
fn stream(effort: &Effort, service: &Telarchd, way: &Way, goal: Option<f64>) -> Result<Row> {
    let octets = effort.stream / 2;
    let turns = by_turns(
        effort.rounds.min(3),
        || {
            let mut connection = SealedConnection::new(Connection::plain(service.http())?, way)?;
            let created = connection.exchange(&messages::create_shell())?;
            let shell = Shell::created(&created)?;
            let started = connection.exchange(&shell.command(PRODUCER, ReadBy::LoginShell))?;
            let command = messages::command_id(&started)?;
            let receive = shell.receive(command);
            let turn = take(service, octets, || connection.exchange_unopened(&receive))?;
            connection.exchange_unopened(&shell.terminate(command))?;
            connection.exchange_unopened(&shell.delete())?;
            Ok(turn)
        },
        || {
            let mut connection = Connection::plain(service.http())?;
            let created = connection.exchange(&messages::create_shell())?.to_vec();
            let shell = Shell::created(&created)?;
            let started = connection.exchange(&shell.command(PRODUCER, ReadBy::LoginShell))?.to_vec();
            let command = messages::command_id(&started)?;
            let receive = shell.receive(command);
            let turn = take(service, octets, || Ok(connection.exchange(&receive)?.len() as u64))?;
            connection.exchange(&shell.terminate(command))?;
            connection.exchange(&shell.delete())?;
            Ok(turn)
        },
    )?;
    let what = format!("{}: envelopes of output, sealed over plain", way.name());
    let units = Units { rate: "MB/s", per_rate: 1e6, price: "ns per byte", per_price: 1e9 };
    Ok(compared(&turns, &what, &units, goal))
}

/// Receives answers until this many bytes have arrived.
fn take(service: &Telarchd, octets: u64, mut one: impl FnMut() -> Result<u64>) -> Result<Turn> {
    // The command has to start first.
    for _ in 0..4 {
        one()?;
    }
    let (before, begin) = (cpu(service.process())?, Instant::now());
    let mut came = 0;
    while came < octets {
        came += one()?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = cpu(service.process())?.saturating_sub(before).as_secs_f64();
    Ok(Turn { octets: came as f64, seconds, cpu })
}

/// Measures Get of the whole configuration, an answer of 5 KB; here the counted items are requests.
fn get(effort: &Effort, service: &Telarchd, way: &Way, goal: Option<f64>) -> Result<Row> {
    let request = messages::get_config();
    let mut plain = Connection::plain(service.http())?;
    let mut sealed = SealedConnection::new(Connection::plain(service.http())?, way)?;
    let turn = |one: &mut dyn FnMut() -> Result<()>| -> Result<Turn> {
        let _together = crate::processors::Together::with(&[service.process()])?;
        let (before, begin) = (cpu(service.process())?, Instant::now());
        let mut count = 0.0;
        while begin.elapsed() < effort.round {
            one()?;
            count += 1.0;
        }
        let seconds = begin.elapsed().as_secs_f64();
        let cpu = cpu(service.process())?.saturating_sub(before).as_secs_f64();
        Ok(Turn { octets: count, seconds, cpu })
    };
    let turns = by_turns(
        effort.rounds,
        || turn(&mut || sealed.exchange_unopened(&request).map(drop)),
        || turn(&mut || plain.exchange(&request).map(drop)),
    )?;
    let what = format!("{}: Get winrm/config, 1 connection, sealed over plain", way.name());
    let units = Units { rate: "/s", per_rate: 1.0, price: "µs", per_price: 1e6 };
    Ok(compared(&turns, &what, &units, goal))
}

/// The command writes until it is ended.
const PRODUCER: &str = "dd if=/dev/zero bs=131072 status=none";

const NTLM: f64 = 0.60;
const KERBEROS: f64 = 0.40;
