//! `telarch ipmi sel follow`: new records of event logs, until interrupted.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use ipmi::proto::sdr::Record;
use ipmi::proto::{Login, Privilege, Timing};
use ipmi::{Connection, IpmiError, LogPosition, NewEvents};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::export::termination_signal;
use super::hosts::Host;
use super::parallel::{self, SessionOpener};
use super::report::{Row, csv_head, csv_line, json_object};
use super::sel::{self, Clock};
use super::sensor_names::{Titles, of_records};
use super::sign_in;
use super::targets::Targets;
use cli_command::Failure;
use cli_command::format::Format;
use cli_command::output;

/// Prints new records until a termination signal arrives, then closes all sessions.
pub(super) fn run(targets: Targets, clock: Clock, every: Duration) -> Result<String, Failure> {
    let login = sign_in::login(&targets, Privilege::User)?;
    let timing = Timing { limit: targets.limit, ..Timing::default() };
    let mut printer = Printer { format: targets.format, has_header: false };
    parallel::runtime()?.block_on(async {
        let (lines, mut printed) = mpsc::channel(64);
        let (stop, stopping) = watch::channel(());
        let mut followers = JoinSet::new();
        for host in targets.hosts {
            let follower = Follower { host, clock, every, lines: lines.clone() };
            followers.spawn(follower.run(login.clone(), timing, stopping.clone()));
        }
        drop(lines);
        let ended = termination_signal();
        tokio::pin!(ended);
        loop {
            tokio::select! {
                Some(line) = printed.recv() => printer.print(line)?,
                () = &mut ended => break,
            }
        }
        // Controllers support only a few sessions, so the open ones are closed, without waiting long for silent controllers.
        drop(stop);
        printed.close();
        let closed = async { while followers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(2), closed).await;
        Ok(String::new())
    })
}

enum Line {
    Event(Host, Row),
    /// A message on standard error.
    Message(String),
}

/// Prints each record as a line.
struct Printer {
    format: Format,
    /// The header line of CSV was printed.
    has_header: bool,
}

impl Printer {
    fn print(&mut self, line: Line) -> io::Result<()> {
        match line {
            Line::Message(text) => writeln!(output::errors(), "telarch: {text}"),
            Line::Event(host, row) => {
                let mut out = output::out();
                out.write_all(self.lines(&host, row).as_bytes())?;
                out.flush()
            }
        }
    }

    fn lines(&mut self, host: &Host, row: Row) -> String {
        let is_first = !std::mem::replace(&mut self.has_header, true);
        match self.format {
            Format::Json => format!("{}\n", json_object(host, &row)),
            Format::Csv => {
                let names: Vec<&str> = row.iter().map(|(name, _)| *name).collect();
                let head = if is_first { csv_head(&names) } else { String::new() };
                head + &csv_line(host, &row, &names)
            }
            _ => format!("{host}: {}", sel::line(&row)),
        }
    }
}

/// Polls the event log of one controller.
struct Follower {
    host: Host,
    clock: Clock,
    every: Duration,
    lines: mpsc::Sender<Line>,
}

impl Follower {
    /// Polls until stopped. After a failure the session is opened again; records logged in the meantime are not lost.
    async fn run(self, login: Login, timing: Timing, mut stopping: watch::Receiver<()>) {
        let Self { host, lines, .. } = &self;
        let mut position = None;
        let (mut opener, mut has_failed) = (SessionOpener::default(), false);
        loop {
            let opened = tokio::select! {
                opened = opener.open(host, login.clone(), timing) => opened,
                _ = stopping.changed() => return,
            };
            let error = match opened {
                Err(error) => error,
                Ok(bmc) => {
                    if has_failed {
                        let _ = lines.send(Line::Message(format!("{host}: responding again"))).await;
                        has_failed = false;
                    }
                    let ended = tokio::select! {
                        ended = self.follow(&bmc, &mut position) => ended,
                        _ = stopping.changed() => Ok(()),
                    };
                    bmc.close().await;
                    match ended {
                        Ok(()) => return,
                        Err(error) => error.to_string(),
                    }
                }
            };
            // A failure is reported once.
            if !has_failed && lines.send(Line::Message(format!("{host}: {error}"))).await.is_err() {
                return;
            }
            has_failed = true;
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                _ = stopping.changed() => return,
            }
        }
    }

    /// Polls until the controller fails or the receiver is closed.
    async fn follow(&self, bmc: &Connection, position: &mut Option<LogPosition>) -> Result<(), IpmiError> {
        let Self { host, lines, .. } = self;
        let mut sensors: Arc<Vec<Record>> = Arc::default();
        let mut offset = None;
        loop {
            let is_first = position.is_none();
            let from = position.get_or_insert_default();
            let NewEvents { records, begins_anew } = bmc.events_since(from).await?;
            if begins_anew {
                let text = format!("{host}: the log was cleared, or its oldest records were overwritten");
                let _ = lines.send(Line::Message(text)).await;
            }
            if !is_first && !records.is_empty() {
                if sensors.is_empty() {
                    sensors = bmc.records().await?;
                    offset = sel::offset(bmc).await?;
                }
                let titles = Titles::of(of_records(&sensors));
                for record in records {
                    let row = sel::row(&record, (&sensors, &titles), self.clock, offset);
                    if lines.send(Line::Event(host.clone(), row)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            tokio::time::sleep(self.every).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_is_one_line_in_every_format() {
        let host = crate::hosts::parse("bmc1").expect("a name").remove(0);
        let row = || -> Row { vec![("id", 7.into()), ("event", "a, b".into())] };
        for (format, first, second) in [
            (Format::Csv, "host,id,event\nbmc1,7,\"a, b\"\n", "bmc1,7,\"a, b\"\n"),
            (
                Format::Json,
                "{\"event\":\"a, b\",\"host\":\"bmc1\",\"id\":7}\n",
                "{\"event\":\"a, b\",\"host\":\"bmc1\",\"id\":7}\n",
            ),
        ] {
            let mut printer = Printer { format, has_header: false };
            assert_eq!(printer.lines(&host, row()), first);
            assert_eq!(printer.lines(&host, row()), second);
        }
    }
}
