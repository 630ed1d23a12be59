//! What the listeners are doing, for those who ask and for the log.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use config::{ListenerKey, ListenerSource};
use tokio::sync::watch;

use super::super::site::ListenerId;

/// What the listeners are doing now; copies show the same.
#[derive(Clone, Debug)]
pub struct Listening(Arc<watch::Sender<Arc<Report>>>);

/// What the listeners were doing at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Every socket that is open.
    pub sockets: Vec<SocketAddr>,
    /// Every listener that is enabled, in order, those of compatibility last.
    pub listeners: Vec<ListenerReport>,
}

/// What one listener is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerReport {
    /// Which one.
    pub key: ListenerKey,
    /// Who made it: one of compatibility has the key of another.
    pub source: ListenerSource,
    /// Its port.
    pub port: u16,
    /// On which addresses it listens: `ListeningOn`.
    pub addresses: Vec<IpAddr>,
    /// What keeps it from doing what it should.
    pub problems: Vec<String>,
}

impl Listening {
    /// On which addresses the listener of the configuration listens; none if it does not.
    #[must_use]
    pub fn on(&self, key: ListenerKey) -> Vec<IpAddr> {
        let report = self.0.borrow();
        let mut own = report.listeners.iter().filter(|listener| listener.source == ListenerSource::Local);
        own.find(|listener| listener.key == key)
            .map(|listener| listener.addresses.clone())
            .unwrap_or_default()
    }

    /// Everything about all of them.
    #[must_use]
    pub fn report(&self) -> Arc<Report> {
        Arc::clone(&self.0.borrow())
    }

    /// Sees every later report; of several in quick succession perhaps only the last.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Report>> {
        self.0.subscribe()
    }

    pub(super) fn publish(&self, report: Report) {
        self.0.send_if_modified(|current| {
            let is_new = **current != report;
            if is_new {
                *current = Arc::new(report);
            }
            is_new
        });
    }
}

impl Default for Listening {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }
}

/// What is wrong now, told in the log when it begins and when it ends, and not every few seconds.
#[derive(Debug, Default)]
pub(super) struct Problems {
    now: Vec<Problem>,
    before: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    /// None where it is the machine's.
    listener: Option<ListenerId>,
    what: String,
    severity: Severity,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something does not do what it should.
    Error,
    /// It does, and somebody should look at it.
    Warning,
}

impl Problems {
    pub(super) fn of_listener(&mut self, listener: ListenerId, what: String) {
        self.found(Problem { listener: Some(listener), what, severity: Severity::Error });
    }

    pub(super) fn warning(&mut self, listener: ListenerId, what: String) {
        self.found(Problem { listener: Some(listener), what, severity: Severity::Warning });
    }

    pub(super) fn of_machine(&mut self, what: String) {
        self.found(Problem { listener: None, what, severity: Severity::Warning });
    }

    /// Tells what is new and what is over.
    pub(super) fn end(&mut self) {
        for problem in self.now.iter().filter(|problem| !self.before.contains(problem)) {
            problem.tell();
        }
        for problem in self.before.iter().filter(|problem| !self.now.contains(problem)) {
            let (listener, what) = (problem.name(), one_line(&problem.what));
            tracing::info!(listener, was = what, "Solved");
        }
        self.before = std::mem::take(&mut self.now);
    }

    /// What keeps a listener from doing what it should.
    pub(super) fn of(&self, listener: ListenerId) -> Vec<String> {
        let errors = self.before.iter().filter(|problem| problem.severity == Severity::Error);
        errors
            .filter(|problem| problem.listener == Some(listener))
            .map(|problem| problem.what.clone())
            .collect()
    }

    fn found(&mut self, problem: Problem) {
        if !self.now.contains(&problem) {
            self.now.push(problem);
        }
    }
}

impl Problem {
    fn tell(&self) {
        let (listener, error) = (self.name(), one_line(&self.what));
        match self.severity {
            Severity::Error => tracing::error!(listener, error, "A listener does not listen as it should"),
            Severity::Warning => tracing::warn!(listener, error, "A listener needs attention"),
        }
    }

    fn name(&self) -> Option<String> {
        self.listener.map(|id| match id.source {
            ListenerSource::Local => id.key.to_string(),
            source => format!("{} ({source:?})", id.key),
        })
    }
}

/// An error with its way out, as a line of the log.
fn one_line(text: &str) -> String {
    text.replace("\n  ", "; ")
}
