//! `Win32_ProcessStartTrace` and `Win32_ProcessStopTrace`.
//!
//! On Linux a process begins as a copy of its parent and usually executes another program soon after. Scripts
//! that wait for a program mean the latter, so the start is reported when the program is executed; for a copy
//! that executes none, after a short delay.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cim::{Class, Instance, Status, Value};
use linux::process::connector::ProcessEvent;
use tokio::time::{Instant, sleep_until};
use wmi::{BoxFuture, EventSource, Happening, ProviderError};

use super::instance;
use super::kernel::Connector;
use super::process_info::ProcessInfo;
use super::table::{Difference, Table};
use crate::Machine;

/// Reported event: start or end of processes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Start,
    Stop,
}

/// Event source for process starts or ends.
pub(super) struct ProcessTrace {
    source: Source,
    class: Arc<Class>,
    kind: Kind,
    ready: VecDeque<Instance>,
}

enum Source {
    Connector(Box<Watched>),
    Table(Table),
}

/// State of a source that uses the connector.
struct Watched {
    connector: Connector,
    machine: Arc<Machine>,
    known: HashMap<u32, ProcessInfo>,
    /// Copies of their parents that may still execute another program, oldest first.
    copies: VecDeque<(Instant, u32)>,
}

/// Time after which a copy that has executed no program is reported.
const COPY: Duration = Duration::from_millis(100);

impl ProcessTrace {
    /// Starts to listen, or to poll if the connector is not available.
    pub(super) fn open(machine: &Arc<Machine>, class: Arc<Class>, kind: Kind) -> Self {
        let source = match Connector::open() {
            Ok(connector) => Source::Connector(Box::new(Watched {
                connector,
                known: ProcessInfo::all(machine).into_iter().collect(),
                machine: Arc::clone(machine),
                copies: VecDeque::new(),
            })),
            Err(error) => {
                tracing::debug!(%error, "Process events are not available; polling /proc instead");
                Source::Table(Table::open(machine))
            }
        };
        Self { source, class, kind, ready: VecDeque::new() }
    }

    /// Waits for events, and queues those to report.
    async fn hear(&mut self) -> Result<(), ProviderError> {
        let traces = match &mut self.source {
            Source::Connector(watched) => watched.hear().await.map_err(|error| failed(&error))?,
            Source::Table(table) => vec![match table.next().await {
                Difference::Began(process, known) => Trace::Started(process, known),
                Difference::Ended(process, known) => Trace::Stopped(process, known, None),
            }],
        };
        for traces in traces {
            let event = match traces {
                Trace::Started(process, known) if self.kind == Kind::Start => {
                    self.event(process, known, None)?
                }
                Trace::Stopped(process, known, status) if self.kind == Kind::Stop => {
                    self.event(process, known, status)?
                }
                _ => continue,
            };
            self.ready.push_back(event);
        }
        Ok(())
    }

    fn event(
        &self,
        process: u32,
        known: ProcessInfo,
        status: Option<u32>,
    ) -> Result<Instance, ProviderError> {
        let status = status.map(|status| ("ExitStatus", Value::Uint32(status)));
        let values = [
            ("ProcessID", Value::Uint32(process)),
            ("ParentProcessID", known.parent.into()),
            ("ProcessName", known.name.into()),
        ];
        instance(&self.class, values.into_iter().chain(status))
    }
}

impl EventSource for ProcessTrace {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            loop {
                if let Some(event) = self.ready.pop_front() {
                    return Ok(Happening::Event(event));
                }
                self.hear().await?;
            }
        })
    }
}

/// A process event to report; for an end with the exit status.
enum Trace {
    Started(u32, ProcessInfo),
    Stopped(u32, ProcessInfo, Option<u32>),
}

impl Watched {
    async fn hear(&mut self) -> io::Result<Vec<Trace>> {
        let due = self.copies.front().map(|(due, _)| *due);
        let waiting = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            happened = self.connector.next() => Ok(self.take(happened?)),
            () = waiting => {
                let copy = self.copies.pop_front().map(|(_, process)| process);
                Ok(copy.map(|process| Trace::Started(process, self.look(process))).into_iter().collect())
            }
        }
    }

    fn take(&mut self, happened: ProcessEvent) -> Vec<Trace> {
        match happened {
            ProcessEvent::Forked { parent, process } => {
                let name = self.known.get(&parent).and_then(|known| known.name.clone());
                self.known.insert(process, ProcessInfo { name, parent: Some(parent), start: None });
                self.copies.push_back((Instant::now() + COPY, process));
                Vec::new()
            }
            ProcessEvent::Executed(process) => {
                let was_copy = self.take_copy_end(process);
                let known = self.look(process);
                if was_copy { vec![Trace::Started(process, known)] } else { Vec::new() }
            }
            ProcessEvent::Ended { process, status } => {
                let was_copy = self.take_copy_end(process);
                let known = self.known.remove(&process).unwrap_or_default();
                let started = was_copy.then(|| Trace::Started(process, known.clone()));
                let stopped = Trace::Stopped(process, known, Some(exit_status(status)));
                started.into_iter().chain([stopped]).collect()
            }
            // Names of processes whose start was lost are looked up when needed.
            ProcessEvent::Lost => {
                tracing::debug!("Process events were lost");
                self.known = ProcessInfo::all(&self.machine).into_iter().collect();
                self.copies.clear();
                Vec::new()
            }
        }
    }

    fn take_copy_end(&mut self, process: u32) -> bool {
        let before = self.copies.len();
        self.copies.retain(|(_, copy)| *copy != process);
        self.copies.len() < before
    }

    /// Returns the current properties of a process, or the last known ones if it has ended.
    fn look(&mut self, process: u32) -> ProcessInfo {
        let before = self.known.get(&process).cloned().unwrap_or_default();
        let Some(now) = ProcessInfo::of(&self.machine, process) else { return before };
        let now = ProcessInfo { parent: before.parent.or(now.parent), ..now };
        self.known.insert(process, now.clone());
        now
    }
}

/// Returns the exit status in the convention of shells: the exit code, or 128 plus the signal number.
fn exit_status(status: u32) -> u32 {
    match status & 0x7F {
        0 => (status >> 8) & 0xFF,
        signal => 128 + signal,
    }
}

fn failed(error: &io::Error) -> ProviderError {
    ProviderError::failed(Status::Failed, format!("cannot receive process events: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_status_is_reported_as_by_a_shell() {
        assert_eq!([0, 0x300, 9, 0x8B].map(exit_status), [0, 3, 137, 139]);
    }
}
