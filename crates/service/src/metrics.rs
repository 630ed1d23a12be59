//! Counters of the service, in the data model of Prometheus.
//!
//! Every label has a fixed set of values, so that clients cannot create time series. No label contains the name of an
//! account, a host or a resource, because every local user can read the metrics. Outputs of the collector of events are
//! labels; the administrator has named them.

mod collector;

use std::fmt;
use std::time::{Instant, SystemTime};

use auth::Scheme;
use metrics::{CollectorStatistics, ExportOutcome};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use wsman::{Action, Fault, Subcode};

use self::collector::CollectorMetrics;
use crate::plugin::OpenObjects;

/// Counters of a service and its connections.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Time since which the counters count.
    pub(crate) started: SystemTime,
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<ActionLabel, Histogram, fn() -> Histogram>,
    sign_ins: Family<SignInLabels, Counter>,
    refusals: Family<LimitLabel, Counter>,
    accepted: Counter,
    connections: Gauge,
    in_progress: Gauge,
    enumerations: Gauge,
    subscriptions: Gauge,
    shells: Gauge,
    runspace_pools: Gauge,
    transfers: Gauge,
    exports: Family<ResultLabel, Counter>,
    rejected_points: Counter,
    collector: CollectorMetrics,
}

/// Values that are read when a page is made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Levels {
    /// Open connections.
    pub(crate) connections: usize,
    /// Open enumerations.
    pub(crate) enumerations: usize,
    /// Open subscriptions.
    pub(crate) subscriptions: usize,
    /// Open shells and similar objects, those of hosts included.
    pub(crate) objects: OpenObjects,
}

/// Limit because of which a request or connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Open connections (`Connections/MaxOpen`).
    Connections,
    /// Requests in progress (`Service/MaxConnections`, and the share of an account).
    Requests,
    /// Bytes of bodies that are being received.
    Bodies,
    /// A quota that the response names as `w:QuotaLimit`.
    Quota,
}

impl Limit {
    /// Returns the value of the label `limit`.
    fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Requests => "requests",
            Self::Bodies => "bodies",
            Self::Quota => "quota",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    action: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabel {
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignInLabels {
    scheme: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabel {
    limit: &'static str,
}

impl Metrics {
    /// Creates counters that are zero.
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            started: SystemTime::now(),
            registry: Registry::with_prefix("telarch"),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            sign_ins: Family::default(),
            refusals: Family::default(),
            accepted: Counter::default(),
            connections: Gauge::default(),
            in_progress: Gauge::default(),
            enumerations: Gauge::default(),
            subscriptions: Gauge::default(),
            shells: Gauge::default(),
            runspace_pools: Gauge::default(),
            transfers: Gauge::default(),
            exports: Family::default(),
            rejected_points: Counter::default(),
            collector: CollectorMetrics::default(),
        };
        metrics.register();
        metrics.create_series();
        metrics
    }

    fn register(&mut self) {
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let registry = &mut self.registry;
        registry.register("build", "Version of the service; always 1", version);
        registry.register("requests", "Requests by action and result", self.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "Time from a complete request to its response. Pull and Receive include the wait for events and output",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "requests_in_progress",
            "Requests without a response yet",
            self.in_progress.clone(),
        );
        registry.register("sign_ins", "Sign-ins by authentication scheme and result", self.sign_ins.clone());
        registry.register(
            "refusals",
            "Connections and requests refused because of a limit",
            self.refusals.clone(),
        );
        registry.register("connections_accepted", "Connections that were accepted", self.accepted.clone());
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("enumerations", "Open enumerations", self.enumerations.clone());
        registry.register("subscriptions", "Open subscriptions", self.subscriptions.clone());
        registry.register("shells", "Open shells for commands", self.shells.clone());
        registry.register("runspace_pools", "Open runspace pools of PowerShell", self.runspace_pools.clone());
        registry.register("file_transfers", "Open file transfers", self.transfers.clone());
        registry.register(
            "metrics_exports",
            "Requests that sent metrics to a receiver of OpenTelemetry, by result",
            self.exports.clone(),
        );
        registry.register(
            "metrics_rejected_points",
            "Data points that the receiver of OpenTelemetry has rejected",
            self.rejected_points.clone(),
        );
        registry.register_collector(Box::new(self.collector.clone()));
    }

    /// Creates the series of failures with the value zero, so that their first increase is visible.
    fn create_series(&self) {
        for limit in [Limit::Connections, Limit::Requests, Limit::Bodies, Limit::Quota] {
            drop(self.refusals.get_or_create(&LimitLabel { limit: limit.name() }));
        }
        for result in [OK, PARTIAL, FAILED] {
            drop(self.exports.get_or_create(&ResultLabel { result }));
        }
        for scheme in Scheme::HTTP {
            for result in [OK, FAILED] {
                drop(self.sign_ins.get_or_create(&SignInLabels { scheme: scheme.short_name(), result }));
            }
        }
    }

    /// Starts to measure a request. It counts as cancelled if the timer is dropped before
    /// [`finish`](RequestTimer::finish).
    pub(crate) fn begin(&self, action: &Action) -> RequestTimer<'_> {
        self.in_progress.inc();
        RequestTimer { metrics: self, action: action_name(action), began: Instant::now(), result: CANCELLED }
    }

