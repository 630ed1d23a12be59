//! `telarch ipmi sel follow`: what is logged from now on, of many controllers, until somebody ends it.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use ipmi::proto::sdr::Record;
use ipmi::proto::{Login, Privilege, Timing};
use ipmi::{Connection, IpmiError, LogPosition, NewEvents};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::arguments::Place;
use super::hosts::Host;
use super::named::{Titles, of_records};
use super::report::Format;
use super::sel::{self, Clock};
use super::{many, sign_in};
use crate::failure::Failure;

/// Prints each record once it is there.
pub(super) fn run(place: Place, every: Duration) -> Result<String, Failure> {
    let login = sign_in::login(&place, Privilege::User)?;
    let timing = Timing { limit: place.limit, ..Timing::default() };
    let format = place.format;
    many::runtime()?.block_on(async {
        let (lines, mut printed) = mpsc::channel(64);
        let mut followed = JoinSet::new();
        for host in place.hosts {
            let (login, lines) = (login.clone(), lines.clone());
            followed.spawn(async move { follow(host, login, timing, every, lines).await });
        }
        drop(lines);
        loop {
            let line: Told = tokio::select! {
                Some(line) = printed.recv() => line,
                _ = tokio::signal::ctrl_c() => break,
            };
            match line {
                Told::Event(host, row) => {
                    let line = match format {
                        Format::Json => {
                            let host = ("host".to_owned(), host.to_string().into());
                            let fields = row.into_iter().map(|(name, value)| (name.to_owned(), value));
                            format!(
                                "{}\n",
                                serde_json::Value::Object(std::iter::once(host).chain(fields).collect())
                            )
                        }
                        _ => format!("{host}: {}", sel::line(&row)),
                    };
                    let mut out = std::io::stdout();
                    out.write_all(line.as_bytes()).and_then(|()| out.flush())?;
                }
                Told::Trouble(text) => writeln!(std::io::stderr(), "telarch: {text}")?,
            }
        }
        Ok(String::new())
    })
}

enum Told {
    Event(Host, super::report::Row),
    Trouble(String),
}

/// For ever: who does not answer is asked again, and what was logged meanwhile is not lost.
async fn follow(host: Host, login: Login, timing: Timing, every: Duration, lines: mpsc::Sender<Told>) {
    let mut position = None;
    let mut is_in_trouble = false;
    loop {
        let error = match many::open(&host, login.clone(), timing).await {
            Err(error) => error,
            Ok(bmc) => {
                if is_in_trouble {
                    let _ = lines.send(Told::Trouble(format!("{host}: it answers again"))).await;
                }
                let ended = follow_one(&host, &bmc, &mut position, every, &lines).await;
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
        tokio::time::sleep(every).await;
    }
}

/// Until it does not answer any more, or nobody listens.
async fn follow_one(
    host: &Host,
    bmc: &Connection,
    position: &mut Option<LogPosition>,
    every: Duration,
    lines: &mpsc::Sender<Told>,
) -> Result<(), IpmiError> {
    let mut sensors: Arc<Vec<Record>> = Arc::default();
    loop {
        let is_first = position.is_none();
        let from = position.get_or_insert_default();
        let NewEvents { records, begins_anew } = bmc.events_since(from).await?;
        if begins_anew {
            let text = format!("{host}: the log was cleared, or has overwritten what was read");
            let _ = lines.send(Told::Trouble(text)).await;
        }
        if !is_first {
            if !records.is_empty() && sensors.is_empty() {
                sensors = bmc.records().await?;
            }
            for record in records {
                let titles = Titles::of(of_records(&sensors));
                let row = sel::row(&record, (&sensors, &titles), Clock::Own, None);
                if lines.send(Told::Event(host.clone(), row)).await.is_err() {
                    return Ok(());
                }
            }
        }
        tokio::time::sleep(every).await;
    }
}
