//! Supervision of the process that collects events, by the broker.
//!
//! A task of the broker starts the process while the settings enable it, restarts it when it ends, and connects it with
//! the current gateway. The broker reads the administrator's files for it, and does not interpret them.

use std::error::Error;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, BrokerMessage, CollectorCommand, CollectorFiles, Link};
use config::{Config, Paths, Store};
use locks::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::EVENT_COLLECTOR;
use super::supervised_process::{Process, Restart, ended};
use super::user::UserIds;
use crate::child_process::this_program;
use crate::event_collector::read_files;
use crate::folder_watch::FolderWatch;
use crate::log::{one_line, relay};

/// Supervisor of the collector's process.
#[derive(Clone)]
pub(super) struct EventCollector {
    requests: mpsc::UnboundedSender<Request>,
    /// State for the next gateway.
    state: Arc<Mutex<State>>,
}

/// State of the collector for gateways.
#[derive(Clone, Copy, Default)]
struct State {
    is_enabled: bool,
    requests_certificates: bool,
}

impl State {
    fn message(self) -> BrokerMessage {
        let Self { is_enabled, requests_certificates } = self;
        BrokerMessage::EventCollector { is_enabled, requests_certificates }
    }
}

/// Request of the broker.
enum Request {
    /// Reads settings and files again.
    Follow,
    /// Serves another gateway.
    Gateway(Arc<Broker>),
    /// Ends the process.
    End(oneshot::Sender<()>),
}

impl EventCollector {
    /// Starts the supervisor, and the process if the settings enable it. `user` is the user of the process.
    pub(super) fn start(store: &Arc<Store>, paths: &Paths, user: UserIds) -> io::Result<Self> {
        let (requests, queue) = mpsc::unbounded_channel();
        let state = Arc::new(Mutex::new(State::default()));
        let mut supervisor = Supervisor {
            store: Arc::clone(store),
            // The process has another working directory.
            folder: std::path::absolute(&paths.state)?,
            paths: paths.clone(),
            user,
            state: Arc::clone(&state),
            gateway: None,
            wanted: None,
            process: None,
            restart: Restart::default(),
        };
        supervisor.follow();
        tokio::spawn(supervisor.run(queue));
        Ok(Self { requests, state })
    }

    /// Returns the first message about the collector to a new gateway.
    pub(super) fn announcement(&self) -> BrokerMessage {
        self.state.lock().message()
    }

    /// Connects the process with another gateway.
    pub(super) fn serve(&self, gateway: &Arc<Broker>) {
        let _ = self.requests.send(Request::Gateway(Arc::clone(gateway)));
    }

    /// Reads settings and files again.
    pub(super) fn follow(&self) {
        let _ = self.requests.send(Request::Follow);
    }

    /// Ends the process, and waits at most `patience` for it.
    pub(super) async fn end(&self, patience: Duration) {
        let (sender, ended) = oneshot::channel();
        if self.requests.send(Request::End(sender)).is_ok() {
            let _ = timeout(patience, ended).await;
        }
    }
}

/// Settings and files of a process.
struct Wanted {
    settings: Vec<(String, String)>,
    files: CollectorFiles,
}

impl Wanted {
    /// Returns whether only the subscriptions may differ.
    fn differs_in_subscriptions_only(&self, other: &Self) -> bool {
        let (files, others) = (&self.files, &other.files);
        (&self.settings, &files.authorities, &files.outputs, &files.store)
            == (&other.settings, &others.authorities, &others.outputs, &others.store)
            && (&files.keytab, &files.certificate) == (&others.keytab, &others.certificate)
    }
}

struct Supervisor {
    store: Arc<Store>,
    folder: PathBuf,
    paths: Paths,
    user: UserIds,
    state: Arc<Mutex<State>>,
    gateway: Option<Arc<Broker>>,
    /// `None` while the collector is disabled or its files cannot be read.
    wanted: Option<Wanted>,
    process: Option<Process>,
    restart: Restart,
}

