//! The broker: keeps root's rights, and starts and ends everything else.

use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, ExitCode, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use accounts::UnixUsers;
use auth::Authenticator;
use broker::{Broker, BrokerMessage, Link, LocalConnections, Notice, PrivilegedOperations};
use config::Store;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use service::{LocalSocket, ServiceManager, watchdog};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::duties::Machine;
use super::hosts::{Hosts, Judge};
use super::subscriptions::Subscriptions;
use super::{require_user, this_program};
use crate::allocator;
use crate::arguments::Persistent;
use crate::audit::AuditFile;
use crate::inherited::Inherited;
use crate::log::relay;
use crate::open_files::OpenFiles;
use crate::persistent::delegation::{self, UserGroups, UserLimits};
use crate::persistent::policies::PolicyWatch;
use crate::persistent::{Files, local_sockets, manager, sign_in};
use crate::quick_config::QuickConfig;
use crate::signals::{Signals, Wish};

/// Is the broker until a signal ends it.
pub(super) fn run(
    arguments: &Persistent,
    inherited: Inherited,
    audit: AuditFile,
) -> Result<ExitCode, Box<dyn Error>> {
    allocator::use_few_heaps();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(serve(arguments, inherited, audit));
    // A question may still wait for PAM.
    runtime.shutdown_timeout(Duration::from_millis(200));
    done
}

async fn serve(
    arguments: &Persistent,
    inherited: Inherited,
    audit: AuditFile,
) -> Result<ExitCode, Box<dyn Error>> {
    let mut signals = Signals::listen()?;
    let (mut serving, Heard { mut notices, mut ends }) = Serving::begin(arguments, inherited, audit)?;
    let store = Arc::clone(&serving.files.store);
    let mut ticks = tokio::time::interval(SCHEMES_LOOKED_AT_EVERY);
    let watch = PolicyWatch::of(&store);
    let mut states = store.subscribe();
    let mut announced = Arc::clone(&states.borrow_and_update().policies);
    let (signal, code) = loop {
        tokio::select! {
            wish = signals.received() => match wish {
                Wish::End(signal) => break (signal, ExitCode::SUCCESS),
                Wish::Reload => serving.reload().await,
            },
            () = watch.changed() => serving.files.reload_policies().await,
            Ok(()) = states.changed() => {
                let now = Arc::clone(&states.borrow_and_update().policies);
                serving.subscriptions.follow(&store.snapshot().wmi);
                limit_users(serving.groups.as_ref(), &store);
                if now != announced {
                    serving.gateway.announce(&policies(&store), &[]);
                    announced = now;
                }
            },
            // An account of the file may have got or lost what a scheme takes.
            _ = ticks.tick() => {
                serving.keep_small();
                serving.gateway.announce_schemes();
                serving.subscriptions.follow(&store.snapshot().wmi);
            }
            Some(notice) = notices.recv() => serving.notice(&notice),
            Some(status) = ends.recv() => serving.start_again(status)?,
        }
    };
    tracing::info!(signal, "Ending");
    serving.end(&mut ends).await;
    Ok(code)
}

/// What the broker serves with.
struct Serving {
    manager: Arc<ServiceManager>,
    audit: AuditFile,
    files: Files,
    hosts: Arc<Hosts>,
    gateways: Gateways,
    gateway: Arc<Broker>,
    /// That gateway, for those who accept local connections.
    current: Current,
    restarts: Restarts,
    subscriptions: Subscriptions,
    /// Requests and local connections of the gateway when memory was given back the last time.
    served: u64,
    /// The control groups of users, where there are any.
    groups: Option<Arc<UserGroups>>,
}

/// The gateway there is, if there is one.
type Current = Arc<Mutex<Option<Arc<Broker>>>>;

/// What gateways are heard to say of themselves, and that they end.
struct Heard {
    notices: mpsc::Receiver<Notice>,
    ends: mpsc::UnboundedReceiver<ExitStatus>,
}

