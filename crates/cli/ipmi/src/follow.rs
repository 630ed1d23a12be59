//! `telarch ipmi sel follow`: what is logged from now on, of many controllers, until somebody ends it.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use ipmi::proto::sdr::Record;
use ipmi::proto::{Login, Privilege, Timing};
use ipmi::{Connection, IpmiError, LogPosition, NewEvents};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::arguments::Targets;
use super::export::told_to_end;
use super::hosts::Host;
use super::many::{self, Door};
use super::named::{Titles, of_records};
use super::report::{Format, Row, csv_head, csv_line, json_object};
use super::sel::{self, Clock};
use super::sign_in;
use cli_command::Failure;
use cli_command::output;

/// Prints each record once it is there, until it is told to end; all sessions are closed then.
pub(super) fn run(targets: Targets, clock: Clock, every: Duration) -> Result<String, Failure> {
    let login = sign_in::login(&targets, Privilege::User)?;
    let timing = Timing { limit: targets.limit, ..Timing::default() };
    let mut printer = Printer { format: targets.format, is_begun: false };
    many::runtime()?.block_on(async {
        let (lines, mut printed) = mpsc::channel(64);
        let (stop, stopping) = watch::channel(());
        let mut followed = JoinSet::new();
        for host in targets.hosts {
            let follower = Follower { host, clock, every, lines: lines.clone() };
            followed.spawn(follower.run(login.clone(), timing, stopping.clone()));
        }
        drop(lines);
        let ended = told_to_end();
        tokio::pin!(ended);
        loop {
            tokio::select! {
                Some(told) = printed.recv() => printer.print(told)?,
                () = &mut ended => break,
            }
        }
        // Controllers have few sessions: those that are open are closed. One that is silent is not waited for.
        drop(stop);
        printed.close();
        let closed = async { while followed.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(2), closed).await;
        Ok(String::new())
    })
}

enum Told {
    Event(Host, Row),
    Trouble(String),
}

/// Each record is a line, whatever the format.
struct Printer {
    format: Format,
    /// Whether the names of the columns are there.
    is_begun: bool,
}

impl Printer {
    fn print(&mut self, told: Told) -> io::Result<()> {
        match told {
            Told::Trouble(text) => writeln!(output::errors(), "telarch: {text}"),
            Told::Event(host, row) => {
                let mut out = output::out();
                out.write_all(self.lines(&host, row).as_bytes())?;
                out.flush()
            }
        }
    }

    fn lines(&mut self, host: &Host, row: Row) -> String {
        let is_first = !std::mem::replace(&mut self.is_begun, true);
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

/// Looks at the log of one controller again and again.
struct Follower {
    host: Host,
    clock: Clock,
    every: Duration,
    lines: mpsc::Sender<Told>,
}

impl Follower {
    /// Until it is stopped: who does not answer is asked again, and what was logged meanwhile is not lost.
    async fn run(self, login: Login, timing: Timing, mut stopping: watch::Receiver<()>) {
        let Self { host, lines, .. } = &self;
        let mut position = None;
        let (mut door, mut is_in_trouble) = (Door::default(), false);
        loop {
            let opened = tokio::select! {
                opened = door.open(host, login.clone(), timing) => opened,
                _ = stopping.changed() => return,
            };
            let error = match opened {
                Err(error) => error,
                Ok(bmc) => {
                    if is_in_trouble {
                        let _ = lines.send(Told::Trouble(format!("{host}: it answers again"))).await;
                        is_in_trouble = false;
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
            // Once is enough.
            if !is_in_trouble && lines.send(Told::Trouble(format!("{host}: {error}"))).await.is_err() {
                return;
            }
            is_in_trouble = true;
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                _ = stopping.changed() => return,
            }
        }
    }

    /// Until it does not answer any more, or nobody listens.
    async fn follow(&self, bmc: &Connection, position: &mut Option<LogPosition>) -> Result<(), IpmiError> {
        let Self { host, lines, .. } = self;
        let mut sensors: Arc<Vec<Record>> = Arc::default();
        let mut offset = None;
        loop {
            let is_first = position.is_none();
            let from = position.get_or_insert_default();
            let NewEvents { records, begins_anew } = bmc.events_since(from).await?;
            if begins_anew {
                let text = format!("{host}: the log was cleared, or has overwritten what was read");
                let _ = lines.send(Told::Trouble(text)).await;
            }
            if !is_first && !records.is_empty() {
                if sensors.is_empty() {
                    sensors = bmc.records().await?;
                    offset = sel::offset(bmc).await?;
                }
                let titles = Titles::of(of_records(&sensors));
                for record in records {
                    let row = sel::row(&record, (&sensors, &titles), self.clock, offset);
                    if lines.send(Told::Event(host.clone(), row)).await.is_err() {
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
    fn each_record_is_a_line_in_every_format() {
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
            let mut printer = Printer { format, is_begun: false };
            assert_eq!(printer.lines(&host, row()), first);
            assert_eq!(printer.lines(&host, row()), second);
        }
    }
}
