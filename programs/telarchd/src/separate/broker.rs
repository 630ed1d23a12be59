//! Broker process: keeps root's rights, and starts and stops all other processes.

use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, ExitCode, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounts::UnixUsers;
use auth::Authenticator;
use broker::{Broker, BrokerMessage, Link, LocalConnections, Notice, PrivilegedOperations};
use config::Store;
use locks::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use service::{LocalSocket, ServiceManager};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::event_collector::EventCollector;
use super::hosts::{Hosts, TokenSource};
use super::metrics_exporter::MetricsExporter;
use super::privileged_operations::MachineOperations;
use super::require_user;
use super::subscriptions::Subscriptions;
use crate::arguments::Persistent;
use crate::audit::AuditFile;
use crate::child_process::this_program;
use crate::inherited::Inherited;
use crate::log::relay;
use crate::open_files::OpenFiles;
use crate::persistent::delegation::{self, UserGroups, UserLimits};
use crate::persistent::policies::watch_policies;
use crate::persistent::{Files, local_sockets, manager, sign_in, watchdog_interval};
use crate::quick_config::QuickConfig;
use crate::run_as_check;
use crate::signals::{SignalRequest, Signals};

/// Runs the broker until a signal arrives.
pub(super) fn run(
    arguments: &Persistent,
    inherited: Inherited,
    audit: AuditFile,
) -> Result<ExitCode, Box<dyn Error>> {
    confinement::use_few_heaps();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(serve(arguments, inherited, audit));
    // A worker thread may be blocked in PAM.
    runtime.shutdown_timeout(Duration::from_millis(200));
    done
}

async fn serve(
    arguments: &Persistent,
    inherited: Inherited,
    audit: AuditFile,
) -> Result<ExitCode, Box<dyn Error>> {
    let mut signals = Signals::listen()?;
    let (mut broker, GatewayEvents { mut notices, mut ends }) =
        BrokerProcess::begin(arguments, inherited, audit)?;
    let store = Arc::clone(&broker.files.store);
    let mut ticks = tokio::time::interval(SCHEME_CHECK_INTERVAL);
    let watch = watch_policies(&store);
    let mut states = store.subscribe();
    let mut announced = Arc::clone(&states.borrow_and_update().policies);
    let (signal, code) = loop {
        tokio::select! {
            request = signals.next() => match request {
                SignalRequest::End(signal) => break (signal, ExitCode::SUCCESS),
                SignalRequest::Reload => broker.reload().await,
            },
            () = watch.changed() => broker.files.reload_policies().await,
            Ok(()) = states.changed() => {
                let now = Arc::clone(&states.borrow_and_update().policies);
                broker.subscriptions.follow(&store.snapshot().wmi);
                broker.collector.follow();
                broker.exporter.follow();
                broker.hosts.end_outdated(&store.state());
                limit_users(broker.groups.as_ref(), &store);
                if now != announced {
                    broker.gateway.announce(&policies(&store), &[]);
                    announced = now;
                }
            },
            // Changes of accounts can make a scheme available or unavailable.
            _ = ticks.tick() => {
                broker.release_memory();
                broker.gateway.announce_schemes();
                broker.subscriptions.follow(&store.snapshot().wmi);
            }
            Some(notice) = notices.recv() => broker.notice(&notice),
            Some(status) = ends.recv() => broker.restart_gateway(status)?,
        }
    };
    tracing::info!(signal, "Ending");
    broker.end(&mut ends).await;
    Ok(code)
}

/// State of the broker process.
struct BrokerProcess {
    manager: Arc<ServiceManager>,
    audit: AuditFile,
    files: Files,
    hosts: Arc<Hosts>,
    launcher: GatewayLauncher,
    gateway: Arc<Broker>,
    /// The running gateway, for the tasks that accept local connections; `None` while it is restarted.
    current: CurrentGateway,
    restarts: Restarts,
    subscriptions: Subscriptions,
    collector: EventCollector,
    exporter: MetricsExporter,
    /// Number of requests and local connections when memory was last released.
    served: u64,
    /// Control groups of users, if the service manager has delegated one.
    groups: Option<Arc<UserGroups>>,
}

