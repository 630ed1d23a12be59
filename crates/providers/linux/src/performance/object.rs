//! Performance objects: kinds of things that have counters.

use std::io;

use cim::Status;
use wmi::ProviderError;

use super::counter::Counter;
use crate::Machine;

/// Source of a property that is not a counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Common {
    /// NULL: Linux has no such value.
    Nothing,
    /// Name of the instance.
    Name,
    /// Whether the instance is the total of all others.
    IsAggregate,
    /// Always true.
    True,
    /// A constant text.
    Text(&'static str),
    /// Host name without domain.
    HostName,
    /// Name of the operating system.
    SystemName,
    /// Process ID of the instance.
    ProcessNumber,
    /// Frequency of the time bases.
    Frequency,
    /// Time of the sample, since boot.
    SinceBoot,
    /// Time of the sample, since 1601.
    FileTime,
}

/// Properties inherited from `Win32_Perf`.
const WIN32_PERF: &[(&str, Common)] = &[
    ("Caption", Common::Nothing),
    ("Description", Common::Nothing),
    ("Frequency_Object", Common::Frequency),
    ("Frequency_PerfTime", Common::Frequency),
    ("Frequency_Sys100NS", Common::Frequency),
    ("Name", Common::Name),
    ("Timestamp_Object", Common::FileTime),
    ("Timestamp_PerfTime", Common::SinceBoot),
    ("Timestamp_Sys100NS", Common::FileTime),
];

/// A performance object: a kind of thing that has counters.
pub(crate) trait Object: Send + Sync + 'static {
    /// Readings of one instance.
    type Reading: Send + Sync;

    /// Namespace of the classes.
    const NAMESPACE: &'static str = "root/cimv2";

    /// Name of the classes, without the prefix that [`Flavor::class`] adds in `root/cimv2`.
    const NAME: &'static str;

    /// Classes served for the object.
    const CLASSES: &'static [Flavor] = &[Flavor::Formatted, Flavor::Raw];

    /// Properties that are not counters.
    const COMMON: &'static [(&'static str, Common)] = WIN32_PERF;

    /// Counters of the object.
    const COUNTERS: &'static [Counter<Self::Reading>];

    /// Reads the counters of every instance.
    ///
    /// # Errors
    /// Errors of the operating system.
    fn read(machine: &Machine) -> io::Result<Vec<Instance<Self::Reading>>>;

    /// Returns the error for a client if reading has failed.
    fn unreadable(error: &io::Error) -> ProviderError {
        ProviderError::failed(
            Status::ProviderFailure,
            format!("the counters of the kernel cannot be read: {error}"),
        )
    }
}

/// Name of the instance that is the total of all others.
pub(crate) const TOTAL: &str = "_Total";

/// An instance of a performance object.
#[derive(Debug)]
pub(crate) struct Instance<R> {
    /// Name; `None` if the object has only one instance.
    pub(crate) name: Option<String>,
    /// Identity of instances whose names may change between samples, such as processes; zero otherwise.
    pub(crate) identity: u64,
    pub(crate) reading: R,
}

impl<R> Instance<R> {
    /// Returns the instance of an object that has only one.
    pub(crate) fn only(reading: R) -> Vec<Self> {
        vec![Self { name: None, identity: 0, reading }]
    }

    /// Returns the key that finds the same instance in another sample: the identity or, if that is zero, the
    /// name.
    pub(crate) fn sameness(&self) -> (u64, Option<&str>) {
        (self.identity, self.name.as_deref().filter(|_| self.identity == 0))
    }

    /// Creates an instance that is identified by its name.
    pub(crate) fn named(name: impl Into<String>, reading: R) -> Self {
        Self { name: Some(name.into()), identity: 0, reading }
    }
}

/// Form of the values of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// Raw values: `Win32_PerfRawData_…`.
    Raw,
    /// Formatted values: `Win32_PerfFormattedData_…`.
    Formatted,
    /// Formatted values in a class that Windows does not have; the name has no prefix.
    Plain,
}

impl Flavor {
    pub(super) fn class(self, name: &str) -> String {
        match self {
            Self::Raw => format!("Win32_PerfRawData_{name}"),
            Self::Formatted => format!("Win32_PerfFormattedData_{name}"),
            Self::Plain => name.to_owned(),
        }
    }
}

/// Adding up of readings, for the total of all instances.
pub(crate) trait Sum: Default {
    /// Adds another reading.
    fn add(&mut self, other: &Self);
}

/// Appends an instance with the total of all readings.
pub(crate) fn with_total<R: Sum>(mut instances: Vec<Instance<R>>) -> Vec<Instance<R>> {
    let mut total = R::default();
    instances.iter().for_each(|instance| total.add(&instance.reading));
    instances.push(Instance::named(TOTAL, total));
    instances
}
