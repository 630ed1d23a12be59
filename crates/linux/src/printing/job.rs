//! Print jobs.

use super::ipp::{Attributes, Operation};
use super::scheduler::Scheduler;
use crate::{Error, Machine};

/// A job that is not completed.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Number of the job.
    pub number: u32,
    attributes: Attributes,
}

/// State of a job (RFC 8011 5.3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waiting for the printer.
    Pending,
    /// Paused by a user.
    Held,
    /// Being printed.
    Printing,
    /// Stopped by an error of the printer.
    Stopped,
    /// Canceled, aborted or completed.
    Over,
}

impl Job {
    /// Returns all jobs that are not completed.
    ///
    /// # Errors
    /// If CUPS cannot be queried.
    pub fn all(machine: &Machine) -> Result<Vec<Self>, Error> {
        let scheduler = Scheduler::of(machine);
        let request = scheduler.request(Operation::GetJobs).about("printer-uri", "ipp://localhost/");
        let request = request.keyword("which-jobs", "not-completed").keyword("requested-attributes", "all");
        let jobs = scheduler.list(request.end(&[]))?;
        Ok(jobs.into_iter().filter_map(Self::from_attributes).collect())
    }

    fn from_attributes(attributes: Attributes) -> Option<Self> {
        let number = u32::try_from(attributes.number("job-id")?).ok()?;
        Some(Self { number, attributes })
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> State {
        match self.attributes.number("job-state") {
            Some(4) => State::Held,
            Some(5) => State::Printing,
            Some(6) => State::Stopped,
            Some(7..=9) => State::Over,
            _ => State::Pending,
        }
    }

    /// Returns the name of the job's printer: the last segment of the printer's URI.
    #[must_use]
    pub fn printer(&self) -> Option<&str> {
        self.text("job-printer-uri")?.rsplit('/').next()
    }

    /// Returns a text attribute.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attributes.text(name)
    }

    /// Returns the first of these attributes that is a number and not negative.
    #[must_use]
    pub fn count(&self, names: &[&str]) -> Option<u32> {
        names.iter().find_map(|name| u32::try_from(self.attributes.number(name)?).ok())
    }

    /// Returns a time in seconds since 1970; `None` if the job has not reached it.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<i64> {
        self.attributes.number(name).filter(|seconds| *seconds > 0).map(i64::from)
    }

    /// Returns the size of the documents in bytes, a multiple of 1024.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        u64::from(self.count(&["job-k-octets"])?).checked_mul(1024)
    }
}
