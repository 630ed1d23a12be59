//! State of the listeners, for clients and for the log.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use config::{ListenerKey, ListenerSource, Serving};
use tokio::sync::watch;

use crate::endpoint::ListenerId;

/// Current state of the listeners. Every clone observes the same state.
#[derive(Clone, Debug)]
pub struct ListenerStatus(Arc<watch::Sender<Arc<Report>>>);

/// State of the listeners at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Addresses of all open sockets.
    pub sockets: Vec<SocketAddr>,
    /// All enabled listeners in the order of the configuration, followed by the compatibility listeners.
    pub listeners: Vec<ListenerReport>,
}

/// State of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerReport {
    /// Key of the listener.
    pub key: ListenerKey,
    /// Origin of the listener. A compatibility listener can have the key of a configured one.
    pub source: ListenerSource,
    /// Port.
    pub port: u16,
    /// Addresses on which it listens, and its certificate.
    pub serving: Serving,
    /// Errors that keep it from listening, or from listening on all its addresses.
    pub problems: Vec<String>,
}

impl ListenerStatus {
    /// Returns the addresses on which a configured listener listens; empty if it does not listen.
    #[must_use]
    pub fn on(&self, key: ListenerKey) -> Vec<IpAddr> {
        let report = self.0.borrow();
        let mut own = report.listeners.iter().filter(|listener| listener.source == ListenerSource::Local);
        own.find(|listener| listener.key == key)
            .map(|listener| listener.serving.addresses.clone())
            .unwrap_or_default()
    }

    /// Returns the current state of all listeners.
    #[must_use]
    pub fn report(&self) -> Arc<Report> {
        Arc::clone(&self.0.borrow())
    }

    /// Subscribes to later reports. Of several in quick succession, a receiver may observe only the last.
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

impl Default for ListenerStatus {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }
}

/// Current problems. Each is logged when it appears and when it is resolved, not at every retry.
#[derive(Debug, Default)]
pub(super) struct Problems {
    current: Vec<Problem>,
    previous: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    /// `None` for problems of the machine.
    listener: Option<ListenerId>,
    message: String,
    severity: Severity,
}

/// Severity of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The listener does not work as configured.
    Error,
    /// The listener works, but its configuration should be checked.
    Warning,
}

impl Problems {
    pub(super) fn add_error(&mut self, listener: ListenerId, message: String) {
        self.add(Problem { listener: Some(listener), message, severity: Severity::Error });
    }

    pub(super) fn add_warning(&mut self, listener: ListenerId, message: String) {
        self.add(Problem { listener: Some(listener), message, severity: Severity::Warning });
    }

    pub(super) fn add_machine_warning(&mut self, message: String) {
        self.add(Problem { listener: None, message, severity: Severity::Warning });
    }

    /// Logs new and resolved problems, and starts the next round.
    pub(super) fn log_changes(&mut self) {
        for problem in self.current.iter().filter(|problem| !self.previous.contains(problem)) {
            problem.log();
        }
        for problem in self.previous.iter().filter(|problem| !self.current.contains(problem)) {
            let (listener, was) = (problem.listener_name(), one_line(&problem.message));
            tracing::info!(listener, was, "Listener problem resolved");
        }
        self.previous = std::mem::take(&mut self.current);
    }

    /// Returns whether a listener did not work as configured in the last complete round.
    pub(super) fn has_errors(&self) -> bool {
        self.previous.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Returns the errors of a listener in the last complete round.
    pub(super) fn errors_of(&self, listener: ListenerId) -> Vec<String> {
        let errors = self.previous.iter().filter(|problem| problem.severity == Severity::Error);
        errors
            .filter(|problem| problem.listener == Some(listener))
            .map(|problem| problem.message.clone())
            .collect()
    }

    fn add(&mut self, problem: Problem) {
        if !self.current.contains(&problem) {
            self.current.push(problem);
        }
    }
}

impl Problem {
    fn log(&self) {
        let (listener, error) = (self.listener_name(), one_line(&self.message));
        match self.severity {
            Severity::Error => tracing::error!(listener, error, "Listener does not work as configured"),
            Severity::Warning => tracing::warn!(listener, error, "Listener needs attention"),
        }
    }

    fn listener_name(&self) -> Option<String> {
        self.listener.map(|id| match id.source {
            ListenerSource::Local => id.key.to_string(),
            ListenerSource::Policy => format!("{} (of a policy)", id.key),
            _ => format!("{} (compatibility)", id.key),
        })
    }
}

/// Joins the lines of an error message for the log.
fn one_line(text: &str) -> String {
    text.replace("\n  ", "; ")
}