/// Shared reference to the running gateway.
type CurrentGateway = Arc<Mutex<Option<Arc<Broker>>>>;

/// Channels of reports and exits of the gateway.
struct GatewayEvents {
    notices: mpsc::Receiver<Notice>,
    ends: mpsc::UnboundedReceiver<ExitStatus>,
}

impl BrokerProcess {
    /// Opens the files, and starts the first gateway.
    fn begin(
        arguments: &Persistent,
        inherited: Inherited,
        audit: AuditFile,
    ) -> Result<(Self, GatewayEvents), Box<dyn Error>> {
        let manager = manager();
        for refused in &inherited.refused {
            tracing::warn!(error = refused, "Cannot use an inherited descriptor");
        }
        let groups = delegation::prepare().map(UserGroups::new);
        let files = Files::open(arguments)?;
        limit_users(groups.as_ref(), &files.store);
        run_as_check::log_problems(&files.store.state(), &files.users);
        let user = require_user(&files.users, &arguments.separate.gateway_user)?;
        let collector = EventCollector::start(&files.store, &arguments.paths, user.clone())?;
        let exporter = MetricsExporter::start(&files.store, user);
        let (sign_in, principals) = sign_in(&files)?;
        let sign_in = Arc::new(sign_in);
        let sign_in_state = files.sign_in_state(&sign_in);
        sign_in_state.warn();
        let principals = Arc::new(principals);
        let principals_of_hosts = Arc::clone(&principals);
        let tokens: TokenSource =
            Arc::new(move |account| service::Principals::token(principals_of_hosts.as_ref(), account));
        let (idle, state) = (arguments.separate.host_idle, arguments.paths.state.clone());
        let hosts = Arc::new(Hosts::new(idle, state, groups.clone(), tokens));
        let (noticing, notices) = mpsc::channel(MAX_NOTICES);
        let machine = MachineOperations {
            sign_in: Arc::clone(&sign_in),
            principals,
            users: files.users.clone(),
            store: Arc::clone(&files.store),
            certificates: Arc::clone(&files.certificates),
            quick_config: QuickConfig::new(&arguments.paths),
            sign_in_state,
            hosts: Arc::clone(&hosts),
            notices: noticing,
        };
        let (ending, ends) = mpsc::unbounded_channel();
        let launcher = GatewayLauncher {
            store: Arc::clone(&files.store),
            authenticator: sign_in,
            operations: Arc::new(machine),
            sockets: inherited.network.into_iter().map(OwnedFd::from).collect(),
            audit: audit.clone(),
            collector: collector.clone(),
            exporter: exporter.clone(),
            ending,
        };
        let current = CurrentGateway::default();
        let locals = Arc::new(LocalConnections::start(OpenFiles::raise().limit())?);
        for socket in local_sockets(arguments, inherited.local)? {
            let (locals, users) = (Arc::clone(&locals), Arc::new(files.users.clone()));
            tokio::spawn(accept(socket, Arc::clone(&current), locals, users));
        }
        let gateway = launcher.start()?;
        set(&current, Some(Arc::clone(&gateway)));
        let mut subscriptions = Subscriptions::new(&arguments.paths.state, audit.clone())?;
        subscriptions.follow(&files.store.snapshot().wmi);
        let restarts = Restarts::default();
        let broker = Self {
            manager,
            audit,
            files,
            hosts,
            launcher,
            gateway,
            current,
            restarts,
            subscriptions,
            collector,
            exporter,
            served: 0,
            groups,
        };
        Ok((broker, GatewayEvents { notices, ends }))
    }

    /// Reloads everything, here and in the gateway.
    async fn reload(&mut self) {
        self.manager.reloading();
        self.audit.reopen();
        self.files.reload().await;
        self.collector.follow();
        self.exporter.reload();
        self.gateway.announce_schemes();
        self.gateway.announce(&BrokerMessage::Reload(self.files.store.text()), &[]);
    }

