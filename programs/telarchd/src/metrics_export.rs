//! Metrics for a receiver of OpenTelemetry, sent by OTLP over HTTP.
//!
//! A single thread sends the requests one after the other, so that a slow receiver never delays the service.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use broker::wire::{Malformed, Reader, Writer};
use config::{Config, State};
use files::TrustedFile;
use metrics::{ExportOutcome, ExportResponse, OtlpEncoder, Snapshot};
use outbound::{Address, HttpHeader, HttpResponse, HttpTarget, is_loopback, tls_config};
use service::Service;
use tokio::sync::{Notify, watch};
use zeroize::Zeroizing;

use crate::log::one_line;

/// Settings of the requests, with the content of the files that they name.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ExportSettings {
    has_tls: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
    interval: Duration,
    /// Authorities in PEM; `None` for those of the system.
    authorities: Option<String>,
    headers: Vec<HttpHeader>,
}

impl ExportSettings {
    /// Reads the settings, and the files that they name. Returns `None` if no receiver is set.
    pub(crate) fn read(config: &Config) -> Result<Option<Self>, Box<dyn Error>> {
        let settings = &config.metrics;
        let Some(url) = settings.otlp_url.url() else { return Ok(None) };
        let authorities = settings.otlp_certificate_authority.path();
        let authorities = authorities.map(|path| content(&TrustedFile::readable(path))).transpose()?;
        let headers = match settings.otlp_headers.path() {
            None => Vec::new(),
            Some(path) => {
                let text = content(&TrustedFile::private(path))?;
                parse_headers(&text).map_err(|reason| format!("{}: {reason}", path.display()))?
            }
        };
        if !headers.is_empty() && !url.has_tls && !is_loopback(&url.host) {
            return Err("Metrics/OtlpHeaders is only sent with TLS\n  use https:// in Metrics/OtlpUrl".into());
        }
        let path = if url.path.is_empty() { DEFAULT_PATH } else { &url.path }.to_owned();
        let settings = Self {
            has_tls: url.has_tls,
            host: url.host.clone(),
            port: url.port,
            authority: url.authority.clone(),
            path,
            interval: settings.otlp_interval.duration(),
            authorities: authorities.map(|pem| pem.as_str().to_owned()),
            headers,
        };
        // Invalid authorities are reported before anything is sent.
        settings.target()?;
        Ok(Some(settings))
    }

    fn target(&self) -> Result<HttpTarget, String> {
        let tls = match self.has_tls {
            true => Some(tls_config(self.authorities.as_deref()).map_err(|error| {
                error.replace("CertificateAuthority", "Metrics/OtlpCertificateAuthority")
            })?),
            false => None,
        };
        let address = Address { host: self.host.clone(), port: self.port, tls };
        let (host, path) = (self.authority.clone(), self.path.clone());
        Ok(HttpTarget { address, host, path, headers: self.headers.clone() })
    }

    /// Encodes the settings for another process.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::new(u8::from(self.has_tls));
        w.text(&self.host).u32(self.port.into()).text(&self.authority).text(&self.path);
        w.u64(self.interval.as_secs()).optional(self.authorities.as_ref(), |w, pem| _ = w.text(pem));
        w.u32(u32::try_from(self.headers.len()).unwrap_or(u32::MAX));
        for HttpHeader { name, value } in &self.headers {
            w.text(name).text(value);
        }
        w.finish()
    }

    /// Decodes settings.
    pub(crate) fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let has_tls = r.u8()? == 1;
        let host = r.text()?.to_owned();
        let port = u16::try_from(r.u32()?).map_err(|_| Malformed("invalid port"))?;
        let (authority, path) = (r.text()?.to_owned(), r.text()?.to_owned());
        let interval = Duration::from_secs(r.u64()?);
        let authorities = r.optional(|r| r.text().map(str::to_owned))?;
        let mut headers = Vec::new();
        for _ in 0..r.u32()? {
            headers.push(HttpHeader { name: r.text()?.to_owned(), value: r.text()?.to_owned().into() });
        }
        r.finish()?;
        Ok(Self { has_tls, host, port, authority, path, interval, authorities, headers })
    }
}

/// Reads a file of a setting.
fn content(file: &TrustedFile) -> Result<Zeroizing<String>, Box<dyn Error>> {
    let bytes = file.read(MAX_FILE).map_err(|error| error.with_advice())?;
    let bytes = bytes.ok_or_else(|| missing(file.path()))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", file.path().display()))?;
    Ok(Zeroizing::new(text))
}

fn missing(path: &Path) -> String {
    format!("{} does not exist\n  create it, or change the setting of Metrics that names it", path.display())
}

