//! What is counted, as two classes.

use std::io;
use std::sync::{Arc, OnceLock};

use cim::{CimType, Class, Column, ColumnSet, Name, Namespace, Status, Value};
use wmi::{Provider, ProviderError, Scan, Sink};

use super::counter::{Counter, FREQUENCY, Reading, formatted, raw};
use super::sampler::{Pair, Sample, Sampler};
use crate::Machine;
use crate::table::Binding;

/// What fills a property that is no counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Common {
    /// What Linux has nothing for.
    Nothing,
    /// What the instance is called.
    Name,
    /// Whether it is all others together.
    IsAggregate,
    /// Always true.
    True,
    /// The same for all.
    Text(&'static str),
    /// The short name of the machine.
    HostName,
    /// What the operating system is called.
    SystemName,
    /// The number of the process that an instance is.
    ProcessNumber,
    /// The frequency of the time bases.
    Frequency,
    /// When it was read, since boot.
    SinceBoot,
    /// When it was read, since 1601.
    FileTime,
}

/// The properties of `Win32_Perf`.
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

/// Something that has counters.
pub(crate) trait Object: Send + Sync + 'static {
    /// The numbers of one instance.
    type Reading: Send + Sync;

    /// The namespace of its classes.
    const NAMESPACE: &'static str = "root/cimv2";

    /// What its classes are called, without what [`Flavor::class`] adds in `root/cimv2`.
    const NAME: &'static str;

    /// Which classes there are.
    const CLASSES: &'static [Flavor] = &[Flavor::Formatted, Flavor::Raw];

    /// The properties that are no counters.
    const COMMON: &'static [(&'static str, Common)] = WIN32_PERF;

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

/// What all instances together are called.
pub(crate) const TOTAL: &str = "_Total";

/// One of the things counted.
#[derive(Debug)]
pub(crate) struct Instance<R> {
    /// What it is called; nothing if there is only one.
    pub(crate) name: Option<String>,
    /// What it is known by, if names do not last; zero otherwise.
    pub(crate) identity: u64,
    pub(crate) reading: R,
}

impl<R> Instance<R> {
    /// The only one.
    pub(crate) fn only(reading: R) -> Vec<Self> {
        vec![Self { name: None, identity: 0, reading }]
    }

    /// What it has in common with itself in another sample.
    pub(crate) fn sameness(&self) -> (u64, Option<&str>) {
        (self.identity, self.name.as_deref().filter(|_| self.identity == 0))
    }

    /// One whose name is enough to know it by.
    pub(crate) fn named(name: impl Into<String>, reading: R) -> Self {
        Self { name: Some(name.into()), identity: 0, reading }
    }
}

/// What has been counted, or what that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// `Win32_PerfRawData_`
    Raw,
    /// `Win32_PerfFormattedData_`
    Formatted,
    /// What that means, in a class that is not Windows'.
    Plain,
}

impl Flavor {
    fn class(self, name: &str) -> String {
        match self {
            Self::Raw => format!("Win32_PerfRawData_{name}"),
            Self::Formatted => format!("Win32_PerfFormattedData_{name}"),
            Self::Plain => name.to_owned(),
        }
    }
}

/// The providers of an object's classes.
pub(crate) fn both<O: Object>(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
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
    Common(Common),
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
        let common = O::COMMON.iter().find(|(common, _)| *name == **common).map(|(_, common)| *common);
        match common {
            // What is formatted has its own time already.
            Some(Common::Frequency) if self.flavor == Flavor::Formatted && *name == *"Frequency_Object" => {
                Source::Common(Common::Nothing)
            }
            common => Source::Common(common.unwrap_or(Common::Nothing)),
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
        if self.flavor != Flavor::Raw && columns.iter().any(needs_two) {
            return self.sampler.pair::<O>(&self.machine, &|| rows.go_on());
        }
        let now = Sample::take::<O>(&self.machine).map_err(|error| O::unreadable(&error))?;
        Ok(Pair::new(now.clone(), now))
    }

    fn value(
        &self,
        source: &Source<O::Reading>,
        (instance, before): (&Instance<O::Reading>, Option<&O::Reading>),
        pair: &Pair<O::Reading>,
    ) -> Value {
        let now = pair.after.at;
        match source {
            Source::Common(common) => match common {
                Common::Nothing => Value::Null,
                Common::Name => instance.name.clone().into(),
                Common::IsAggregate => (instance.name.as_deref() == Some(TOTAL)).into(),
                Common::True => true.into(),
                Common::Text(text) => (*text).into(),
                Common::HostName => self.machine.host_name().into(),
                Common::SystemName => crate::scx::system_name(&self.machine).into(),
                Common::ProcessNumber => super::process::number_in(instance.identity).to_string().into(),
                Common::Frequency => FREQUENCY.into(),
                Common::SinceBoot => now.since_boot.into(),
                Common::FileTime => now.file_time.into(),
            },
            Source::Counter(counter, kind) => match (self.flavor, read(counter, &instance.reading)) {
                (_, None) => Value::Null,
                (Flavor::Raw, Some(reading)) => wrapped(kind, raw(counter.kind, reading, now).value),
                (Flavor::Formatted | Flavor::Plain, Some(reading)) => {
                    // All that something new has counted, it has counted since.
                    let before = before.and_then(|before| read(counter, before));
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

/// A number of a formatted class: the nearest one of its type.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
fn rounded(kind: &CimType, number: f64) -> Value {
    match kind {
        CimType::Real64 => number.into(),
        CimType::Uint8 => (number.round() as u8).into(),
        CimType::Uint32 => (number.round() as u32).into(),
        _ => (number.round() as u64).into(),
    }
}

impl<O: Object> Binding for Served<O> {
    fn columns(&self) -> Vec<&'static str> {
        let raw = self.flavor == Flavor::Raw;
        let bases = O::COUNTERS.iter().filter(|counter| raw && counter.kind.has_base());
        // The names live as long as the program; each is made once for a test.
        let bases = bases.map(|counter| &*Box::leak(format!("{}_Base", counter.name).into_boxed_str()));
        O::COMMON
            .iter()
            .map(|(name, _)| *name)
            .chain(O::COUNTERS.iter().map(|counter| counter.name))
            .chain(bases)
            .collect()
    }
}

impl<O: Object> Provider for Served<O> {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        let class = Namespace::parse(O::NAMESPACE).ok().zip(Name::parse(&self.flavor.class(O::NAME)).ok());
        class.into_iter().collect()
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        let (class, sources) = (scan.class(), self.sources(scan.class()));
        let pair = self.pair(scan.columns(), sources, rows)?;
        for instance in pair.iter() {
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
pub(crate) trait Sum: Default {
    /// Adds another.
    fn add(&mut self, other: &Self);
}

/// The instances with one more that has all their numbers together.
pub(crate) fn with_total<R: Sum>(mut instances: Vec<Instance<R>>) -> Vec<Instance<R>> {
    let mut total = R::default();
    instances.iter().for_each(|instance| total.add(&instance.reading));
    instances.push(Instance::named(TOTAL, total));
    instances
}