    /// Returns free memory to the system if there was work since the last call.
    fn release_memory(&mut self) {
        let served = self.gateway.served();
        if served != self.served {
            self.served = served;
            confinement::release_free_memory();
        }
    }

    /// Forwards a state report of the gateway to the service manager.
    fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Ready => {
                self.restarts.was_ready = true;
                self.manager.ready();
            }
            Notice::Status(text) => self.manager.status(text),
            Notice::Alive => self.manager.alive(),
        }
    }

    /// Restarts the gateway after its end, unless it failed too often.
    fn restart_gateway(&mut self, status: ExitStatus) -> Result<(), Box<dyn Error>> {
        tracing::error!(%status, "Gateway has ended");
        set(&self.current, None);
        if !self.restarts.record_restart(Instant::now()) {
            self.hosts.end(END_TIMEOUT);
            return Err("the gateway process ends repeatedly; see the log".into());
        }
        self.gateway = self.launcher.start()?;
        set(&self.current, Some(Arc::clone(&self.gateway)));
        Ok(())
    }

    /// Stops the gateway, and the hosts after it.
    async fn end(&mut self, ends: &mut mpsc::UnboundedReceiver<ExitStatus>) {
        self.manager.stopping();
        set(&self.current, None);
        self.gateway.announce(&BrokerMessage::Stop, &[]);
        // The gateway allows 3 seconds for pending requests and 2 more for their responses.
        if timeout(Duration::from_secs(7), ends.recv()).await.is_err() {
            tracing::warn!("Killing the gateway, which does not end");
            self.gateway.close();
            let _ = timeout(END_TIMEOUT, ends.recv()).await;
        }
        self.collector.end(END_TIMEOUT).await;
        self.exporter.end(END_TIMEOUT).await;
        self.hosts.end(END_TIMEOUT);
        self.subscriptions.end();
        self.audit.finish(RECORDS_TIMEOUT);
        relay::finish(RECORDS_TIMEOUT);
    }
}

/// Starts gateways.
struct GatewayLauncher {
    store: Arc<Store>,
    authenticator: Arc<dyn Authenticator>,
    operations: Arc<dyn PrivilegedOperations>,
    /// Listening sockets that stay open when a gateway ends.
    sockets: Vec<OwnedFd>,
    audit: AuditFile,
    collector: EventCollector,
    exporter: MetricsExporter,
    ending: mpsc::UnboundedSender<ExitStatus>,
}

impl GatewayLauncher {
    fn start(&self) -> io::Result<Arc<Broker>> {
        let (link, theirs) = Link::pair()?;
        // The broker notifies the service manager; WATCHDOG_USEC tells the gateway how often to report.
        let interval = watchdog_interval();
        let of_manager: &[&str] = if interval.is_some() { &["WATCHDOG_USEC"] } else { &[] };
        let mut command = this_program("telarchd: gateway", of_manager);
        command.args(std::env::args_os().skip(1)).arg("--gateway").stdin(OwnedFd::from(theirs));
        command.stdout(self.audit.pipe_for("gateway")?).stderr(relay::stderr_for("gateway"));
        let child = command.spawn()?;
        drop(command);
        let broker = Broker::new(link, Arc::clone(&self.authenticator), Arc::clone(&self.operations));
        broker.announce(&policies(&self.store), &[]);
        broker.announce(&self.collector.announcement(), &[]);
        self.collector.serve(&broker);
        self.exporter.serve(&broker);
        if !self.sockets.is_empty() {
            let sockets: Vec<_> = self.sockets.iter().map(OwnedFd::as_fd).collect();
            broker.announce(&BrokerMessage::ListeningSockets, &sockets);
        }
        let (served, ending) = (Arc::clone(&broker), self.ending.clone());
        std::thread::Builder::new()
            .name("gateway".to_owned())
            .spawn(move || serve_gateway(&served, child, &ending))?;
        Ok(broker)
    }
}

/// Sets the common limit of each user's shells from the settings.
fn limit_users(groups: Option<&Arc<UserGroups>>, store: &Store) {
    if let Some(groups) = groups {
        groups.limit(UserLimits::from_settings(&store.snapshot().winrs));
    }
}

