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
    #[error("{0} does not respond")]
    Silent(&'static str),
    /// A required program cannot be run.
    #[error("cannot run {program}: {source}")]
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
    #[error("{0} returned an unexpected response")]
    Unintelligible(&'static str),
    /// A text is not valid.
    #[error("\"{text}\" is not {expected}")]
    Malformed {
        /// Beginning of the text.
        text: String,
        /// Description of the expected value.
        expected: &'static str,
    },
    /// firewalld does not have the zone.
    #[error("unknown firewalld zone {0}\n  firewall-cmd --get-zones lists all zones")]
    NoSuchZone(String),
    /// A zone was given, but firewalld is not running.
    #[error("-zone requires firewalld, which is not running\n  omit -zone")]
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
    #[error("quickconfig has no record with the number {0}")]
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
        match &error {
            zbus::Error::FDO(fdo) => match fdo.as_ref() {
                Fdo::AccessDenied(_) | Fdo::InteractiveAuthorizationRequired(_) => Self::Access,
                Fdo::NoReply(_) | Fdo::Timeout(_) | Fdo::TimedOut(_) => Self::Silent("the bus"),
                other => Self::Bus(one_line(&other.to_string())),
            },
            zbus::Error::MethodError(name, detail, _) => {
                of_method_error(name.as_str(), detail.as_deref().unwrap_or_default())
            }
            other => Self::Bus(one_line(&other.to_string())),
        }
    }
}

fn of_method_error(name: &str, detail: &str) -> Error {
    match name {
        "org.freedesktop.DBus.Error.AccessDenied"
        | "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
        | "org.freedesktop.PolicyKit1.Error.NotAuthorized"
        | "org.fedoraproject.slip.dbus.service.PolKit.NotAuthorizedException" => Error::Access,
        _ if detail.contains("NotAuthorized") => Error::Access,
        _ => Error::Bus(one_line(if detail.is_empty() { name } else { detail })),
    }
}

/// Returns a text from outside as a single line of limited length, without control characters.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(300).collect()
}
