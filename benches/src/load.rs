//! Puts one server under load: sends as many requests as possible through a number of connections.

use std::time::{Duration, Instant};

use crate::Result;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::process::{self, thread_cpu};
use crate::processors::Together;
use crate::rounds::{by_turns, median_of};

/// Result of one turn of load.
pub(crate) struct Load {
    requests: u64,
    elapsed: Duration,
    server_cpu: Duration,
    generator_cpu: Duration,
}

impl Load {
    /// Returns the requests per second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// Returns the CPU time of the server for one request in microseconds.
    pub(crate) fn server_micros(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.requests as f64
    }

    /// Returns the CPU time of the generator for one request in microseconds.
    pub(crate) fn generator_micros(&self) -> f64 {
        self.generator_cpu.as_secs_f64() * 1e6 / self.requests as f64
    }
}

/// A server under load.
pub(crate) struct Side {
    pub(crate) connections: Vec<Connection>,
    pub(crate) process: u32,
}

/// Medians of two servers under the same load, in alternating turns.
pub(crate) struct Comparison {
    /// Requests per second: of ours, of theirs, and ours over theirs.
    pub(crate) rates: [f64; 3],
    /// CPU time of the server for one request in microseconds: of ours, of theirs, and theirs over ours.
    pub(crate) micros: [f64; 3],
    /// CPU time of the generator for one request of ours in microseconds.
    pub(crate) generator_micros: f64,
}

/// Sends one request again and again, to each server in its turn.
pub(crate) fn compare(
    effort: &Effort,
    request: &[u8],
    mut ours: Side,
    mut theirs: Side,
) -> Result<Comparison> {
    let until = Until::Elapsed(effort.round);
    let turns = by_turns(
        effort.rounds,
        || drive(&mut ours.connections, request, ours.process, until),
        || drive(&mut theirs.connections, request, theirs.process, until),
    )?;
    Ok(Comparison {
        rates: [
            median_of(&turns, |turn| turn.ours.rate()),
            median_of(&turns, |turn| turn.theirs.rate()),
            median_of(&turns, |turn| turn.ours.rate() / turn.theirs.rate()),
        ],
        micros: [
            median_of(&turns, |turn| turn.ours.server_micros()),
            median_of(&turns, |turn| turn.theirs.server_micros()),
            median_of(&turns, |turn| turn.theirs.server_micros() / turn.ours.server_micros()),
        ],
        generator_micros: median_of(&turns, |turn| turn.ours.generator_micros()),
    })
}

/// End of a turn.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Elapsed(Duration),
    Requests(u64),
}

/// Keeps one request outstanding on every connection.
///
/// Answers are awaited in the order of the connections. With one thread and blocking reads the generator needs only one
/// read and one write for each request, and while it waits for one answer, the server can work on all other requests. A
/// single connection shares one processor with the server; see [`Together`].
pub(crate) fn drive(
    connections: &mut [Connection],
    request: &[u8],
    server: u32,
    until: Until,
) -> Result<Load> {
    let _together = if connections.len() == 1 { Some(Together::with(&[server])?) } else { None };
    let (server_before, generator_before) = (process::cpu(server)?, thread_cpu());
    let begin = Instant::now();
    let is_over = |requests| match until {
        Until::Elapsed(time) => begin.elapsed() >= time,
        Until::Requests(most) => requests >= most,
    };
    for connection in connections.iter_mut() {
        connection.send(request)?;
    }
    let mut requests = 0;
    while !is_over(requests) {
        for connection in connections.iter_mut() {
            connection.receive()?;
            connection.send(request)?;
            requests += 1;
        }
    }
    for connection in connections.iter_mut() {
        connection.receive()?;
        requests += 1;
    }
    Ok(Load {
        requests,
        elapsed: begin.elapsed(),
        server_cpu: process::cpu(server)?.saturating_sub(server_before),
        generator_cpu: thread_cpu().saturating_sub(generator_before),
    })
}