/// Parses lines with a name, a colon and a value. Empty lines, and those that begin with #, are ignored.
fn parse_headers(text: &str) -> Result<Vec<HttpHeader>, String> {
    let mut headers = Vec::new();
    for (line, number) in text.lines().map(str::trim).zip(1_u32..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line is not repeated: it may contain a token.
        let header = line.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
        let is_value = |c: char| c.is_ascii_graphic() || c == ' ';
        let header = header.filter(|(name, value)| {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !name.is_empty() && name.chars().all(is_name) && !value.is_empty() && value.chars().all(is_value)
        });
        let (name, value) =
            header.ok_or_else(|| format!("line {number} is no header\n  write NAME: VALUE in each line"))?;
        if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            return Err(format!(
                "line {number}: the service sets the header {name} itself\n  remove the line"
            ));
        }
        if headers.len() >= MAX_HEADERS {
            return Err(format!("more than {MAX_HEADERS} headers\n  remove some"));
        }
        headers.push(HttpHeader { name: name.to_owned(), value: value.to_owned().into() });
    }
    Ok(headers)
}

/// Source of the metrics of a service.
pub(crate) trait SnapshotSource {
    /// Waits for a time; returns `false` if no more metrics must be sent.
    fn wait(&mut self, time: Duration) -> io::Result<bool>;

    /// Counts the outcome of the last request, if there was one, and returns the current metrics; `None` if no more
    /// metrics must be sent.
    fn snapshot(&mut self, last: Option<ExportOutcome>) -> io::Result<Option<Snapshot>>;
}

/// Sends metrics at the interval of the settings until the source ends.
pub(crate) fn send_metrics(
    settings: &ExportSettings,
    source: &mut impl SnapshotSource,
) -> Result<(), Box<dyn Error>> {
    let target = settings.target()?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let version = env!("CARGO_PKG_VERSION");
    let attributes = [
        ("service.name", "telarchd"),
        ("service.version", version),
        ("service.instance.id", &*host),
        ("host.name", &*host),
    ];
    let mut encoder = OtlpEncoder::new(&attributes, "telarchd", version);
    let mut log = ExportLog::default();
    let mut delay = Delay::of(settings.interval);
    let mut last = None;
    while let Some(snapshot) = source.snapshot(last)? {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let body = encoder.encode(&snapshot, u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
        let exchanged = target.exchange(CONTENT_TYPE, &body, ExportResponse::MAX_LENGTH);
        let wait = delay.after(exchanged.as_ref().ok(), now.as_secs());
        last = Some(log.report(&target, exchanged, wait));
        if !source.wait(wait)? {
            break;
        }
    }
    Ok(())
}

/// Time between two requests.
struct Delay {
    interval: Duration,
    /// Time after the last request, which the receiver has refused because it is overloaded; `None` after any other.
    backoff: Option<Duration>,
}

impl Delay {
    fn of(interval: Duration) -> Self {
        Self { interval, backoff: None }
    }

    /// Returns the time to the next request after a response: the interval, or longer if the receiver is overloaded
    /// (OTLP 1.x, "OTLP/HTTP Throttling"). `now` is in seconds since 1970.
    fn after(&mut self, response: Option<&HttpResponse>, now: u64) -> Duration {
        let overloaded = response.filter(|response| OVERLOADED.contains(&response.status));
        let Some(response) = overloaded else {
            self.backoff = None;
            return self.interval;
        };
        let longer = match response.retry_delay(now) {
            Some(time) => time.min(MAX_RETRY_AFTER),
            None => {
                let doubled = self.backoff.unwrap_or(self.interval).saturating_mul(2);
                doubled.min(MAX_BACKOFF)
            }
        };
        let wait = longer.max(self.interval);
        self.backoff = Some(wait);
        wait
    }
}

/// Results that were logged, so that each is logged once until it changes.
#[derive(Default)]
struct ExportLog {
    is_failing: bool,
    /// Message of the last response in which the receiver has rejected points or warned.
    warning: Option<String>,
}

impl ExportLog {
    /// Logs the result of a request if it is another one than that of the request before, and returns the outcome.
    fn report(
        &mut self,
        target: &HttpTarget,
        exchanged: Result<HttpResponse, String>,
        wait: Duration,
    ) -> ExportOutcome {
        let response = match exchanged {
            Ok(response) if response.is_success() => response,
            other => {
                let error = other.map_or_else(|error| error, |response| refusal(&response));
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(receiver = ?target, error, next = ?wait, "Cannot send metrics; repeating later");
                }
                return ExportOutcome::Failed;
            }
        };
        if std::mem::take(&mut self.is_failing) {
            tracing::info!(receiver = ?target, "Receiver accepts metrics again");
        }
        // Receivers that answer with another type, or an invalid message, have accepted everything.
        let parsed = response.is_type(CONTENT_TYPE).then(|| ExportResponse::parse(&response.body)).flatten();
        let ExportResponse { rejected, message } = parsed.unwrap_or_default();
        let warning = (rejected > 0 || !message.is_empty()).then_some(message);
        if self.warning != warning {
            match &warning {
                Some(message) if rejected > 0 => {
                    tracing::warn!(receiver = ?target, rejected, message, "Receiver rejected data points");
                }
                Some(message) => {
                    tracing::warn!(receiver = ?target, message, "Receiver accepted metrics with a warning");
                }
                None => tracing::info!(receiver = ?target, "Receiver accepts all data points again"),
            }
            self.warning = warning;
        }
        ExportOutcome::Accepted { rejected }
    }
}

