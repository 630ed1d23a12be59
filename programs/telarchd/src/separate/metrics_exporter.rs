//! Process that sends the metrics of the gateway to a receiver of OpenTelemetry, and its supervision by the broker.
//!
//! The gateway cannot open connections, and only root may read the token of the receiver. The broker reads the files,
//! starts the process as the user of the gateway, and sends it the settings with a socket to the gateway. Another
//! gateway, or other settings, get another process.

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, BrokerMessage, Link};
use config::Store;
use metrics::{ExportOutcome, Snapshot};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::METRICS_EXPORTER;
use super::supervised_process::{Process, Restart, ended};
use super::user::UserIds;
use crate::child_process::{stdin_socket, this_program};
use crate::event_layers::begin_log;
use crate::log::{one_line, relay};
use crate::metrics_export::{ExportSettings, SnapshotSource, send_metrics};

/// Runs the process until the broker closes its socket, or the gateway its connection.
pub(super) fn run(uid: u32, gid: u32) -> Result<ExitCode, Box<dyn Error>> {
    let link = Link::from_inherited(stdin_socket()?)?;
    begin_log(None);
    let _ = rustix::process::setsid();
    std::env::set_current_dir("/")?;
    confinement::require_one_thread()?;
    confinement::set_groups(&[])?;
    confinement::become_user(uid, gid)?;
    confinement::confine_sender()?;
    let Some(mut frame) = link.receive()? else { return Ok(ExitCode::SUCCESS) };
    let settings = ExportSettings::decode(&frame.message)?;
    let gateway = frame.descriptors.pop().ok_or("the broker has sent no connection to the gateway")?;
    std::thread::Builder::new().name("broker".to_owned()).spawn(move || {
        let _ = link.receive();
        // A request may still wait for the receiver.
        std::process::exit(0);
    })?;
    send_metrics(&settings, &mut GatewayConnection(gateway.into()))?;
    Ok(ExitCode::SUCCESS)
}

/// Connection to the gateway, which answers each outcome of the previous request with a snapshot.
struct GatewayConnection(UnixStream);

