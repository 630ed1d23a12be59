//! Classes whose source is not available, and which are therefore missing in a result.
//!
//! A query for a superclass is answered by many providers. A provider that fails costs only its own rows, and the
//! result says so. The class that a query names must answer itself, and at least one class must. A class whose
//! source this machine does not have answers without rows, which the result says too.

use std::fmt;
use std::time::{Duration, Instant};

use cim::{Name, Status};
use limits::FoldedWarnings;
use locks::Mutex;

use crate::{Error, ProviderError};

/// A class that is missing in a result, at least in part, because its source failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omission {
    class: Name,
    status: Status,
    reason: String,
}

impl Omission {
    /// Returns the omitted class.
    #[must_use]
    pub fn class(&self) -> &Name {
        &self.class
    }

    /// Returns why its source failed.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the omission for the failure of a source.
    ///
    /// # Errors
    /// The error itself if it is not one of a provider.
    pub(crate) fn of(error: Error) -> Result<Self, Error> {
        match error {
            Error::Provider { class, status, message } => Ok(Self { class, status, reason: message }),
            Error::TimedOut(class) => Ok(Self {
                class,
                status: Status::ProviderTimedOut,
                reason: "the provider timed out".to_owned(),
            }),
            other => Err(other),
        }
    }
}

impl fmt::Display for Omission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.reason)
    }
}

impl From<Omission> for Error {
    fn from(omission: Omission) -> Self {
        let Omission { class, status, reason: message } = omission;
        Self::Provider { class, status, message }
    }
}

/// Answers and failures of the sources of one query.
#[derive(Debug)]
pub(crate) struct SourceResults<'q> {
    /// Class that the query names.
    named: Option<&'q Name>,
    has_answer: bool,
    failed: Vec<Error>,
}

impl<'q> SourceResults<'q> {
    pub(crate) fn new(named: Option<&'q Name>) -> Self {
        Self { named, has_answer: false, failed: Vec::new() }
    }

    /// Records that a source answered completely.
    pub(crate) fn add_answer(&mut self) {
        self.has_answer = true;
    }

    /// Records that a class has no rows because this machine lacks their source.
    pub(crate) fn add_missing_source(&mut self, class: &Name, source: &str) {
        self.has_answer = true;
        let message = format!("{source} is not available on this machine");
        self.failed.push(Error::Provider { class: class.clone(), status: Status::NotFound, message });
    }

    /// Records the failure of the source of a class. A class below the named one whose instances cannot be enumerated
    /// has none. A source that has passed some of its rows has answered.
    ///
    /// # Errors
    /// The failure, if the query names the class.
    pub(crate) fn add_failure(&mut self, class: &Name, error: ProviderError) -> Result<(), Error> {
        match error {
            error @ ProviderError::Incomplete { .. } => {
                self.has_answer = true;
                self.failed.push(error.of(class));
            }
            error if self.named == Some(class) => return Err(error.of(class)),
            ProviderError::NotCapable => self.has_answer = true,
            error => self.failed.push(error.of(class)),
        }
        Ok(())
    }

    /// Records a failure that is already an error.
    pub(crate) fn add_error(&mut self, error: Error) {
        self.failed.push(error);
    }

    /// Returns the omitted classes, each once.
    ///
    /// # Errors
    /// The first failure if no source answered, and any error that is not one of a provider.
    pub(crate) fn into_omissions(self) -> Result<Vec<Omission>, Error> {
        let mut omissions: Vec<Omission> = Vec::new();
        for error in self.failed {
            if !self.has_answer {
                return Err(error);
            }
            let omission = Omission::of(error)?;
            if omissions.iter().all(|other| other.class != omission.class) {
                omissions.push(omission);
            }
        }
        Ok(omissions)
    }
}

/// Log of omissions: one record for each class and interval.
pub(crate) struct OmissionLog(Mutex<FoldedWarnings<Name>>);

impl OmissionLog {
    pub(crate) fn record(&self, omission: &Omission) {
        let Some(report) = self.0.lock().note(omission.class.clone(), Instant::now()) else { return };
        tracing::warn!(
            class = %omission.class, reason = omission.reason, repeated = report.repeated, others = report.others,
            "Class omitted from WMI results: its source is not available"
        );
    }
}

impl Default for OmissionLog {
    fn default() -> Self {
        Self(Mutex::new(FoldedWarnings::new(LOG_INTERVAL, LOGGED_CLASSES)))
    }
}

impl fmt::Debug for OmissionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OmissionLog").finish_non_exhaustive()
    }
}

/// Maximum number of omissions that wait for the consumer.
pub(crate) const OMISSIONS_AHEAD: usize = 64;

/// Time in which a class is logged once.
const LOG_INTERVAL: Duration = Duration::from_secs(600);

/// Number of classes that are logged individually.
const LOGGED_CLASSES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn failure() -> ProviderError {
        ProviderError::failed(Status::ProviderFailure, "no system bus")
    }

    #[test]
    fn a_failed_class_is_omitted_if_another_answers() {
        let named = name("CIM_Service");
        let mut results = SourceResults::new(Some(&named));
        results.add_failure(&name("Win32_Service"), failure()).unwrap();
        results.add_failure(&name("Win32_Service"), failure()).unwrap();
        results.add_answer();
        let omissions = results.into_omissions().unwrap();
        let reported: Vec<String> = omissions.iter().map(ToString::to_string).collect();
        assert_eq!(reported, ["Win32_Service: no system bus"]);
    }

    #[test]
    fn rows_that_are_missing_and_missing_sources_are_omissions() {
        let named = name("CIM_Service");
        let mut results = SourceResults::new(Some(&named));
        let incomplete = ProviderError::incomplete(Status::AccessDenied, "cannot read /var/spool/cron");
        results.add_failure(&named, incomplete).unwrap();
        results.add_missing_source(&name("Win32_Service"), "systemd");
        let reported: Vec<String> =
            results.into_omissions().unwrap().iter().map(ToString::to_string).collect();
        let expected = [
            "CIM_Service: cannot read /var/spool/cron",
            "Win32_Service: systemd is not available on this machine",
        ];
        assert_eq!(reported, expected);
    }

    #[test]
    fn the_named_class_and_the_only_class_must_answer() {
        let named = name("Win32_Service");
        let mut results = SourceResults::new(Some(&named));
        assert!(results.add_failure(&named, failure()).is_err());
        let mut results = SourceResults::new(None);
        results.add_failure(&named, failure()).unwrap();
        assert!(results.into_omissions().is_err());
    }

    #[test]
    fn a_class_without_enumeration_has_no_instances() {
        let mut results = SourceResults::new(None);
        results.add_failure(&name("__TimerEvent"), ProviderError::NotCapable).unwrap();
        assert_eq!(results.into_omissions().unwrap(), []);
    }
}
