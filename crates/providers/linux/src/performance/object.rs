//! What is counted, as two classes.

use std::io;
use std::sync::{Arc, OnceLock};

use cim::{CimType, Class, Column, ColumnSet, Name, Namespace, Status, Value};
use wmi::{Provider, ProviderError, Scan, Sink};

use super::counter::{Counter, FREQUENCY, Reading, formatted, raw};
use super::sampler::{Pair, Sample, Sampler};
use crate::Machine;
use crate::table::Binding;

/// The properties that every class of counters has.
const COMMON: [&str; 9] = [
    "Caption",
    "Description",
    "Frequency_Object",
    "Frequency_PerfTime",
    "Frequency_Sys100NS",
    "Name",
    "Timestamp_Object",
    "Timestamp_PerfTime",
    "Timestamp_Sys100NS",
];

/// Something that has counters.
pub(super) trait Object: Send + Sync + 'static {
    /// The numbers of one instance.
    type Reading: Send + Sync;

    /// What follows `Win32_PerfRawData_` and `Win32_PerfFormattedData_`.
    const NAME: &'static str;

    /// Which classes there are.
    const CLASSES: &'static [Flavor] = &[Flavor::Formatted, Flavor::Raw];

    /// All counters.
    const COUNTERS: &'static [Counter<Self::Reading>];

    /// Reads the numbers of every instance.
    ///
    /// # Errors
    /// What the kernel says.
    fn read(machine: &Machine) -> io::Result<Vec<Instance<Self::Reading>>>;

    /// What to say if that failed.
    fn unreadable(error: &io::Error) -> ProviderError {
        ProviderError::failed(
            Status::ProviderFailure,
            format!("the counters of the kernel cannot be read: {error}"),
        )
    }
}

/// One of the things counted.
#[derive(Debug)]
pub(super) struct Instance<R> {
    /// What it is called; nothing if there is only one.
    pub(super) name: Option<String>,
    /// What tells it from another that had its name before.
    pub(super) identity: u64,
    pub(super) reading: R,
}

impl<R> Instance<R> {
    /// The only one.
    pub(super) fn only(reading: R) -> Vec<Self> {
        vec![Self { name: None, identity: 0, reading }]
    }

    /// One whose name is enough to know it by.
    pub(super) fn named(name: impl Into<String>, reading: R) -> Self {
        Self { name: Some(name.into()), identity: 0, reading }
    }
}

/// What has been counted, or what that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavor {
    Raw,
    Formatted,
}

/// The providers of an object's classes.
pub(super) fn both<O: Object>(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    let of = |flavor: &Flavor| {
        let (machine, sampler) = (machine.clone(), Sampler::default());
        Arc::new(Served::<O> { machine, flavor: *flavor, sampler, sources: OnceLock::new() })
            as Arc<dyn Binding>
    };
    O::CLASSES.iter().map(of).collect()
}

struct Served<O: Object> {
    machine: Arc<Machine>,
    flavor: Flavor,
    sampler: Sampler<O::Reading>,
    /// What fills each column, by its place.
    sources: OnceLock<Box<[Source<O::Reading>]>>,
}