/// Returns the message for a refused request, with the reason of the receiver.
fn refusal(response: &HttpResponse) -> String {
    let reason = response.is_type(CONTENT_TYPE).then(|| ExportResponse::failure_message(&response.body));
    match reason.flatten() {
        Some(reason) => format!("{}: {reason}", response.refusal()),
        None => response.refusal(),
    }
}

/// Sending of metrics by a service in one process. It ends when this is dropped.
pub(crate) struct MetricsExport {
    reload: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

impl MetricsExport {
    /// Sends metrics while the settings name a receiver. Settings apply at once.
    pub(crate) fn start(service: &Arc<Service>, states: watch::Receiver<Arc<State>>) -> Self {
        let reload = Arc::new(Notify::new());
        let task = tokio::spawn(follow(Arc::clone(service), states, Arc::clone(&reload)));
        Self { reload, task }
    }

    /// Reads the files of the settings again.
    pub(crate) fn reload(&self) {
        self.reload.notify_one();
    }
}

impl Drop for MetricsExport {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts and ends the thread according to the settings.
async fn follow(service: Arc<Service>, mut states: watch::Receiver<Arc<State>>, reload: Arc<Notify>) {
    let mut current: Option<ExportSettings> = None;
    let mut thread: Option<ExportThread> = None;
    let mut reported = None;
    loop {
        let config = Arc::clone(&states.borrow_and_update().config);
        // The files are small and local.
        let wanted = match ExportSettings::read(&config) {
            Ok(wanted) => {
                reported = None;
                wanted
            }
            Err(error) => {
                let error = one_line(&*error).to_string();
                if reported.as_ref() != Some(&error) {
                    tracing::error!(error, "Cannot send metrics");
                    reported = Some(error);
                }
                None
            }
        };
        if wanted != current {
            let previous = thread.take().map(ExportThread::end);
            if let Some(settings) = wanted.clone() {
                match ExportThread::start(settings, Arc::clone(&service), previous) {
                    Ok(started) => thread = Some(started),
                    Err(error) => tracing::error!(%error, "Cannot start the thread that sends metrics"),
                }
            }
            current = wanted;
        }
        tokio::select! {
            changed = states.changed() => if changed.is_err() {
                return std::future::pending().await;
            },
            () = reload.notified() => {}
        }
    }
}

/// Thread that sends metrics. It ends after its current request when this is dropped.
struct ExportThread {
    ending: Sender<()>,
    thread: JoinHandle<()>,
}

impl ExportThread {
    /// Starts the thread, which first waits for the end of the previous one.
    fn start(
        settings: ExportSettings,
        service: Arc<Service>,
        previous: Option<JoinHandle<()>>,
    ) -> io::Result<Self> {
        let (ending, ended) = channel();
        let thread = std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            let _ = previous.map(JoinHandle::join);
            let mut source = OwnMetrics { service, ended };
            if let Err(error) = send_metrics(&settings, &mut source) {
                tracing::error!(error = one_line(&*error), "Cannot send metrics");
            }
        })?;
        Ok(Self { ending, thread })
    }

    /// Lets the thread end after its current request.
    fn end(self) -> JoinHandle<()> {
        drop(self.ending);
        self.thread
    }
}

/// Metrics of the service of this process.
struct OwnMetrics {
    service: Arc<Service>,
    ended: Receiver<()>,
}