impl SnapshotSource for GatewayConnection {
    fn wait(&mut self, time: Duration) -> io::Result<bool> {
        self.0.set_read_timeout(Some(time))?;
        // The gateway sends nothing by itself.
        match self.0.read(&mut [0]) {
            Ok(0) => Ok(false),
            Ok(_) => Err(io::ErrorKind::InvalidData.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn snapshot(&mut self, last: Option<ExportOutcome>) -> io::Result<Option<Snapshot>> {
        self.0.set_read_timeout(Some(GATEWAY_TIMEOUT))?;
        self.0.write_all(&ExportOutcome::encode(last))?;
        let mut length = [0; 4];
        match self.0.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > Snapshot::MAX_LENGTH {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the metrics are too long"));
        }
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Snapshot::from_bytes(&bytes).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Time limit for a snapshot of the gateway.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(30);

/// Supervisor of the process.
#[derive(Clone)]
pub(super) struct MetricsExporter {
    requests: mpsc::UnboundedSender<Request>,
}

/// Request of the broker.
enum Request {
    /// Reads settings and files again; an unchanged process continues.
    ReadSettings { reports_errors_again: bool },
    /// Serves another gateway.
    Gateway(Arc<Broker>),
    /// Ends the process.
    End(oneshot::Sender<()>),
}

impl MetricsExporter {
    /// Starts the supervisor. `user` is the user of the process.
    pub(super) fn start(store: &Arc<Store>, user: UserIds) -> Self {
        let (requests, queue) = mpsc::unbounded_channel();
        let mut supervisor = Supervisor {
            store: Arc::clone(store),
            user,
            gateway: None,
            wanted: None,
            error: None,
            process: None,
            restart: Restart::default(),
        };
        supervisor.read_settings();
        tokio::spawn(supervisor.run(queue));
        Self { requests }
    }

    /// Connects a new process with another gateway.
    pub(super) fn serve(&self, gateway: &Arc<Broker>) {
        let _ = self.requests.send(Request::Gateway(Arc::clone(gateway)));
    }

    /// Reads settings and files after a change of the settings.
    pub(super) fn follow(&self) {
        let _ = self.requests.send(Request::ReadSettings { reports_errors_again: false });
    }

    /// Reads settings and files at the request of the administrator.
    pub(super) fn reload(&self) {
        let _ = self.requests.send(Request::ReadSettings { reports_errors_again: true });
    }

    /// Ends the process, and waits at most `patience` for it.
    pub(super) async fn end(&self, patience: Duration) {
        let (sender, ended) = oneshot::channel();
        if self.requests.send(Request::End(sender)).is_ok() {
            let _ = timeout(patience, ended).await;
        }
    }
}

struct Supervisor {
    store: Arc<Store>,
    user: UserIds,
    gateway: Option<Arc<Broker>>,
    /// `None` while no metrics are sent.
    wanted: Option<ExportSettings>,
    /// Reported error of the settings.
    error: Option<String>,
    process: Option<Process>,
    restart: Restart,
}

impl Supervisor {
    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        loop {
            let is_startable = self.process.is_none() && self.wanted.is_some();
            tokio::select! {
                request = requests.recv() => match request {
                    Some(Request::ReadSettings { reports_errors_again }) => {
                        if reports_errors_again {
                            self.error = None;
                        }
                        if self.read_settings() {
                            self.replace().await;
                        }
                    }
                    Some(Request::Gateway(gateway)) => {
                        self.gateway = Some(gateway);
                        self.replace().await;
                    }
                    Some(Request::End(done)) => {
                        self.stop().await;
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                status = ended(self.process.as_mut()) => {
                    let lived = self.process.take().map_or(Duration::ZERO, |process| process.age());
                    tracing::debug!(?status, "Process that sends metrics has ended");
                    self.restart.schedule(lived);
                }
                () = self.restart.due(is_startable) => self.start(),
            }
        }
    }

    /// Reads settings and files; returns whether they have changed.
    fn read_settings(&mut self) -> bool {
        let (wanted, error) = match ExportSettings::read(&self.store.snapshot()) {
            Ok(wanted) => (wanted, None),
            Err(error) => (None, Some(one_line(&*error).to_string())),
        };
        if let Some(error) = error.as_ref().filter(|error| self.error.as_ref() != Some(error)) {
            tracing::error!(error, "Cannot send metrics");
        }
        self.error = error;
        let is_changed = wanted != self.wanted;
        self.wanted = wanted;
        is_changed
    }

    /// Starts a process with the current settings and gateway instead of the running one.
    async fn replace(&mut self) {
        self.stop().await;
        self.restart = Restart::default();
        self.start();
    }

    async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop("process that sends metrics").await;
        }
    }

    /// Starts the process if metrics are sent; an error is repeated later.
    fn start(&mut self) {
        let (Some(wanted), Some(gateway)) = (&self.wanted, &self.gateway) else { return };
        match start_process(wanted, gateway, &self.user) {
            Ok(process) => self.process = Some(process),
            Err(error) => {
                tracing::error!(error = one_line(&*error), "Cannot start the process that sends metrics");
                self.restart.schedule(Duration::ZERO);
            }
        }
    }
}

/// Starts a process, and connects it with the gateway.
fn start_process(
    settings: &ExportSettings,
    gateway: &Broker,
    user: &UserIds,
) -> Result<Process, Box<dyn Error>> {
    let (link, theirs) = Link::pair()?;
    let mut command = this_program("telarchd: metrics", &["SSL_CERT_FILE", "SSL_CERT_DIR"]);
    command.arg(METRICS_EXPORTER).arg(user.uid.to_string()).arg(user.gid.to_string());
    command.stdin(OwnedFd::from(theirs)).stderr(relay::stderr_for("metrics"));
    let process = Process::spawn(command, link, "metrics exporter")?;
    let (ours, other) = UnixStream::pair()?;
    process.link.send(&settings.encode(), &[ours.as_fd()])?;
    gateway.announce(&BrokerMessage::MetricsExporter, &[other.as_fd()]);
    Ok(process)
}