/// Returns the message with the effective policies, without the content of the policy files.
fn policies(store: &Store) -> BrokerMessage {
    BrokerMessage::PoliciesChanged(store.state().policies.to_text())
}

/// Serves a gateway until it ends, and kills it if it violates the protocol.
fn serve_gateway(broker: &Arc<Broker>, mut child: Child, ending: &mpsc::UnboundedSender<ExitStatus>) {
    let is_honest = match catch_unwind(AssertUnwindSafe(|| broker.serve())) {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "Killing the gateway: it violated the protocol");
            false
        }
        Err(_) => {
            tracing::error!("Killing the gateway: serving it panicked");
            false
        }
    };
    broker.close();
    // A stopped or compromised gateway does not end when its link is closed.
    if !is_honest || !ends_within(&child, DRAIN_TIMEOUT) {
        let _ = child.kill();
    }
    match child.wait() {
        Ok(status) => _ = ending.send(status),
        Err(error) => tracing::error!(%error, "Cannot wait for the gateway to end"),
    }
}

/// Waits for the end of a process; returns `false` if the time is over first.
fn ends_within(child: &Child, time: Duration) -> bool {
    let opened = pidfd_open(Pid::from_child(child), PidfdFlags::empty());
    let Ok(process) = opened.inspect_err(|error| tracing::debug!(%error, "Cannot wait for a process")) else {
        return false;
    };
    let timeout = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: 0 };
    let mut waited = [PollFd::new(&process, PollFlags::IN)];
    matches!(poll(&mut waited, Some(&timeout)), Ok(count) if count > 0)
}

/// Accepts local connections and passes them to the gateway, with a limit per user.
async fn accept(
    socket: LocalSocket,
    current: CurrentGateway,
    locals: Arc<LocalConnections>,
    users: Arc<UnixUsers>,
) {
    loop {
        let stream = match socket.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::error!(%error, "Cannot accept local connections");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (current, users, log) = (Arc::clone(&current), Arc::clone(&users), Arc::clone(&locals));
        locals.admit(stream, move |connection| {
            let broker = current.lock().clone();
            // The gateway is being restarted.
            let Some(broker) = broker else { return connection.decline() };
            let uid = connection.uid();
            if let Err(error) = broker.hand_over(connection, users.as_ref()) {
                log.warn(uid, &error);
            }
        });
    }
}

fn set(current: &Mutex<Option<Arc<Broker>>>, to: Option<Arc<Broker>>) {
    *current.lock() = to;
}

/// Recent restarts of the gateway.
#[derive(Default)]
struct Restarts {
    /// Whether a gateway has ever been ready.
    was_ready: bool,
    recent: VecDeque<Instant>,
}

impl Restarts {
    /// Records a restart; returns `false` if no gateway was ever ready, or there were too many in the last minute.
    fn record_restart(&mut self, now: Instant) -> bool {
        self.recent.retain(|then| now.duration_since(*then) < Duration::from_secs(60));
        self.recent.push_back(now);
        self.was_ready && self.recent.len() <= 5
    }
}

/// Interval at which available schemes are checked.
const SCHEME_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Maximum number of state reports of the gateway that wait for the service manager.
const MAX_NOTICES: usize = 64;

/// Time for a gateway to end after its link is closed: 3 seconds for pending requests, 2 for their responses, and a
/// margin.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Time to write the last records and log lines of processes that have ended.
const RECORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for hosts, and for a gateway that was killed, to end.
const END_TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_ends_repeatedly_is_not_restarted() {
        let now = Instant::now();
        let mut never = Restarts::default();
        assert!(!never.record_restart(now), "it has never served");
        let mut restarts = Restarts { was_ready: true, recent: VecDeque::new() };
        assert!((0..5).all(|_| restarts.record_restart(now)));
        assert!(!restarts.record_restart(now));
        assert!(restarts.record_restart(now + Duration::from_secs(61)), "earlier restarts are forgotten");
    }
}
