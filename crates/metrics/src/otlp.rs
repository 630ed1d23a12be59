//! Metrics as requests of the OpenTelemetry protocol (OTLP 1.x, `opentelemetry.proto.metrics.v1`) in Protocol Buffers.
//!
//! The metrics come from a page of OpenMetrics and have the names of its families: without the suffix `_total`, which
//! OpenTelemetry forbids for names of counters and receivers add for Prometheus.

use std::collections::BTreeMap;

use crate::open_metrics::{Family, Sample, families};
use crate::protobuf::Message;

/// Page of metrics with the times that OTLP needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Start of the counters, in nanoseconds since 1970.
    pub started: u64,
    /// Page in the text format of OpenMetrics.
    pub page: String,
}

impl Snapshot {
    /// Maximum length of an encoded snapshot in bytes.
    pub const MAX_LENGTH: usize = 4 << 20;

    /// Returns the snapshot for another process, with its length in front.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.page.len().saturating_add(8)).unwrap_or(u32::MAX);
        [&length.to_be_bytes()[..], &self.started.to_be_bytes(), self.page.as_bytes()].concat()
    }

    /// Returns the snapshot of bytes after the length; `None` if they are invalid.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (started, page) = bytes.split_first_chunk()?;
        let page = std::str::from_utf8(page).ok()?.to_owned();
        Some(Self { started: u64::from_be_bytes(*started), page })
    }
}

/// Encoder of successive requests of one source.
#[derive(Debug)]
pub struct OtlpEncoder {
    resource: Message,
    scope: Message,
    /// Last values of counters and histograms.
    series: BTreeMap<SeriesKey, Series>,
    /// Time of the last request.
    last: u64,
}

/// Name and labels of a series.
type SeriesKey = (String, Labels<String>);
/// Names and values of labels.
type Labels<T> = BTreeMap<T, String>;

/// Last value of a series, and the time since which it has only increased.
#[derive(Clone, Copy, Debug)]
struct Series {
    value: f64,
    since: u64,
}

/// Times of the points of a request.
#[derive(Clone, Copy)]
struct Times {
    started: u64,
    now: u64,
}

impl OtlpEncoder {
    /// Creates an encoder for a resource with these attributes. `scope` and `version` are those of the instrumentation.
    #[must_use]
    pub fn new(attributes: &[(&str, &str)], scope: &str, version: &str) -> Self {
        let mut resource = Message::default();
        for (name, value) in attributes {
            resource.message(1, &attribute(name, value));
        }
        let mut instrumentation = Message::default();
        instrumentation.text(1, scope);
        instrumentation.text(2, version);
        Self { resource, scope: instrumentation, series: BTreeMap::new(), last: 0 }
    }

    /// Returns the body of a request, an `ExportMetricsServiceRequest`. `now` is in nanoseconds since 1970.
    #[must_use]
    pub fn encode(&mut self, snapshot: &Snapshot, now: u64) -> Vec<u8> {
        let times = Times { started: snapshot.started, now };
        let previous = std::mem::take(&mut self.series);
        let mut points = Points { previous, series: BTreeMap::new(), last: self.last, times };
        let mut scope = Message::default();
        scope.message(1, &self.scope);
        for family in families(&snapshot.page) {
            if let Some(metric) = points.metric(&family) {
                scope.message(2, &metric);
            }
        }
        (self.series, self.last) = (points.series, now);
        let mut resource = Message::default();
        resource.message(1, &self.resource);
        resource.message(2, &scope);
        let mut request = Message::default();
        request.message(1, &resource);
        request.finish()
    }
}

/// Points of one request.
struct Points {
    previous: BTreeMap<SeriesKey, Series>,
    series: BTreeMap<SeriesKey, Series>,
    last: u64,
    times: Times,
}

impl Points {
    /// Returns a metric; `None` if it has no points.
    fn metric(&mut self, family: &Family<'_>) -> Option<Message> {
        let mut metric = Message::default();
        let is_info = family.kind == "info";
        metric.text(1, &if is_info { format!("{}_info", family.name) } else { family.name.to_owned() });
        metric.text(2, family.help);
        metric.text(3, unit(family.unit));
        let (field, data) = match family.kind {
            "counter" => (7, self.sum(family)),
            "histogram" => (9, self.histogram(family)),
            _ => (5, self.gauge(family)),
        };
        metric.message(field, &data?);
        Some(metric)
    }

    /// Returns a `Gauge`.
    fn gauge(&self, family: &Family<'_>) -> Option<Message> {
        let mut data = Message::default();
        for sample in &family.samples {
            data.message(1, &number(sample, None, self.times.now)?);
        }
        (!family.samples.is_empty()).then_some(data)
    }

    /// Returns a monotonic `Sum`.
    fn sum(&mut self, family: &Family<'_>) -> Option<Message> {
        let mut data = Message::default();
        for sample in &family.samples {
            let since = self.since(family.name, sample, sample.value.parse().ok()?);
            data.message(1, &number(sample, Some(since), self.times.now)?);
        }
        data.number(2, CUMULATIVE);
        data.number(3, 1);
        (!family.samples.is_empty()).then_some(data)
    }

    /// Returns a `Histogram`.
    fn histogram(&mut self, family: &Family<'_>) -> Option<Message> {
        let mut distributions: BTreeMap<Vec<(&str, &str)>, Distribution<'_>> = BTreeMap::new();
        for sample in &family.samples {
            let labels = sample.labels.iter().filter(|(name, _)| **name != "le");
            let labels = labels.map(|(name, value)| (*name, value.as_ref())).collect();
            distributions.entry(labels).or_default().add(family.name, sample);
        }
        let mut data = Message::default();
        let is_empty = distributions.is_empty();
        for distribution in distributions.into_values() {
            let counted = distribution.count?;
            #[expect(clippy::cast_precision_loss, reason = "only compared with the previous value")]
            let since = self.since(family.name, counted.sample, counted.value as f64);
            data.message(1, &distribution.point(counted, since, self.times.now));
        }
        data.number(2, CUMULATIVE);
        (!is_empty).then_some(data)
    }

