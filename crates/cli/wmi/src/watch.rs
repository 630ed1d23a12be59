//! `telarch wmi --watch`: events as they come.

use std::io::{self, IsTerminal as _, Write as _};

use cim::wql::{self, Query};

use super::arguments::EventLimit;
use super::print::Printer;
use super::row::Row;
use super::source::Source;
use cli_command::Failure;
use cli_command::output;

/// What has occurred.
#[derive(Debug)]
pub(super) enum Occurred {
    /// From now on nothing is missed.
    Begun,
    Event(Row),
    /// So many events were given up, because they were taken too slowly.
    Dropped(u64),
}

/// Prints each event once it is there, until it is enough, or somebody ends it; the subscription ends with it.
pub(super) fn run(
    source: &Source,
    query: &str,
    limit: EventLimit,
    printer: Printer,
) -> Result<String, Failure> {
    let mut stream = printer.stream(asked_of_events(query).as_deref());
    let (mut left, reached) = (limit.count, tokio::sync::Notify::new());
    let mut tell = |occurred: Occurred| -> io::Result<()> {
        match occurred {
            Occurred::Begun if io::stderr().is_terminal() => {
                writeln!(io::stderr(), "telarch: watching; Ctrl and C ends it")
            }
            Occurred::Begun => Ok(()),
            Occurred::Dropped(count) => {
                writeln!(io::stderr(), "telarch: {count} events are missing here: they came too fast")
            }
            Occurred::Event(_) if left == Some(0) => Ok(()),
            Occurred::Event(row) => {
                let mut out = output::out();
                out.write_all(stream.next(row).as_bytes())?;
                out.flush()?;
                left = left.map(|left| left - 1);
                if left == Some(0) {
                    reached.notify_one();
                }
                Ok(())
            }
        }
    };
    let enough = async {
        let over = async {
            match limit.duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => {}
            () = reached.notified() => {}
            () = interrupted() => {}
        }
    };
    source.watch(query, enough, &mut tell)?;
    Ok(String::new())
}

/// Waits until somebody wants it to end.
pub(super) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// What comes of something, unless somebody wants it to end before: once that was waited for anywhere, Ctrl and C does
/// not end the program any more.
pub(super) async fn unless_interrupted<T>(
    wanted: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = wanted => done,
        () = interrupted() => Err(Failure::Failed("interrupted".to_owned())),
    }
}

/// The properties of events that a query asks for; none for all. Groups are told as they are.
pub(super) fn asked_of_events(query: &str) -> Option<Vec<String>> {
    match wql::parse(query) {
        Ok(Query::Select(select)) if select.group.is_none() => {
            select.names().map(|names| names.iter().map(ToString::to_string).collect())
        }
        _ => None,
    }
}