/// What fills a column.
enum Source<R: 'static> {
    Nothing,
    Name,
    Frequency,
    SinceBoot,
    FileTime,
    Counter(&'static Counter<R>, CimType),
    Base(&'static Counter<R>, CimType),
}

impl<O: Object> Served<O> {
    fn sources(&self, class: &Class) -> &[Source<O::Reading>] {
        self.sources.get_or_init(|| class.properties().iter().map(|property| self.source(property)).collect())
    }

    fn source(&self, property: &cim::Property) -> Source<O::Reading> {
        let name = &property.name;
        if let Some(counter) = O::COUNTERS.iter().find(|counter| *name == *counter.name) {
            return Source::Counter(counter, property.kind.element.clone());
        }
        let base = name.as_str().strip_suffix("_Base");
        if let Some(counter) = base.and_then(|base| O::COUNTERS.iter().find(|counter| counter.name == base)) {
            return Source::Base(counter, property.kind.element.clone());
        }
        match name.as_str() {
            "Name" => Source::Name,
            // What is formatted has its own time already.
            "Frequency_Object" if self.flavor == Flavor::Formatted => Source::Nothing,
            "Frequency_Object" | "Frequency_PerfTime" | "Frequency_Sys100NS" => Source::Frequency,
            "Timestamp_PerfTime" => Source::SinceBoot,
            "Timestamp_Object" | "Timestamp_Sys100NS" => Source::FileTime,
            _ => Source::Nothing,
        }
    }

    /// The two samples that some columns need, which are the same one if none needs two.
    fn pair(
        &self,
        columns: &ColumnSet,
        sources: &[Source<O::Reading>],
        rows: &Sink<'_>,
    ) -> Result<Pair<O::Reading>, ProviderError> {
        let needs_two = |column: Column| matches!(sources.get(column.index()), Some(Source::Counter(counter, _)) if counter.kind.needs_two());
        if self.flavor == Flavor::Formatted && columns.iter().any(needs_two) {
            return self.sampler.pair::<O>(&self.machine, &|| rows.go_on());
        }
        let now = Sample::take::<O>(&self.machine).map_err(|error| O::unreadable(&error))?;
        Ok(Pair { before: now.clone(), after: now })
    }

    fn value(
        &self,
        source: &Source<O::Reading>,
        instance: &Instance<O::Reading>,
        pair: &Pair<O::Reading>,
    ) -> Value {
        let now = pair.after.at;
        match source {
            Source::Nothing => Value::Null,
            Source::Name => instance.name.clone().into(),
            Source::Frequency => FREQUENCY.into(),
            Source::SinceBoot => now.since_boot.into(),
            Source::FileTime => now.file_time.into(),
            Source::Counter(counter, kind) => match (self.flavor, read(counter, &instance.reading)) {
                (_, None) => Value::Null,
                (Flavor::Raw, Some(reading)) => wrapped(kind, raw(counter.kind, reading, now).value),
                (Flavor::Formatted, Some(reading)) => {
                    // All that something new has counted, it has counted since.
                    let before = pair.before.same(instance).and_then(|before| read(counter, before));
                    rounded(
                        kind,
                        formatted(counter.kind, (before.unwrap_or_default(), pair.before.at), (reading, now)),
                    )
                }
            },
            Source::Base(counter, kind) => {
                let reading = read(counter, &instance.reading);
                reading.map_or(Value::Null, |reading| wrapped(kind, raw(counter.kind, reading, now).base))
            }
        }
    }
}

fn read<R>(counter: &Counter<R>, of: &R) -> Option<Reading> {
    Some(Reading { value: (counter.value)(of)?, base: (counter.base)(of).unwrap_or_default() })
}

/// A number of a raw class: what does not fit begins again at zero, as clients expect of counters.
#[expect(clippy::cast_possible_truncation, reason = "that is what wrapping is")]
fn wrapped(kind: &CimType, number: u64) -> Value {
    if *kind == CimType::Uint32 { (number as u32).into() } else { number.into() }
}

/// A number of a formatted class: the next whole one of those that fit.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
fn rounded(kind: &CimType, number: f64) -> Value {
    let number = number.round();
    if *kind == CimType::Uint32 { (number as u32).into() } else { (number as u64).into() }
}

impl<O: Object> Binding for Served<O> {
    fn columns(&self) -> Vec<&'static str> {
        let raw = self.flavor == Flavor::Raw;
        let bases = O::COUNTERS.iter().filter(|counter| raw && counter.kind.has_base());
        // The names live as long as the program; each is made once for a test.
        let bases = bases.map(|counter| &*Box::leak(format!("{}_Base", counter.name).into_boxed_str()));
        COMMON.into_iter().chain(O::COUNTERS.iter().map(|counter| counter.name)).chain(bases).collect()
    }
}

impl<O: Object> Provider for Served<O> {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        let flavor = if self.flavor == Flavor::Raw { "Raw" } else { "Formatted" };
        let name = Name::parse(&format!("Win32_Perf{flavor}Data_{}", O::NAME));
        name.map(|name| (Namespace::cimv2(), name)).into_iter().collect()
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        let (class, sources) = (scan.class(), self.sources(scan.class()));
        let pair = self.pair(scan.columns(), sources, rows)?;
        for instance in &pair.after.instances {
            let mut row = cim::Instance::new(class.clone());
            for column in scan.columns().iter() {
                if let Some(source) = sources.get(column.index()) {
                    row.set(column, self.value(source, instance, &pair))?;
                }
            }
            rows.push(row)?;
        }
        Ok(())
    }
}

/// Adds up what was read of several into what is read of all.
pub(super) trait Sum: Default {
    /// Adds another.
    fn add(&mut self, other: &Self);
}

/// The instances with one more that has all their numbers together.
pub(super) fn with_total<R: Sum>(mut instances: Vec<Instance<R>>) -> Vec<Instance<R>> {
    let mut total = R::default();
    instances.iter().for_each(|instance| total.add(&instance.reading));
    instances.push(Instance::named("_Total", total));
    instances
}