    /// Returns the time since which a series has only increased, and notes its value.
    fn since(&mut self, name: &str, sample: &Sample<'_>, value: f64) -> u64 {
        let labels = sample.labels.iter().map(|(name, value)| ((*name).to_owned(), value.to_string()));
        let key = (name.to_owned(), labels.collect());
        let since = match self.previous.get(&key) {
            None => self.times.started,
            Some(series) if value >= series.value => series.since.max(self.times.started),
            // The process of the collector of events was restarted.
            Some(_) => self.last,
        };
        self.series.insert(key, Series { value, since });
        since
    }
}

/// Samples of a histogram with the same labels.
#[derive(Default)]
struct Distribution<'p> {
    /// Upper bounds and cumulative counts.
    buckets: Vec<(f64, u64)>,
    sum: f64,
    count: Option<Count<'p>>,
}

/// Number of values of a histogram.
#[derive(Clone, Copy)]
struct Count<'p> {
    sample: &'p Sample<'p>,
    value: u64,
}

impl<'p> Distribution<'p> {
    fn add(&mut self, name: &str, sample: &'p Sample<'p>) {
        let suffix = sample.name.strip_prefix(name).unwrap_or_default();
        match (suffix, sample.labels.get("le").map(|bound| bound.parse()), sample.value.parse()) {
            ("_bucket", Some(Ok(bound)), Ok(count)) => self.buckets.push((bound, count)),
            ("_count", None, Ok(value)) => self.count = Some(Count { sample, value }),
            ("_sum", None, _) => self.sum = sample.value.parse().unwrap_or_default(),
            _ => {}
        }
    }

    /// Returns a `HistogramDataPoint`. Its counts are those of each bucket, and the last bucket has no bound.
    fn point(&self, count: Count<'_>, since: u64, now: u64) -> Message {
        let mut point = Message::default();
        point.fixed(2, since.to_le_bytes());
        point.fixed(3, now.to_le_bytes());
        point.fixed(4, count.value.to_le_bytes());
        point.fixed(5, self.sum.to_le_bytes());
        let below = [0].into_iter().chain(self.buckets.iter().map(|(_, count)| *count));
        let counts = self.buckets.iter().zip(below).map(|((_, count), below)| count.saturating_sub(below));
        point.packed(6, counts.map(u64::to_le_bytes));
        let bounds = self.buckets.iter().map(|(bound, _)| bound).filter(|bound| bound.is_finite());
        point.packed(7, bounds.map(|bound| bound.to_le_bytes()));
        attributes(&mut point, 9, count.sample);
        point
    }
}

/// Returns a `NumberDataPoint`; `None` if the value is no number.
fn number(sample: &Sample<'_>, since: Option<u64>, now: u64) -> Option<Message> {
    let mut point = Message::default();
    if let Some(since) = since {
        point.fixed(2, since.to_le_bytes());
    }
    point.fixed(3, now.to_le_bytes());
    match sample.value.parse::<i64>() {
        Ok(value) => point.fixed(6, value.to_le_bytes()),
        Err(_) => point.fixed(4, sample.value.parse::<f64>().ok()?.to_le_bytes()),
    }
    attributes(&mut point, 7, sample);
    Some(point)
}

/// Adds labels as attributes of a point.
fn attributes(point: &mut Message, field: u32, sample: &Sample<'_>) {
    for (name, value) in sample.labels.iter().filter(|(name, _)| **name != "le") {
        point.message(field, &attribute(name, value));
    }
}

/// Returns a `KeyValue` with a text.
fn attribute(name: &str, value: &str) -> Message {
    let mut any = Message::default();
    any.text(1, value);
    let mut attribute = Message::default();
    attribute.text(1, name);
    attribute.message(2, &any);
    attribute
}

/// Returns the unit of the Unified Code for Units of Measure.
fn unit(unit: &str) -> &str {
    match unit {
        "seconds" => "s",
        "bytes" => "By",
        other => other,
    }
}

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(count: u64) -> Snapshot {
        let page = format!("# TYPE a counter\na_total{{x=\"y\"}} {count}\n# EOF\n");
        Snapshot { started: 5, page }
    }

    /// Returns whether a request contains the start of a counter.
    fn has_start(request: &[u8], start: u64) -> bool {
        let field = [&[0x11][..], &start.to_le_bytes()].concat();
        request.windows(field.len()).any(|part| part == field)
    }

    #[test]
    fn a_counter_that_was_reset_has_a_later_start() {
        let mut encoder = OtlpEncoder::new(&[("service.name", "s")], "s", "1");
        assert!(has_start(&encoder.encode(&snapshot(3), 10), 5));
        assert!(has_start(&encoder.encode(&snapshot(3), 20), 5));
        assert!(has_start(&encoder.encode(&snapshot(1), 30), 20));
        assert!(has_start(&encoder.encode(&snapshot(2), 40), 20));
    }

    #[test]
    fn a_snapshot_survives_its_codec() {
        let one = snapshot(1);
        let bytes = one.to_bytes();
        let (length, rest) = bytes.split_first_chunk().unwrap();
        assert_eq!(u32::from_be_bytes(*length) as usize, rest.len());
        assert_eq!(Snapshot::from_bytes(rest), Some(one));
        assert_eq!(Snapshot::from_bytes(&[0; 7]), None);
        assert_eq!(Snapshot::from_bytes(&[0xff; 9]), None);
    }
}
