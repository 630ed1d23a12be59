//! Checks that there is no sudden slow-down at low concurrency or with TLS, and no growth of memory over time.

use std::thread;
use std::time::Duration;

use memchr::memmem;

use crate::Result;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::load::{Until, drive};
use crate::messages;
use crate::process::{megabytes, resident};
use crate::rounds::{by_turns, median_of};
use crate::table::Row;
use crate::telarchd::Telarchd;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let service = Telarchd::start(&[])?;
    let mut rows = vec![one_to_sixteen(effort, &service)?];
    for (count, connections) in [(1, "1 connection"), (16, "16 connections")] {
        rows.push(tls_to_plain(effort, &service, count, connections)?);
    }
    rows.push(requests_leave_nothing(effort)?);
    rows.push(enumerations_leave_nothing(effort).unwrap_or_else(|error| {
        let what = "resident memory gained over abandoned enumerations";
        Row::not_measured(what, &error.to_string())
    }));
    Ok(rows)
}

fn one_to_sixteen(effort: &Effort, service: &Telarchd) -> Result<Row> {
    let request = messages::identify();
    let (mut one, mut sixteen) = (service.plain(1)?, service.plain(16)?);
    let until = Until::Elapsed(effort.round);
    let turns = by_turns(
        effort.rounds,
        || drive(&mut one, &request, service.process(), until),
        || drive(&mut sixteen, &request, service.process(), until),
    )?;
    let [one, sixteen] =
        [median_of(&turns, |turn| turn.ours.rate()), median_of(&turns, |turn| turn.theirs.rate())];
    let ratio = median_of(&turns, |turn| turn.ours.rate() / turn.theirs.rate());
    Ok(Row::at_least(
        "Identify: requests/s of one connection over those of sixteen",
        ONE_TO_SIXTEEN,
        ratio,
        format!("{ratio:.2} ({one:.0} to {sixteen:.0})"),
    ))
}

fn tls_to_plain(effort: &Effort, service: &Telarchd, count: usize, connections: &str) -> Result<Row> {
    let request = messages::identify();
    let (mut tls, mut plain) = (service.tls(count)?, service.plain(count)?);
    let until = Until::Elapsed(effort.round);
    let turns = by_turns(
        effort.rounds,
        || drive(&mut tls, &request, service.process(), until),
        || drive(&mut plain, &request, service.process(), until),
    )?;
    let ratio = median_of(&turns, |turn| turn.ours.rate() / turn.theirs.rate());
    let [tls, plain] =
        [median_of(&turns, |turn| turn.ours.rate()), median_of(&turns, |turn| turn.theirs.rate())];
    let micros = [
        median_of(&turns, |turn| turn.ours.server_micros()),
        median_of(&turns, |turn| turn.theirs.server_micros()),
    ];
    Ok(Row::at_least(
        &format!("Identify, {connections}: requests/s with TLS over those without"),
        TLS_TO_PLAIN,
        ratio,
        format!("{ratio:.2} ({tls:.0} to {plain:.0}; CPU {:.1} to {:.1} µs)", micros[0], micros[1]),
    ))
}

fn requests_leave_nothing(effort: &Effort) -> Result<Row> {
    let service = Telarchd::start(&[])?;
    let mut connections = service.plain(16)?;
    let (identify, get) = (messages::identify(), messages::get_config());
    let mut half = |requests: u64| -> Result<()> {
        drive(&mut connections, &identify, service.process(), Until::Requests(requests / 2))?;
        drive(&mut connections, &get, service.process(), Until::Requests(requests / 2))?;
        Ok(())
    };
    half(effort.requests / 10)?;
    let before = resident(service.process())?;
    half(effort.requests)?;
    Ok(gained(&format!("resident memory gained over {} requests", effort.requests), &service, before))
}

fn enumerations_leave_nothing(effort: &Effort) -> Result<Row> {
    let service = Telarchd::start(&[&format!("Service.EnumerationTimeoutms={}", EXPIRY.as_millis())])?;
    let mut connection = Connection::plain(service.http())?;
    // The first ones make the allocator request the memory that all others reuse.
    abandon(&mut connection, (effort.enumerations / 10).max(2 * MOST_OPEN))?;
    let before = resident(service.process())?;
    abandon(&mut connection, effort.enumerations)?;
    let what = format!("resident memory gained over {} abandoned enumerations", effort.enumerations);
    Ok(gained(&what, &service, before))
}

/// Starts enumerations without pulling from or releasing any, and waits until the last has expired. The user has at
/// most [`MOST_OPEN`] at a time, so that the service refuses none.
fn abandon(connection: &mut Connection, mut count: u64) -> Result<()> {
    let request = messages::enumerate_listeners();
    while count > 0 {
        let open = count.min(MOST_OPEN);
        for _ in 0..open {
            connection.send(&request)?;
            let answer = connection.receive()?;
            if memmem::find(answer, b":EnumerationContext>uuid:").is_none() {
                return Err(format!("no enumeration is open: {}", String::from_utf8_lossy(answer)).into());
            }
        }
        count -= open;
        // An expired enumeration sends no message, and the quota counts it until then.
        thread::sleep(EXPIRY + Duration::from_millis(50));
    }
    Ok(())
}

fn gained(what: &str, service: &Telarchd, before: u64) -> Row {
    match resident(service.process()) {
        Ok(after) => {
            let gain = megabytes(after) - megabytes(before);
            let measured = format!("{gain:.1} MB ({:.1} to {:.1} MB)", megabytes(before), megabytes(after));
            Row::at_most(what, FLAT, "MB", gain, measured)
        }
        Err(error) => Row::not_measured(what, &error.to_string()),
    }
}

/// Open operations of a user that `MaxConcurrentOperationsPerUser` permits by default.
const MOST_OPEN: u64 = 1_500;

/// Smallest `EnumerationTimeoutms`, after which the service discards an abandoned enumeration.
const EXPIRY: Duration = Duration::from_millis(500);

const ONE_TO_SIXTEEN: f64 = 0.50;
const TLS_TO_PLAIN: f64 = 0.75;

/// Growth in megabytes that the allocator itself may cause.
const FLAT: f64 = 1.0;