impl Serving {
    /// Opens everything that is there, and starts a gateway.
    fn begin(
        arguments: &Persistent,
        inherited: Inherited,
        audit: AuditFile,
    ) -> Result<(Self, Heard), Box<dyn Error>> {
        let manager = manager();
        for refused in &inherited.refused {
            tracing::warn!(error = refused, "What the service manager handed over cannot be used");
        }
        let groups = delegation::prepare().map(UserGroups::new);
        let files = Files::open(arguments)?;
        limit_users(groups.as_ref(), &files.store);
        require_user(&files.users, &arguments.separate.gateway_user)?;
        let (sign_in, principals) = sign_in(&files)?;
        let sign_in = Arc::new(sign_in);
        let principals = Arc::new(principals);
        let judging = Arc::clone(&principals);
        let judge: Judge = Arc::new(move |account| service::Principals::token(judging.as_ref(), account));
        let (idle, state) = (arguments.separate.host_idle, arguments.paths.state.clone());
        let hosts = Arc::new(Hosts::new(idle, state, groups.clone(), judge));
        let (noticing, notices) = mpsc::channel(MOST_NOTICES);
        let machine = Machine {
            sign_in: Arc::clone(&sign_in),
            principals,
            users: files.users.clone(),
            store: Arc::clone(&files.store),
            certificates: Arc::clone(&files.certificates),
            quick_config: QuickConfig::new(&arguments.paths),
            hosts: Arc::clone(&hosts),
            notices: noticing,
        };
        let (ending, ends) = mpsc::unbounded_channel();
        let gateways = Gateways {
            store: Arc::clone(&files.store),
            authenticator: sign_in,
            duties: Arc::new(machine),
            sockets: inherited.network.into_iter().map(OwnedFd::from).collect(),
            audit: audit.clone(),
            ending,
        };
        let current = Current::default();
        let locals = Arc::new(LocalConnections::start(OpenFiles::raise().limit())?);
        for socket in local_sockets(arguments, inherited.local)? {
            let (locals, users) = (Arc::clone(&locals), Arc::new(files.users.clone()));
            tokio::spawn(accept(socket, Arc::clone(&current), locals, users));
        }
        let gateway = gateways.start()?;
        set(&current, Some(Arc::clone(&gateway)));
        let mut subscriptions = Subscriptions::new(&arguments.paths.state, audit.clone())?;
        subscriptions.follow(&files.store.snapshot().wmi);
        let restarts = Restarts::default();
        let serving = Self {
            manager,
            audit,
            files,
            hosts,
            gateways,
            gateway,
            current,
            restarts,
            subscriptions,
            served: 0,
            groups,
        };
        Ok((serving, Heard { notices, ends }))
    }

    /// Reads everything again, here and in the gateway.
    async fn reload(&mut self) {
        self.manager.reloading();
        self.audit.reopen();
        self.files.reload().await;
        self.gateway.announce_schemes();
        self.gateway.announce(&BrokerMessage::Reload(self.files.store.text()), &[]);
    }

    /// Gives memory back to the system that the last seconds of work have left free.
    fn keep_small(&mut self) {
        let served = self.gateway.served();
        if served != self.served {
            self.served = served;
            allocator::give_back();
        }
    }

    /// The gateway says how it is, which the service manager wants to know.
    fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Ready => {
                self.restarts.works = true;
                self.manager.ready();
            }
            Notice::Status(text) => self.manager.status(text),
            Notice::Alive => self.manager.alive(),
        }
    }

    /// The gateway has ended, and is started again if that is of use.
    fn start_again(&mut self, status: ExitStatus) -> Result<(), Box<dyn Error>> {
        tracing::error!(%status, "The gateway has ended");
        set(&self.current, None);
        if !self.restarts.may_start_again(Instant::now()) {
            self.hosts.end(LONGEST_END);
            return Err("the gateway does not stay: the log says why".into());
        }
        self.gateway = self.gateways.start()?;
        set(&self.current, Some(Arc::clone(&self.gateway)));
        Ok(())
    }

    /// Ends the gateway, and the hosts after it.
    async fn end(&mut self, ends: &mut mpsc::UnboundedReceiver<ExitStatus>) {
        self.manager.stopping();
        set(&self.current, None);
        self.gateway.announce(&BrokerMessage::Stop, &[]);
        // It gives requests under way 3 seconds, and their answers 2 more.
        if timeout(Duration::from_secs(7), ends.recv()).await.is_err() {
            tracing::warn!("The gateway is ended by force");
            self.gateway.close();
            let _ = timeout(LONGEST_END, ends.recv()).await;
        }
        self.hosts.end(LONGEST_END);
        self.subscriptions.end();
        self.audit.finish(LONGEST_RECORDS);
        relay::finish(LONGEST_RECORDS);
    }
}

/// What every gateway is started with.
struct Gateways {
    store: Arc<Store>,
    authenticator: Arc<dyn Authenticator>,
    duties: Arc<dyn PrivilegedOperations>,
    /// They listen already, and stay open when a gateway ends.
    sockets: Vec<OwnedFd>,
    audit: AuditFile,
    ending: mpsc::UnboundedSender<ExitStatus>,
}

