//! Endpoint at which Prometheus reads the metrics of the service, and the connection to the process that sends them by OTLP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use metrics::{CollectorStatistics, ExportOutcome, Page, Pages, Snapshot};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::metrics::Levels;
use crate::plugin::Plugin as _;
use crate::service::Service;

/// Serves the metrics of a service at `http://127.0.0.1:PORT/metrics` while `Metrics/Enabled` is true, until the
/// shutdown of the service. Settings apply at once.
///
/// If the port is in use, this is logged once, and the service tries again every minute.
pub async fn serve_metrics(service: Arc<Service>) {
    let mut state = service.state.clone();
    let shutdown = service.shutdown.clone();
    loop {
        let settings = EndpointSettings::of(&service);
        let changed = async {
            loop {
                if state.changed().await.is_err() {
                    // The settings cannot change any more.
                    return std::future::pending().await;
                }
                if EndpointSettings::of(&service) != settings {
                    return;
                }
            }
        };
        tokio::select! {
            () = changed => {}
            () = settings.serve(&service) => {}
            () = shutdown.begun() => return,
        }
    }
}

/// Sends the metrics of a service to the process that exports them: a snapshot for each outcome of the previous request
/// that the process sends, until it closes the connection. Outcomes are counted.
///
/// # Errors
/// I/O errors.
pub async fn serve_snapshots(service: Arc<Service>, socket: UnixStream) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let mut socket = tokio::net::UnixStream::from_std(socket)?;
    let mut last = [0; ExportOutcome::LENGTH];
    loop {
        match socket.read_exact(&mut last).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        };
        if let Some(outcome) = ExportOutcome::decode(last) {
            service.record_export(outcome);
        }
        let snapshot =
            service.metrics_snapshot().ok_or_else(|| io::Error::other("cannot write the metrics"))?;
        socket.write_all(&snapshot.to_bytes()).await?;
    }
}

/// Settings of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct EndpointSettings {
    is_enabled: bool,
    port: u16,
}

impl EndpointSettings {
    fn of(service: &Service) -> Self {
        let config = service.config();
        Self { is_enabled: config.metrics.enabled, port: config.metrics.port.number() }
    }

    /// Serves connections without end.
    async fn serve(self, service: &Arc<Service>) {
        if !self.is_enabled {
            return std::future::pending().await;
        }
        let listener = self.bind().await;
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "Serving metrics");
        }
        metrics::serve(listener, Arc::new(ServiceMetrics(Arc::clone(service)))).await;
    }

    /// Binds the port, and repeats this until it succeeds.
    async fn bind(self) -> TcpListener {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut is_reported = false;
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return listener,
                Err(error) if !is_reported => {
                    is_reported = true;
                    tracing::error!(
                        %address, %error,
                        "Cannot serve metrics: stop the program that uses the port, or change Metrics/Port"
                    );
                }
                Err(_) => {}
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }
}

/// Time after which a port that was in use is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// Pages of a service.
struct ServiceMetrics(Arc<Service>);

impl Pages for ServiceMetrics {
    fn page(&self, path: &str, _query: &str) -> Page {
        match path {
            "/" => Page::text(200, "telarchd: the metrics are at /metrics\n"),
            "/metrics" => match self.0.metrics_snapshot() {
                Some(snapshot) => Page::open_metrics(snapshot.page),
                None => Page::text(500, "cannot write the metrics\n"),
            },
            _ => Page::text(404, "not found; use /metrics\n"),
        }
    }
}

impl Service {
    /// Counts a request that has sent the metrics to a receiver.
    pub fn record_export(&self, outcome: ExportOutcome) {
        self.metrics.record_export(outcome);
    }

    /// Returns the current metrics; `None` if they cannot be written as text.
    pub fn metrics_snapshot(&self) -> Option<Snapshot> {
        let page = self.metrics.to_text(self.levels(), self.collector_statistics()).ok()?;
        let started = self.metrics.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(Snapshot { started: u64::try_from(started.as_nanos()).unwrap_or(u64::MAX), page })
    }

    /// Returns the numbers of the collector of events; zeros without a collector.
    fn collector_statistics(&self) -> CollectorStatistics {
        self.events.as_ref().map(|events| events.statistics()).unwrap_or_default()
    }

    fn levels(&self) -> Levels {
        Levels {
            connections: self.connections.len(),
            enumerations: self.enumerations.len(),
            subscriptions: self.subscriptions.len(),
            objects: self.catalog.in_use(),
        }
    }
}