impl Supervisor {
    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let subscriptions = FolderWatch::of(self.paths.event_subscriptions.clone(), "event subscriptions");
        loop {
            let is_startable = self.process.is_none() && self.wanted.is_some();
            tokio::select! {
                request = requests.recv() => match request {
                    Some(Request::Follow) => self.follow(),
                    Some(Request::Gateway(gateway)) => {
                        self.gateway = Some(gateway);
                        self.connect();
                    }
                    Some(Request::End(done)) => {
                        self.stop().await;
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                () = subscriptions.changed() => self.follow(),
                status = ended(self.process.as_mut()) => self.note_end(status),
                () = self.restart.due(is_startable) => self.start(),
            }
            if self.process.as_ref().is_some_and(|_| self.wanted.is_none()) {
                self.stop().await;
            }
        }
    }

    /// Starts or stops the process, or sends it new subscriptions, according to settings and files.
    fn follow(&mut self) {
        let config = self.store.snapshot();
        if !config.event_collector.enabled {
            self.wanted = None;
            return self.announce(State::default());
        }
        let files = match read_files(&self.paths, &config.event_collector) {
            Ok(files) => files,
            Err(error) => {
                tracing::error!(
                    error = one_line(&*error),
                    "Cannot read the files of the collector of events"
                );
                // A running collector keeps its files. Sources repeat their messages if there is none.
                let state = State { is_enabled: true, ..*self.state.lock() };
                return self.announce(state);
            }
        };
        let defaults = Config::default();
        let settings = config.differences(&defaults).filter(|one| is_of_collector(one.path()));
        let settings = settings.map(|one| (one.path().to_owned(), one.show(&config).into_owned())).collect();
        let wanted = Wanted { settings, files };
        let requests_certificates = !wanted.files.authorities.is_empty();
        self.announce(State { is_enabled: true, requests_certificates });
        let previous = self.wanted.replace(wanted);
        let (Some(wanted), Some(process)) = (&self.wanted, &self.process) else {
            self.restart = Restart::default();
            return self.start();
        };
        match previous {
            Some(previous) if previous.differs_in_subscriptions_only(wanted) => {
                // Also sent if nothing has changed: wecutil rs lets the collector connect to its sources at once.
                let CollectorFiles { subscriptions, passwords, .. } = &wanted.files;
                let (files, passwords) = (subscriptions.clone(), passwords.clone());
                let command = CollectorCommand::Subscriptions { files, passwords };
                let _ = process.link.send(&command.encode(), &[]);
            }
            // The next process begins with the new settings.
            _ => {
                tracing::info!("Restarting the collector of events with changed settings");
                process.link.close();
            }
        }
    }

    /// Starts the process; an error is repeated later.
    fn start(&mut self) {
        match self.try_start() {
            Ok(process) => {
                self.process = process;
                self.connect();
            }
            Err(error) => {
                tracing::error!(error = one_line(&*error), "Cannot start the collector of events");
                self.restart.schedule(Duration::ZERO);
            }
        }
    }

    fn try_start(&self) -> Result<Option<Process>, Box<dyn Error>> {
        let Some(wanted) = &self.wanted else { return Ok(None) };
        let (link, theirs) = Link::pair()?;
        let mut command = this_program("telarchd: events", &["SSL_CERT_FILE", "SSL_CERT_DIR"]);
        command.arg(EVENT_COLLECTOR).arg(self.user.uid.to_string()).arg(self.user.gid.to_string());
        command.arg(&self.folder).stdin(OwnedFd::from(theirs)).stderr(relay::stderr_for("events"));
        let process = Process::spawn(command, link, "event collector")?;
        let begin =
            CollectorCommand::Begin { settings: wanted.settings.clone(), files: wanted.files.clone() };
        process.link.send(&begin.encode(), &[])?;
        Ok(Some(process))
    }

    /// Connects process and gateway.
    fn connect(&self) {
        let (Some(process), Some(gateway)) = (&self.process, &self.gateway) else { return };
        let connected = UnixStream::pair().and_then(|(ours, theirs)| {
            process.link.send(&CollectorCommand::ServeGateway.encode(), &[ours.as_fd()])?;
            gateway.announce(&self.state.lock().message(), &[theirs.as_fd()]);
            Ok(())
        });
        if let Err(error) = connected {
            tracing::error!(%error, "Cannot connect the collector of events with the gateway");
        }
    }

    /// Tells the gateway whether there is a collector.
    fn announce(&self, state: State) {
        *self.state.lock() = state;
        if let Some(gateway) = &self.gateway {
            gateway.announce(&state.message(), &[]);
        }
    }

    /// Plans the next start after the process has ended.
    fn note_end(&mut self, status: io::Result<ExitStatus>) {
        let lived = self.process.take().map_or(Duration::ZERO, |process| process.age());
        match status {
            Ok(status) if status.success() => tracing::info!("Collector of events has ended"),
            Ok(status) => tracing::error!(%status, "Collector of events has ended"),
            Err(error) => tracing::error!(%error, "Cannot wait for the collector of events"),
        }
        self.restart.schedule(lived);
    }

    /// Ends the process, and kills it if it does not end in time.
    async fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            tracing::info!("Ending the collector of events");
            process.stop("collector of events").await;
        }
    }
}

/// Returns whether the collector uses a setting. Those of clients apply to the sources of collector-initiated
/// subscriptions.
fn is_of_collector(path: &str) -> bool {
    path.starts_with("EventCollector/") || path.starts_with("Client/")
}
