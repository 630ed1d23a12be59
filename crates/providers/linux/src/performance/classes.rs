//! Classes of raw and of formatted values of a performance object.

use std::sync::{Arc, OnceLock};

use cim::{CimType, Class, ColumnSet, Name, Namespace, Value};
use linux::system::os_release::OsRelease;
use wmi::{Provider, ProviderError, Scan, Sink};

use super::counter::{Counter, FREQUENCY, Reading, formatted, raw};
use super::object::{Common, Flavor, Instance, Object, TOTAL};
use super::sampler::{Pair, Sample, Sampler};
use crate::Machine;
use crate::table::Binding;

/// Returns the providers of an object's classes.
pub(crate) fn both<O: Object>(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    O::CLASSES
        .iter()
        .map(|flavor| {
            let (machine, sampler) = (machine.clone(), Sampler::default());
            Arc::new(Served::<O> { machine, flavor: *flavor, sampler, sources: OnceLock::new() })
                as Arc<dyn Binding>
        })
        .collect()
}

struct Served<O: Object> {
    machine: Arc<Machine>,
    flavor: Flavor,
    sampler: Sampler<O::Reading>,
    /// Source of each property, by its position in the class.
    sources: OnceLock<Box<[Source<O::Reading>]>>,
}

/// Source of a property.
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
            // Formatted values need no frequency of the object.
            Some(Common::Frequency) if self.flavor == Flavor::Formatted && *name == *"Frequency_Object" => {
                Source::Common(Common::Nothing)
            }
            common => Source::Common(common.unwrap_or(Common::Nothing)),
        }
    }

    /// Returns the two samples that the selected columns need; the same sample twice if none of them needs
    /// two.
    fn pair(
        &self,
        columns: &ColumnSet,
        sources: &[Source<O::Reading>],
        rows: &Sink<'_>,
    ) -> Result<Pair<O::Reading>, ProviderError> {
        if self.flavor != Flavor::Raw && columns.iter().any(|column| matches!(sources.get(column.index()), Some(Source::Counter(counter, _)) if counter.kind.needs_two())) {
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
                Common::SystemName => OsRelease::of(&self.machine).pretty_name().to_owned().into(),
                Common::ProcessNumber => super::process::number_in(instance.identity).to_string().into(),
                Common::Frequency => FREQUENCY.into(),
                Common::SinceBoot => now.since_boot.into(),
                Common::FileTime => now.file_time.into(),
            },
            Source::Counter(counter, kind) => match (self.flavor, read(counter, &instance.reading)) {
                (_, None) => Value::Null,
                (Flavor::Raw, Some(reading)) => wrapped(kind, raw(counter.kind, reading, now).value),
                (Flavor::Formatted | Flavor::Plain, Some(reading)) => {
                    // An instance that is missing from the earlier sample has counted everything since then.
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

/// Returns a number of a raw class; a number too large for the type wraps to zero, as clients expect of
/// counters.
#[expect(clippy::cast_possible_truncation, reason = "that is what wrapping is")]
fn wrapped(kind: &CimType, number: u64) -> Value {
    if *kind == CimType::Uint32 { (number as u32).into() } else { number.into() }
}

/// Returns a number of a formatted class, rounded to the nearest value of its type.
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
    #[cfg(test)]
    fn columns(&self) -> Vec<&'static str> {
        let raw = self.flavor == Flavor::Raw;
        let bases = O::COUNTERS.iter().filter(|counter| raw && counter.kind.has_base());
        // The names live as long as the program. Each is created only once, for a test.
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
