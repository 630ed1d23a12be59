//! Measures a long stream of output in comparison with the same bytes through a pipe and Base64.

use std::process::Command;
use std::time::Instant;

use crate::Result;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::messages::{self, ReadBy, Shell};
use crate::process::{cpu, megabytes, resident};
use crate::rounds::{by_turns, median_of};
use crate::table::Row;
use crate::telarchd::Telarchd;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let service = Telarchd::start(&[])?;
    let mut connection = Connection::plain(service.http())?;
    // Pieces as large as those that `cat` writes.
    let producer = format!("head -c {} /dev/zero | dd bs=131072 status=none iflag=fullblock", effort.stream);
    let rounds = effort.rounds.min(3);
    let turns = by_turns(
        rounds,
        || remote(&mut connection, &service, &producer, effort.stream),
        || local(&producer),
    )?;

    let [ours, theirs] =
        [median_of(&turns, |turn| turn.ours.seconds), median_of(&turns, |turn| turn.theirs.seconds)];
    let ratio = median_of(&turns, |turn| turn.theirs.seconds / turn.ours.seconds);
    let megabytes_a_second = |seconds: f64| effort.stream as f64 / 1e6 / seconds;
    let gain = median_of(&turns, |turn| turn.ours.gain);
    let [low, high] = [median_of(&turns, |turn| turn.ours.low), median_of(&turns, |turn| turn.ours.high)];
    let server = median_of(&turns, |turn| turn.ours.server_seconds) * 1e9 / effort.stream as f64;
    let size = effort.stream / 1_000_000;
    Ok(vec![
        Row::at_least(
            &format!("{size} MB of output: speed over that of a pipe through base64"),
            SPEED,
            ratio,
            format!("{ratio:.2} ({:.0} to {:.0} MB/s)", megabytes_a_second(ours), megabytes_a_second(theirs)),
        ),
        Row::without_goal(
            &format!("{size} MB of output: CPU of the service per byte"),
            format!("{server:.2} ns"),
        ),
        Row::at_most(
            &format!("{size} MB of output: resident memory gained after the first tenth"),
            FLAT,
            "MB",
            gain,
            format!("{gain:.1} MB (between {low:.1} and {high:.1} MB)"),
        ),
    ])
}

const SPEED: f64 = 0.25;

/// Growth in megabytes that the allocator itself may cause.
const FLAT: f64 = 1.0;

/// Result of one stream; memory in megabytes.
struct Streamed {
    seconds: f64,
    server_seconds: f64,
    low: f64,
    high: f64,
    gain: f64,
}

fn remote(connection: &mut Connection, service: &Telarchd, line: &str, octets: u64) -> Result<Streamed> {
    let created = connection.exchange(&messages::create_shell())?.to_vec();
    let shell = Shell::created(&created)?;
    let cpu_before = cpu(service.process())?;
    let begin = Instant::now();
    let started = connection.exchange(&shell.command(line, ReadBy::LoginShell))?.to_vec();
    let command = messages::command_id(&started)?;
    let receive = shell.receive(command);
    let mut received = 0;
    let mut samples = Samples::default();
    loop {
        let answer = connection.exchange(&receive)?;
        received += messages::carried(answer);
        let is_done = messages::is_done(answer);
        samples.take(received, octets, service.process())?;
        if is_done {
            break;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let server_seconds = cpu(service.process())?.saturating_sub(cpu_before).as_secs_f64();
    connection.exchange(&shell.terminate(command))?;
    connection.exchange(&shell.delete())?;
    if received != octets {
        return Err(format!("of {octets} octets of output {received} came").into());
    }
    let early = samples.early.iter().copied().fold(0.0, f64::max);
    let low = samples.late.iter().copied().fold(early, f64::min);
    let high = samples.late.iter().copied().fold(early, f64::max);
    Ok(Streamed { seconds, server_seconds, low, high, gain: high - early })
}

/// Resident memory in megabytes, sampled about a hundred times.
#[derive(Default)]
struct Samples {
    next: u64,
    early: Vec<f64>,
    late: Vec<f64>,
}

impl Samples {
    fn take(&mut self, received: u64, all: u64, process: u32) -> Result<()> {
        if received < self.next {
            return Ok(());
        }
        self.next = received + all / 100;
        let period = if received < all / 10 { &mut self.early } else { &mut self.late };
        period.push(megabytes(resident(process)?));
        Ok(())
    }
}

fn local(producer: &str) -> Result<Streamed> {
    let line = format!("{producer} | base64 -w 0 >/dev/null");
    let begin = Instant::now();
    let status = Command::new("/bin/sh").args(["-c", &line]).status()?;
    let seconds = begin.elapsed().as_secs_f64();
    if status.success() {
        Ok(Streamed { seconds, server_seconds: 0.0, low: 0.0, high: 0.0, gain: 0.0 })
    } else {
        Err(format!("{line} failed").into())
    }
}
