//! Errors of configuration steps.

use std::io;
use std::path::PathBuf;

/// Error of a configuration step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operation needs more privileges.
    #[error("Access is denied.")]
    Access,
    /// The bus or a service on it returned an error.
    #[error("{0}")]
    Bus(String),
    /// A service did not respond in time.
    #[error("{0} does not answer")]
    Silent(&'static str),
    /// A required program cannot be run.
    #[error("{program} cannot be run: {source}")]
    Start {
        /// Name of the program.
        program: &'static str,
        /// Error of the operating system.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {reason}")]
    Program {
        /// Name of the program.
        program: &'static str,
        /// Error output of the program, on one line.
        reason: String,
    },
    /// A program or service returned an unexpected response.
    #[error("{0} answers what cannot be understood")]
    Unintelligible(&'static str),
    /// A text is not valid.
    #[error("{text:?} is not {expected}")]
    Malformed {
        /// Beginning of the text.
        text: String,
        /// Description of the expected value.
        expected: &'static str,
    },
    /// firewalld does not have the zone.
    #[error("firewalld has no zone {0}\n  firewall-cmd --get-zones lists those there are")]
    NoSuchZone(String),
    /// A zone was given, but firewalld is not running.
    #[error("zones are firewalld's, and firewalld does not run here\n  leave -zone away")]
    NoZones,
    /// The journal of quickconfig cannot be read or written.
    #[error("cannot {action} {}: {reason}", path.display())]
    Journal {
        /// The failed operation.
        action: &'static str,
        /// Path of the journal.
        path: PathBuf,
        /// Reason.
        reason: String,
    },
    /// The journal has no record with this number.
    #[error("quickconfig has no record number {0}")]
    NotRecorded(u32),
}

impl Error {
    /// Returns the error for an invalid text, of which only the beginning is kept.
    pub(crate) fn malformed(text: &str, expected: &'static str) -> Self {
        Self::Malformed { text: text.chars().take(60).collect(), expected }
    }
}

impl From<zbus::Error> for Error {
    fn from(error: zbus::Error) -> Self {
        use zbus::fdo::Error as Fdo;
        let of = |name: &str, detail: &str| match name {
            "org.freedesktop.DBus.Error.AccessDenied"
            | "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
            | "org.freedesktop.PolicyKit1.Error.NotAuthorized"
            | "org.fedoraproject.slip.dbus.service.PolKit.NotAuthorizedException" => Self::Access,
            _ if detail.contains("NotAuthorized") => Self::Access,
            _ => Self::Bus(one_line(if detail.is_empty() { name } else { detail })),
        };
        match &error {
            zbus::Error::FDO(fdo) => match fdo.as_ref() {
                Fdo::AccessDenied(_) | Fdo::InteractiveAuthorizationRequired(_) => Self::Access,
                Fdo::NoReply(_) | Fdo::Timeout(_) | Fdo::TimedOut(_) => Self::Silent("the bus"),
                other => Self::Bus(one_line(&other.to_string())),
            },
            zbus::Error::MethodError(name, detail, _) => {
                of(name.as_str(), detail.as_deref().unwrap_or_default())
            }
            other => Self::Bus(one_line(&other.to_string())),
        }
    }
}

/// Returns a text from outside as a single line of limited length, without control characters.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(300).collect()
}
