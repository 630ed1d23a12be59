//! Metrics of the collector of events.

use std::fmt::Error;
use std::sync::Arc;
use std::time::Duration;

use locks::Mutex;
use metrics::{BOUNDS, CollectorStatistics, Distribution, LAGS, LONGER_LAG, OutputStatistics};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// Numbers of the collector for the next page.
#[derive(Clone, Debug, Default)]
pub(super) struct CollectorMetrics(Arc<Mutex<CollectorStatistics>>);

impl CollectorMetrics {
    /// Replaces the numbers.
    pub(super) fn set(&self, statistics: CollectorStatistics) {
        *self.0.lock() = statistics;
    }
}

impl Collector for CollectorMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        let numbers = self.0.lock().clone();
        let mut page = CollectorPage(&mut encoder);
        page.batches(&numbers)?;
        page.counter("collector_events", "Forwarded events that were stored.", None, numbers.events)?;
        page.counter(
            "collector_received",
            "Received forwarded events as XML, after decompression.",
            Some(&Unit::Bytes),
            numbers.bytes,
        )?;
        page.counter(
            "collector_quarantined_events",
            "Forwarded events that cannot be stored and were put into quarantine.",
            None,
            numbers.quarantined,
        )?;
        page.histogram(
            "collector_store_duration",
            "Time from the arrival of a batch of events until it is durable.",
            &numbers.storing,
        )?;
        page.histogram(
            "collector_event_lag",
            "Time from the creation of the last event of a batch until the batch is durable.",
            &numbers.lag,
        )?;
        page.sources(&numbers)?;
        page.outputs(&numbers.outputs)
    }
}

/// Page that is written.
struct CollectorPage<'p, 'e>(&'p mut DescriptorEncoder<'e>);

impl CollectorPage<'_, '_> {
    fn batches(&mut self, numbers: &CollectorStatistics) -> Result<(), Error> {
        let help = "Batches of forwarded events by result.";
        let mut family = self.0.encode_descriptor("collector_batches", help, None, MetricType::Counter)?;
        let results =
            [("stored", numbers.stored), ("repeated", numbers.repeated), ("failed", numbers.failed)];
        for (result, count) in results {
            counter(&mut family.encode_family(&[("result", result)])?, count)?;
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> Result<(), Error> {
        counter(&mut self.0.encode_descriptor(name, help, unit, MetricType::Counter)?, value)
    }

    fn histogram(&mut self, name: &str, help: &str, times: &Distribution) -> Result<(), Error> {
        let unit = Some(&Unit::Seconds);
        histogram(&mut self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?, times)
    }

    fn sources(&mut self, numbers: &CollectorStatistics) -> Result<(), Error> {
        let help = "Event sources by the lag of their last batch, since the start of the collector.";
        let mut family = self.0.encode_descriptor("collector_sources", help, None, MetricType::Gauge)?;
        let names = LAGS.iter().map(|(_, name)| *name).chain([LONGER_LAG]);
        for (name, count) in names.zip(numbers.sources) {
            gauge(&mut family.encode_family(&[("lag", name)])?, count)?;
        }
        Ok(())
    }

    fn outputs(&mut self, outputs: &[OutputStatistics]) -> Result<(), Error> {
        for OutputFamily { name, help, unit, kind, encode } in OUTPUT_FAMILIES {
            let mut family = self.0.encode_descriptor(name, help, unit.as_ref(), *kind)?;
            for output in outputs {
                encode(&mut family.encode_family(&[("output", output.name.as_str())])?, output)?;
            }
        }
        Ok(())
    }
}

/// Family of metrics with a value for each output.
struct OutputFamily {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    encode: fn(&mut MetricEncoder<'_>, &OutputStatistics) -> Result<(), Error>,
}

const OUTPUT_FAMILIES: &[OutputFamily] = &[
    OutputFamily {
        name: "collector_output_events",
        help: "Events that the server of an output has accepted.",
        unit: None,
        kind: MetricType::Counter,
        encode: |metric, output| counter(metric, output.sent),
    },
    OutputFamily {
        name: "collector_output_failures",
        help: "Failed attempts to send events to an output.",
        unit: None,
        kind: MetricType::Counter,
        encode: |metric, output| counter(metric, output.failures),
    },
    OutputFamily {
        name: "collector_output_dropped_events",
        help: "Events that were dropped because the spool of an output was full.",
        unit: None,
        kind: MetricType::Counter,
        encode: |metric, output| counter(metric, output.dropped),
    },
    OutputFamily {
        name: "collector_output_duration",
        help: "Time until the server of an output has accepted the events of one request.",
        unit: Some(Unit::Seconds),
        kind: MetricType::Histogram,
        encode: |metric, output| histogram(metric, &output.sending),
    },
    OutputFamily {
        name: "collector_spool",
        help: "Events in the spool of an output.",
        unit: Some(Unit::Bytes),
        kind: MetricType::Gauge,
        encode: |metric, output| gauge(metric, output.spooled),
    },
];

fn counter(metric: &mut MetricEncoder<'_>, value: u64) -> Result<(), Error> {
    metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn gauge(metric: &mut MetricEncoder<'_>, value: u64) -> Result<(), Error> {
    metric.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))
}

fn histogram(metric: &mut MetricEncoder<'_>, times: &Distribution) -> Result<(), Error> {
    let bounds = BOUNDS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(times.counts).collect();
    let sum = Duration::from_micros(times.sum).as_secs_f64();
    metric.encode_histogram::<NoLabelSet>(sum, times.count(), &buckets, None)
}