impl Gateways {
    fn start(&self) -> io::Result<Arc<Broker>> {
        let (link, theirs) = Link::pair()?;
        // The broker notifies the manager; WATCHDOG_USEC tells the gateway how often it has to report.
        let asks = |name: &str| std::env::var(name).ok();
        let interval =
            watchdog(asks("WATCHDOG_USEC").as_deref(), asks("WATCHDOG_PID").as_deref(), std::process::id());
        let of_manager: &[&str] = if interval.is_some() { &["WATCHDOG_USEC"] } else { &[] };
        let mut command = this_program("telarchd: gateway", of_manager);
        command.args(std::env::args_os().skip(1)).arg("--gateway").stdin(OwnedFd::from(theirs));
        command.stdout(self.audit.pipe_for("gateway")?).stderr(relay::stderr_for("gateway"));
        let child = command.spawn()?;
        drop(command);
        let broker = Broker::new(link, Arc::clone(&self.authenticator), Arc::clone(&self.duties));
        broker.announce(&policies(&self.store), &[]);
        if !self.sockets.is_empty() {
            let sockets: Vec<_> = self.sockets.iter().map(OwnedFd::as_fd).collect();
            broker.announce(&BrokerMessage::ListeningSockets, &sockets);
        }
        let (serving, ending) = (Arc::clone(&broker), self.ending.clone());
        std::thread::Builder::new()
            .name("gateway".to_owned())
            .spawn(move || attend(&serving, child, &ending))?;
        Ok(broker)
    }
}

/// Limits what all shells of a user take together, by the settings of now.
fn limit_users(groups: Option<&Arc<UserGroups>>, store: &Store) {
    if let Some(groups) = groups {
        groups.limit(UserLimits::of_settings(&store.snapshot().winrs));
    }
}

/// What the gateway is told of policies: what they amount to, and nothing else of their files.
fn policies(store: &Store) -> BrokerMessage {
    BrokerMessage::PoliciesChanged(store.state().policies.to_text())
}

/// Serves a gateway to its end, which comes at once if it says what no gateway says.
fn attend(broker: &Arc<Broker>, mut child: Child, ending: &mpsc::UnboundedSender<ExitStatus>) {
    let is_honest = match catch_unwind(AssertUnwindSafe(|| broker.serve())) {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "The gateway is ended: it does not speak as one");
            false
        }
        Err(_) => {
            tracing::error!("The gateway is ended: serving it panicked");
            false
        }
    };
    broker.close();
    // One that was stopped, or taken over, does not end because its link has.
    if !is_honest || !ends_within(&child, LONGEST_DRAIN) {
        let _ = child.kill();
    }
    match child.wait() {
        Ok(status) => _ = ending.send(status),
        Err(error) => tracing::error!(%error, "The end of the gateway cannot be seen"),
    }
}

/// Waits for the end of a process; returns whether it came in time.
fn ends_within(child: &Child, time: Duration) -> bool {
    let opened = pidfd_open(Pid::from_child(child), PidfdFlags::empty());
    let Ok(process) = opened.inspect_err(|error| tracing::debug!(%error, "A process cannot be watched"))
    else {
        return false;
    };
    let timeout = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: 0 };
    let mut waited = [PollFd::new(&process, PollFlags::IN)];
    matches!(poll(&mut waited, Some(&timeout)), Ok(count) if count > 0)
}

/// Accepts local connections and hands them over: the kernel names the user, and each user has a share.
async fn accept(socket: LocalSocket, current: Current, locals: Arc<LocalConnections>, users: Arc<UnixUsers>) {
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
            let broker = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // The gateway is being started again.
            let Some(broker) = broker else { return connection.decline() };
            let uid = connection.uid();
            if let Err(error) = broker.hand_over(connection, users.as_ref()) {
                log.warn(uid, &error);
            }
        });
    }
}

fn set(current: &Mutex<Option<Arc<Broker>>>, to: Option<Arc<Broker>>) {
    *current.lock().unwrap_or_else(PoisonError::into_inner) = to;
}

/// How often the gateway was started again.
#[derive(Default)]
struct Restarts {
    /// Whether any gateway has ever served.
    works: bool,
    recent: VecDeque<Instant>,
}

impl Restarts {
    /// A gateway that never served will not, and one that ends all the time is of no use.
    fn may_start_again(&mut self, now: Instant) -> bool {
        self.recent.retain(|then| now.duration_since(*then) < Duration::from_secs(60));
        self.recent.push_back(now);
        self.works && self.recent.len() <= 5
    }
}

/// How soon it is noticed that a scheme leads somewhere, or no longer.
const SCHEMES_LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

/// Maximum number of notices of the gateway that wait for the service manager to be told.
const MOST_NOTICES: usize = 64;

/// How long a gateway may take to end after its link: requests under way have 3 seconds, and their answers 2 more.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);
/// How long the last records and log lines of processes that have ended may take to be written.
const LONGEST_RECORDS: Duration = Duration::from_secs(1);

/// How long hosts, and a gateway that does not obey, may take to end.
const LONGEST_END: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_ends_all_the_time_is_given_up() {
        let now = Instant::now();
        let mut never = Restarts::default();
        assert!(!never.may_start_again(now), "it has never served");
        let mut restarts = Restarts { works: true, recent: VecDeque::new() };
        assert!((0..5).all(|_| restarts.may_start_again(now)));
        assert!(!restarts.may_start_again(now));
        assert!(
            restarts.may_start_again(now + Duration::from_secs(61)),
            "a minute later it is another story"
        );
    }
}