    /// Counts a message that is no valid request.
    pub(crate) fn malformed(&self) {
        let labels = RequestLabels { action: "malformed", result: FAULT };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts a sign-in.
    pub(crate) fn sign_in(&self, scheme: Scheme, is_granted: bool) {
        let result = if is_granted { OK } else { FAILED };
        self.sign_ins.get_or_create(&SignInLabels { scheme: scheme.short_name(), result }).inc();
    }

    /// Counts a connection that was accepted.
    pub(crate) fn accept(&self) {
        self.accepted.inc();
    }

    /// Counts a connection or request that was refused because of a limit.
    pub(crate) fn refuse(&self, limit: Limit) {
        self.refusals.get_or_create(&LimitLabel { limit: limit.name() }).inc();
    }

    /// Counts a request that has sent metrics to a receiver.
    pub(crate) fn record_export(&self, outcome: ExportOutcome) {
        let result = match outcome {
            ExportOutcome::Accepted { rejected: 0 } => OK,
            ExportOutcome::Accepted { rejected } => {
                self.rejected_points.inc_by(rejected);
                PARTIAL
            }
            ExportOutcome::Failed => FAILED,
        };
        self.exports.get_or_create(&ResultLabel { result }).inc();
    }

    /// Returns all metrics in the text format of OpenMetrics.
    ///
    /// # Errors
    /// If the text cannot be written.
    pub(crate) fn to_text(
        &self,
        levels: Levels,
        collector: CollectorStatistics,
    ) -> Result<String, fmt::Error> {
        self.collector.set(collector);
        let gauges = [
            (&self.connections, levels.connections),
            (&self.enumerations, levels.enumerations),
            (&self.subscriptions, levels.subscriptions),
        ];
        for (gauge, level) in gauges {
            gauge.set(i64::try_from(level).unwrap_or(i64::MAX));
        }
        let OpenObjects { shells, runspace_pools, transfers } = levels.objects;
        self.shells.set(shells.into());
        self.runspace_pools.set(runspace_pools.into());
        self.transfers.set(transfers.into());
        let mut page = String::new();
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

/// A request whose time is measured.
#[derive(Debug)]
pub(crate) struct RequestTimer<'m> {
    metrics: &'m Metrics,
    action: &'static str,
    began: Instant,
    result: &'static str,
}

impl RequestTimer<'_> {
    /// Counts the request with its result.
    pub(crate) fn finish<T>(mut self, result: &Result<T, Fault>) {
        self.result = match result {
            Ok(_) => OK,
            Err(fault) => {
                if *fault.subcode() == Subcode::QuotaLimit {
                    self.metrics.refuse(Limit::Quota);
                }
                FAULT
            }
        };
    }
}

impl Drop for RequestTimer<'_> {
    fn drop(&mut self) {
        let Self { metrics, action, began, result } = *self;
        metrics.in_progress.dec();
        metrics.requests.get_or_create(&RequestLabels { action, result }).inc();
        metrics.durations.get_or_create(&ActionLabel { action }).observe(began.elapsed().as_secs_f64());
    }
}

/// Returns the value of the label `action`. Methods of resources share one value.
fn action_name(action: &Action) -> &'static str {
    match action {
        Action::Identify => "Identify",
        Action::Get => "Get",
        Action::Put => "Put",
        Action::Create => "Create",
        Action::Delete => "Delete",
        Action::Enumerate => "Enumerate",
        Action::Pull => "Pull",
        Action::Release => "Release",
        Action::Subscribe => "Subscribe",
        Action::Renew => "Renew",
        Action::GetStatus => "GetStatus",
        Action::Unsubscribe => "Unsubscribe",
        Action::Shell(verb) => verb.name(),
        Action::End => "End",
        _ => "Invoke",
    }
}

/// Results of requests and sign-ins.
const OK: &str = "ok";
const FAULT: &str = "fault";
const FAILED: &str = "failed";
/// The receiver has rejected some data points.
const PARTIAL: &str = "partial";
/// The client closed the connection before the response was ready.
const CANCELLED: &str = "cancelled";

/// Upper bounds of the buckets of durations in seconds: from a cached Get to a Receive that waits for output.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 20.0, 60.0];
