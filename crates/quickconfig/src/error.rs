//! What can be wrong with a step.

use std::io;
use std::path::PathBuf;

/// Why something was not done or could not be seen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Somebody with more rights has to do it.
    #[error("Access is denied.")]
    Access,
    /// The bus or a service on it says no.
    #[error("{0}")]
    Bus(String),
    /// Nobody answers in time.
    #[error("{0} does not answer")]
    Silent(&'static str),
    /// A program that is needed cannot be run.
    #[error("{program} cannot be run: {source}")]
    Start {
        /// Which.
        program: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// A program did not do it.
    #[error("{program} failed: {reason}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it printed, on one line.
        reason: String,
    },
    /// Something answers what nobody understands.
    #[error("{0} answers what cannot be understood")]
    Unintelligible(&'static str),
    /// A text is not what it has to be.
    #[error("{text:?} is not {expected}")]
    Malformed {
        /// The beginning of the text.
        text: String,
        /// What it should be.
        expected: &'static str,
    },
    /// firewalld does not have the zone.
    #[error("firewalld has no zone {0}\n  firewall-cmd --get-zones lists those there are")]
    NoSuchZone(String),
    /// A zone was named and there is nothing that has zones.
    #[error("zones are firewalld's, and firewalld does not run here\n  leave -zone away")]
    NoZones,
    /// The journal cannot be read or written.
    #[error("cannot {action} {}: {reason}", path.display())]
    Journal {
        /// What was to be done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Nothing is recorded under a number.
    #[error("quickconfig has no record number {0}")]
    NotRecorded(u32),
}

impl Error {
    /// A text that is none of what was expected; only its beginning is kept.
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

/// What somebody else has said, as one line of bounded length without control characters.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(300).collect()
}
