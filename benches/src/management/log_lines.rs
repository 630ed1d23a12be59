//! Measures a log file that is followed while lines are written at a fixed rate.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use memchr::memmem;

use super::console::ManagementService;
use crate::Result;
use crate::effort::Effort;
use crate::process;
use crate::table::Row;

/// Lines per second.
const RATE: usize = 10_000;
/// Lines that are written at once, as often as the rate requires.
const AT_ONCE: usize = 100;
/// Seconds of writing for each turn of the other measurements.
const SECONDS_PER_ROUND: usize = 2;

pub(super) fn measure(effort: &Effort, service: &ManagementService, file: &Path) -> Result<Vec<Row>> {
    let count = RATE * SECONDS_PER_ROUND * effort.rounds;
    let path = format!("/web/logs/lines?path={}&follow=true&lines=1", file.display());
    let mut connection = service.connections(1)?.pop().ok_or("there is no connection")?;
    // The stream begins after the last line that exists now.
    write_lines(file, 0, 1)?;
    connection.send(&service.read_request(&path))?;
    let mut stream = LineStream::default();
    while stream.received == 0 {
        stream.take(connection.receive_some()?)?;
    }
    let before = process::cpu(service.process())?;
    let begin = Instant::now();
    let target = file.to_owned();
    let writer = thread::spawn(move || write_at_rate(&target, count).map_err(|error| error.to_string()));
    while stream.received <= count {
        stream.take(connection.receive_some()?)?;
    }
    let elapsed = begin.elapsed().as_secs_f64();
    let cpu = process::cpu(service.process())?.saturating_sub(before);
    writer.join().map_err(|_| "the writer panicked")??;
    let rate = count as f64 / elapsed;
    let what = format!("{count} lines of a log, written at {RATE} a second and followed by one client");
    // The last lines arrive within an interval of the service after they were written.
    let least = 0.9 * RATE as f64;
    Ok(vec![
        Row::at_least(
            &format!("{what}: lines received per second, none lost and all in order"),
            least,
            rate,
            format!("{rate:.0}"),
        ),
        Row::without_goal(
            &format!("{what}: CPU of the service per line"),
            format!("{:.1} µs", cpu.as_secs_f64() * 1e6 / count as f64),
        ),
    ])
}

/// Writes `count` lines, numbered from 1, at the fixed rate.
fn write_at_rate(file: &Path, count: usize) -> Result<()> {
    let begin = Instant::now();
    for written in (0..count).step_by(AT_ONCE) {
        let due = Duration::from_secs_f64(written as f64 / RATE as f64);
        thread::sleep(due.saturating_sub(begin.elapsed()));
        write_lines(file, written + 1, AT_ONCE)?;
    }
    Ok(())
}

/// Appends lines in the format of nginx. The path of the request is the number of the line.
fn write_lines(file: &Path, first: usize, count: usize) -> Result<()> {
    let text: String = (first..first + count)
        .map(|number| {
            format!(
                "192.0.2.7 - - [25/Nov/2026:12:00:00 +0000] \"GET /{number:09} HTTP/1.1\" 200 612 \"-\" \"Mozilla/5.0\"\n"
            )
        })
        .collect();
    Ok(OpenOptions::new().append(true).create(true).open(file)?.write_all(text.as_bytes())?)
}

/// Received part of the stream of events; checks that the numbers of the lines increase by one.
#[derive(Default)]
struct LineStream {
    received: usize,
    rest: Vec<u8>,
}

impl LineStream {
    /// Counts the lines in the next bytes. Borders of HTTP chunks lie between events.
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        const BEFORE: &[u8] = b"GET /";
        const DIGITS: usize = 9;
        self.rest.extend_from_slice(bytes);
        let mut done = 0;
        while let Some(found) = memmem::find(&self.rest[done..], BEFORE) {
            let digits = done + found + BEFORE.len();
            let Some(number) = self.rest.get(digits..digits + DIGITS) else { break };
            let number: usize = std::str::from_utf8(number)?.parse()?;
            if number != self.received {
                return Err(format!("line {number} arrived instead of line {}", self.received).into());
            }
            self.received += 1;
            done = digits + DIGITS;
        }
        if self.received == 0 && memmem::find(&self.rest, b"HTTP/1.1 200").is_none() && self.rest.len() > 12 {
            return Err(format!("the stream was refused: {}", String::from_utf8_lossy(&self.rest)).into());
        }
        // The beginning of a line stays until its rest arrives.
        let kept = self.rest.len().saturating_sub(BEFORE.len() + DIGITS).max(done);
        self.rest.drain(..kept.min(self.rest.len()));
        Ok(())
    }
}