impl SnapshotSource for OwnMetrics {
    fn wait(&mut self, time: Duration) -> io::Result<bool> {
        Ok(self.ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout))
    }

    fn snapshot(&mut self, last: Option<ExportOutcome>) -> io::Result<Option<Snapshot>> {
        if let Some(outcome) = last {
            self.service.record_export(outcome);
        }
        let snapshot = self.service.metrics_snapshot();
        snapshot.map(Some).ok_or_else(|| io::Error::other("cannot write the metrics"))
    }
}

/// Media type of OTLP in Protocol Buffers.
const CONTENT_TYPE: &str = "application/x-protobuf";
/// Status codes of a receiver that is overloaded or cannot be reached by its proxy.
const OVERLOADED: [u16; 4] = [429, 502, 503, 504];
/// Maximum time to the next request, if the receiver names one.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);
/// Maximum time to the next request, if the receiver names none and the interval is shorter.
const MAX_BACKOFF: Duration = Duration::from_secs(300);
/// Path of OTLP if the URL has none.
const DEFAULT_PATH: &str = "/v1/metrics";
/// Maximum length of a file in bytes.
const MAX_FILE: usize = 256 << 10;
const MAX_HEADERS: usize = 32;
/// Headers that the service sets itself.
const RESERVED: [&str; 6] =
    ["Host", "Content-Type", "Content-Length", "Connection", "Transfer-Encoding", "User-Agent"];

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> HttpHeader {
        HttpHeader { name: name.to_owned(), value: value.to_owned().into() }
    }

    #[test]
    fn headers_are_read_without_repeating_their_values() {
        let headers = parse_headers("# token\nAuthorization: Bearer a:b\n\nX-Scope-OrgID:one \n").unwrap();
        let expected = [("Authorization", "Bearer a:b"), ("X-Scope-OrgID", "one")];
        assert_eq!(headers, expected.map(|(name, value)| header(name, value)));
        for wrong in ["secret", "secret :", ": secret", "a b: secret", "a: secret\u{7}", "host: secret"] {
            let error = parse_headers(wrong).unwrap_err();
            assert!(error.starts_with("line 1") && !error.contains("secret"), "{error}");
        }
        assert!(parse_headers(&"a: b\n".repeat(33)).is_err());
    }

    #[test]
    fn settings_survive_their_codec() {
        let settings = ExportSettings {
            has_tls: true,
            host: "otel".to_owned(),
            port: 4_318,
            authority: "otel:4318".to_owned(),
            path: "/v1/metrics".to_owned(),
            interval: Duration::from_secs(9),
            authorities: Some("pem".to_owned()),
            headers: vec![header("a", "b")],
        };
        let bytes = settings.encode();
        assert!(ExportSettings::decode(&bytes).unwrap() == settings);
        for length in 0..bytes.len() {
            assert!(ExportSettings::decode(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn tokens_are_only_sent_with_tls() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("headers");
        TrustedFile::private(&file).update::<files::FileError>(4_096, |_| Ok(b"A: b".to_vec())).unwrap();
        let read = |url: &str| {
            let mut config = Config::default();
            config.enforce("Metrics/OtlpUrl", url).unwrap();
            config.enforce("Metrics/OtlpHeaders", file.to_str().unwrap()).unwrap();
            ExportSettings::read(&config)
        };
        let settings = read("http://127.0.0.1:1").unwrap().unwrap();
        assert_eq!((settings.path.as_str(), settings.headers.len()), (DEFAULT_PATH, 1));
        assert!(read("https://otel").unwrap().is_some());
        let error = read("http://otel").err().unwrap().to_string();
        assert!(error.contains("only sent with TLS"), "{error}");
        assert!(read("").unwrap().is_none());
    }

    #[test]
    fn an_overloaded_receiver_decides_the_time_of_the_next_request() {
        let seconds = Duration::from_secs;
        let response = |status: u16, retry_after: Option<&str>| HttpResponse {
            status,
            retry_after: retry_after.map(str::to_owned),
            content_type: None,
            body: Vec::new(),
        };
        let mut delay = Delay::of(seconds(60));
        for (status, retry_after, expected) in [
            (503, Some("90"), 90),
            (503, Some("5"), 60),
            (429, Some("999999"), 3_600),
            (200, None, 60),
            (503, None, 120),
            (504, None, 240),
            (502, None, 300),
            (429, None, 300),
            (400, Some("90"), 60),
            (429, None, 120),
        ] {
            assert_eq!(delay.after(Some(&response(status, retry_after)), 0), seconds(expected), "{status}");
        }
        assert_eq!(delay.after(None, 0), seconds(60), "no response");
        let mut slow = Delay::of(seconds(900));
        assert_eq!(slow.after(Some(&response(503, None)), 0), seconds(900));
    }
}
