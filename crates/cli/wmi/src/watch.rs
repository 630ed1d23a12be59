//! `telarch wmi --watch`: events as they occur.

use std::io::{self, IsTerminal as _, Write as _};

use cim::wql::{self, Query};
use cim::{Instance, Name, Origin};

use super::arguments::EventLimit;
use super::print::Printer;
use super::row::{self, Row};
use super::source::Source;
use cli_command::Failure;
use cli_command::output;

/// An item of a subscription.
#[derive(Debug)]
pub(super) enum EventItem {
    /// The subscription is active; all later events are delivered.
    Begun,
    Event(Row),
    /// Number of events that were dropped because they were not consumed in time.
    Dropped(u64),
    /// Message about a class whose events are missing.
    Omitted(String),
}

/// Prints each event as it arrives, until the limit is reached or the user interrupts; then the subscription ends.
pub(super) fn run(
    source: &Source,
    query: &str,
    limit: EventLimit,
    printer: Printer,
) -> Result<String, Failure> {
    let mut stream = printer.stream(EventColumns::of_query(query).selected.as_deref());
    let (mut left, reached) = (limit.count, tokio::sync::Notify::new());
    let mut emit = |item: EventItem| -> io::Result<()> {
        match item {
            EventItem::Begun if io::stderr().is_terminal() => {
                writeln!(io::stderr(), "telarch: watching; press Ctrl-C to stop")
            }
            EventItem::Begun => Ok(()),
            EventItem::Dropped(count) => {
                writeln!(io::stderr(), "telarch: {count} events were dropped, because they arrived too fast")
            }
            EventItem::Omitted(message) => writeln!(io::stderr(), "telarch: {message}"),
            EventItem::Event(_) if left == Some(0) => Ok(()),
            EventItem::Event(row) => {
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
        let timeout = async {
            match limit.duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = timeout => {}
            () = reached.notified() => {}
            () = interrupted() => {}
        }
    };
    source.watch(query, enough, &mut emit)?;
    Ok(String::new())
}

/// Waits for SIGINT or SIGTERM.
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

/// Runs a request until it completes or is interrupted. tokio replaces the default action of SIGINT for good, so that
/// every request must handle it.
pub(super) async fn unless_interrupted<T>(
    request: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = request => done,
        () = interrupted() => Err(Failure::Failed("interrupted".to_owned())),
    }
}

/// Parts of an event query on which the rows of its events depend.
#[derive(Debug, Default)]
pub(super) struct EventColumns {
    /// Event class in the query; `None` for grouped events.
    pub(super) class: Option<Name>,
    /// Selected properties; `None` for all.
    pub(super) selected: Option<Vec<String>>,
}

impl EventColumns {
    /// Parses a query. An invalid query has the columns of a query for all; the subscription reports the error.
    pub(super) fn of_query(query: &str) -> Self {
        match wql::parse(query) {
            Ok(Query::Select(select)) if select.group.is_none() => Self {
                selected: select.names().map(|names| names.iter().map(ToString::to_string).collect()),
                class: Some(select.from),
            },
            _ => Self::default(),
        }
    }

    /// Returns the row of an event. If the query selects all properties of a superclass, the row begins with the class of
    /// the event, because only that shows what has happened.
    pub(super) fn row(&self, event: &Instance, origin: &Origin) -> Row {
        let mut row = row::of_instance(event, self.selected.as_deref(), origin);
        let class = event.class().name();
        if self.selected.is_none() && self.class.as_ref().is_some_and(|queried| queried != class) {
            row.insert(0, ("__CLASS".to_owned(), class.to_string().into()));
        }
        row
    }
}
