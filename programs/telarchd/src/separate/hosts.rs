//! Host processes of the broker, one per account.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use auth::Account;
use broker::{HardwareReply, HostCommand, HostReport, Link, RateDecision, RateLimit};
use hardware::HostFile;
use locks::{Condvar, Mutex};
use sddl::{Token, well_known};

use super::SESSION_PROCESS;
use super::host_process::{HostProcess, HostProcesses};
use super::user::UserIds;
use crate::child_process::this_program;
use crate::log::relay;
use crate::persistent::delegation::{UserGroup, UserGroups};

/// Returns the current access token of an account; `None` if the account no longer exists.
pub(super) type TokenSource = Arc<dyn Fn(&Account) -> Option<Token> + Send + Sync>;

/// All hosts of the broker.
pub(super) struct Hosts {
    tokens: TokenSource,
    /// How long a host stays without work.
    idle: Duration,
    /// State directory of the service.
    state: PathBuf,
    /// Control groups of users, if the service manager has delegated one.
    groups: Option<Arc<UserGroups>>,
    slots: Mutex<HashMap<Key, Arc<HostSlot>>>,
    /// Processes of the hosts, accessible without the lock of a slot.
    alive: Arc<HostProcesses>,
    is_ending: Arc<AtomicBool>,
}

/// Key of a host. Accounts that share a user ID have separate hosts, because name, groups, environment and rights
/// belong to the account. They share everything that the kernel ties to the user ID: files, signals, process limit,
/// control group; and the SID, by which quotas are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    uid: u32,
    account: String,
}

/// State of one host. Its lock is never held while a host is started or waited for.
#[derive(Default)]
struct HostSlot {
    state: Mutex<SlotState>,
    /// Notified when the state changes, and when a host answers a renewal.
    changed: Condvar,
}

#[derive(Default)]
struct SlotState {
    host: HostState,
    /// Number of requests that wait for a host that is being started.
    waiting: usize,
}

#[derive(Default)]
enum HostState {
    #[default]
    Absent,
    Starting,
    Running(RunningHost),
}

struct RunningHost {
    link: Arc<Link>,
    /// Number of `ServeGateway` commands sent.
    connected: u64,
    /// Groups of the user at the start of the host.
    groups: Vec<u32>,
    /// Current access token of the host.
    token: Token,
    /// State of the last token replacement.
    renewal: Renewal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renewal {
    /// Not requested, or the host has answered that it stays for now.
    Answered,
    /// Requested; the answer is awaited.
    Requested,
    /// Not answered in time; not awaited again until the host answers.
    Overdue,
}

impl SlotState {
    fn running(&mut self) -> Option<&mut RunningHost> {
        match &mut self.host {
            HostState::Running(running) => Some(running),
            _ => None,
        }
    }

    /// Returns the running host with this link, unless it was replaced.
    fn running_on(&mut self, link: &Arc<Link>) -> Option<&mut RunningHost> {
        self.running().filter(|now| Arc::ptr_eq(&now.link, link))
    }
}

impl Hosts {
    /// Creates an empty set of hosts. Each host ends when it was idle for the time `idle`.
    pub(super) fn new(
        idle: Duration,
        state: PathBuf,
        groups: Option<Arc<UserGroups>>,
        tokens: TokenSource,
    ) -> Self {
        let (slots, alive, is_ending) = (Mutex::default(), Arc::default(), Arc::default());
        Self { tokens, idle, state, groups, slots, alive, is_ending }
    }

    /// Returns whether a host of an account is running or starting.
    pub(super) fn has(&self, account: &str) -> bool {
        let slots = self.slots.lock();
        let mut own = slots.iter().filter(|(key, _)| key.account == account);
        own.any(|(_, slot)| !matches!(slot.state.lock().host, HostState::Absent))
    }

    /// Asks a host to end if the user's groups or rights have changed; the next host starts with the new ones. A host
    /// with shells stays until they are closed, with its old groups, which processes keep, but with the new rights.
    pub(super) fn renew(&self, account: &str, numbers: &UserIds, token: Option<&Token>) {
        let key = Key { uid: numbers.uid, account: account.to_owned() };
        let Some(slot) = self.slots.lock().get(&key).cloned() else { return };
        let mut state = slot.state.lock();
        // A host that is starting uses the current groups.
        let Some(running) = state.running() else { return };
        let is_old = running.groups != numbers.groups || token.is_some_and(|token| running.token != *token);
        if !is_old {
            return;
        }
        if let Some(token) = token {
            running.token = token.clone();
        }
        let is_late = running.renewal == Renewal::Overdue;
        if !is_late {
            running.renewal = Renewal::Requested;
        }
        let (link, command) = (Arc::clone(&running.link), HostCommand::ReplaceToken(running.token.clone()));
        drop(state);
        if link.send(&command.encode(), &[]).is_err() || is_late {
            return;
        }
        // The caller's next request should reach the new host, but an unresponsive host must not block it for long.
        let waited = slot.changed.wait_timeout_while(slot.state.lock(), DECISION_TIMEOUT, |state| {
            state.running_on(&link).is_some_and(|running| running.renewal == Renewal::Requested)
        });
        let (mut state, _) = waited;
        let stays = state.running_on(&link).map(|running| {
            if running.renewal == Renewal::Requested {
                running.renewal = Renewal::Overdue;
            }
        });
        let stays = stays.is_some();
        tracing::info!(
            account,
            uid = numbers.uid,
            stays,
            "Host was asked to end: the groups or rights of its user have changed"
        );
    }

    /// Returns a connection to the host of a user, and starts the host if necessary.
    pub(super) fn connect(&self, account: &str, numbers: &UserIds, token: &Token) -> io::Result<OwnedFd> {
        let key = Key { uid: numbers.uid, account: account.to_owned() };
        let slot = Arc::clone(self.slots.lock().entry(key).or_default());
        let until = Instant::now() + START_TIMEOUT;
        loop {
            match self.next_step(&slot, until)? {
                NextStep::Running(link) => match slot.connect(&link) {
                    Ok(connection) => return Ok(connection),
                    // The host has just ended.
                    Err(error) => tracing::debug!(%error, account, "Cannot connect to a host"),
                },
                NextStep::Start(start) => {
                    let running = self.start(account, numbers, token, &slot, until)?;
                    let link = Arc::clone(&running.link);
                    start.done(running);
                    return slot.connect(&link);
                }
            }
        }
    }

    /// Waits while another request starts the host. Returns `NextStep::Start` if the caller has to start it.
    fn next_step<'a>(&self, slot: &'a HostSlot, until: Instant) -> io::Result<NextStep<'a>> {
        let mut state = slot.state.lock();
        loop {
            if self.is_ending.load(Ordering::Acquire) {
                return Err(io::Error::other("the service is stopping"));
            }
            match &state.host {
                HostState::Running(running) => return Ok(NextStep::Running(Arc::clone(&running.link))),
                HostState::Absent => {
                    state.host = HostState::Starting;
                    return Ok(NextStep::Start(StartGuard { slot }));
                }
                HostState::Starting => {}
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || state.waiting >= MAX_WAITING {
                let reason = "the host of this user is starting, but is not ready";
                return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
            state.waiting += 1;
            state = slot.changed.wait_timeout(state, left).0;
            state.waiting -= 1;
        }
    }

    /// Stops all hosts and waits until they have ended. Hosts that do not end in time, because their user has stopped
    /// them, are killed.
    pub(super) fn end(&self, patience: Duration) {
        self.is_ending.store(true, Ordering::Release);
        self.alive.end(patience);
    }

    /// Starts a host and waits until it is ready.
    fn start(
        &self,
        account: &str,
        numbers: &UserIds,
        token: &Token,
        slot: &Arc<HostSlot>,
        until: Instant,
    ) -> io::Result<RunningHost> {
        let began = Instant::now();
        let begin =
            HostCommand::Begin { account: account.to_owned(), token: token.clone(), idle_timeout: self.idle };
        let (link, theirs) = Link::pair()?;
        // A user can stop the host, and a blocked send would occupy a thread that other users need.
        link.set_send_timeout(DECISION_TIMEOUT)?;
        let link = Arc::new(link);
        let group = self.group_of(numbers.uid);
        let folder = group.as_ref().map(UserGroup::path).unwrap_or_default();
        let mut command = this_program(&format!("telarchd: session of {account}"), &[]);
        command.arg(SESSION_PROCESS).arg(account).arg(&self.state).arg(folder);
        command.stdin(OwnedFd::from(theirs)).current_dir("/");
        command.stderr(relay::stderr_for(&format!("host of {account}")));
        let child = command.spawn()?;
        // The command holds the other end of the link, which must close with the host.
        drop(command);
        let process = self.alive.add(HostProcess::new(Arc::clone(&link), &child));
        let pid = child.id();
        let supervisor = HostSupervisor {
            account: Account { name: account.to_owned() },
            tokens: Arc::clone(&self.tokens),
            state: self.state.clone(),
            is_ending: Arc::clone(&self.is_ending),
            _group: group,
        };
        // If the host has ended already, it has reported the reason.
        let _ = link.send(&begin.encode(), &[]);
        let started = wait_until_started(&link, &process, until);
        if let Err(error) = started {
            link.close();
            if error.kind() == io::ErrorKind::WouldBlock {
                process.kill();
            }
            std::thread::Builder::new().name("host".to_owned()).spawn(move || {
                drop((wait_for(child, &process), supervisor));
            })?;
            return Err(error);
        }
        tracing::info!(account, pid, took = ?began.elapsed(), "Host started");
        let running = RunningHost {
            link: Arc::clone(&link),
            connected: 0,
            groups: numbers.groups.clone(),
            token: token.clone(),
            renewal: Renewal::Answered,
        };
        let slot = Arc::clone(slot);
        std::thread::Builder::new()
            .name("host".to_owned())
            .spawn(move || supervise(&supervisor, child, &process, &slot))?;
        Ok(running)
    }

    fn group_of(&self, uid: u32) -> Option<UserGroup> {
        let entered = self.groups.as_ref()?.enter(uid);
        entered
            .inspect_err(|error| {
                tracing::warn!(uid, %error, "Cannot create the control group of a user");
            })
            .ok()
    }
}

/// Next step of a request for a host.
enum NextStep<'a> {
    Running(Arc<Link>),
    Start(StartGuard<'a>),
}

/// Permission to start a host. Dropping it without a running host leaves the slot empty.
struct StartGuard<'a> {
    slot: &'a HostSlot,
}

impl StartGuard<'_> {
    fn done(self, running: RunningHost) {
        self.slot.state.lock().host = HostState::Running(running);
    }
}

impl Drop for StartGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.slot.state.lock();
        if matches!(state.host, HostState::Starting) {
            state.host = HostState::Absent;
        }
        drop(state);
        self.slot.changed.notify_all();
    }
}

impl HostSlot {
    /// Creates a connection to a host.
    fn connect(&self, link: &Arc<Link>) -> io::Result<OwnedFd> {
        // Both processes verify that root has created the sockets.
        let (ours, theirs) = UnixStream::pair()?;
        {
            // Counted before it is sent, so that a host that reports to leave meanwhile is kept.
            let mut state = self.state.lock();
            let running = state.running_on(link).ok_or(io::ErrorKind::NotConnected)?;
            running.connected = running.connected.wrapping_add(1);
        }
        link.send(&HostCommand::ServeGateway.encode(), &[theirs.as_fd()]).inspect_err(|_| {
            self.forget(link);
        })?;
        Ok(ours.into())
    }

    /// Removes the host with this link; returns `false` if the slot has no such host.
    fn forget(&self, link: &Arc<Link>) -> bool {
        let mut state = self.state.lock();
        let was_there = state.running_on(link).is_some();
        if was_there {
            state.host = HostState::Absent;
        }
        drop(state);
        self.changed.notify_all();
        was_there
    }
}

/// Waits until a host reports that it is ready.
fn wait_until_started(link: &Link, process: &HostProcess, until: Instant) -> io::Result<()> {
    let mut until = until;
    loop {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        link.set_receive_timeout(Some(left))?;
        let frame = link
            .receive_limited(HostReport::MAX_LENGTH)?
            .ok_or_else(|| io::Error::other("the host process ended during its start"))?;
        match HostReport::decode(&frame.message).map_err(io::Error::other)? {
            HostReport::Opened => {
                process.set_host(frame.descriptors.into_iter().next());
                // From here on the user can stop the process.
                until = until.min(Instant::now() + BEGINNING_TIMEOUT);
            }
            HostReport::Started => return link.set_receive_timeout(None),
            HostReport::StartFailed(reason) => {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
            }
            HostReport::Leaving { .. } | HostReport::Staying | HostReport::RequestHardware => {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}

/// Waits for the end of a host whose link is closed, and kills it after a while, because its user may have stopped it.
fn wait_for(mut child: Child, process: &HostProcess) -> io::Result<std::process::ExitStatus> {
    if !process.wait_for_end(LEAVING_TIMEOUT) {
        process.kill();
    }
    child.wait()
}

/// Information that is needed to supervise a host.
struct HostSupervisor {
    /// Account of the host.
    account: Account,
    tokens: TokenSource,
    state: PathBuf,
    is_ending: Arc<AtomicBool>,
    /// Held until the host has ended.
    _group: Option<UserGroup>,
}

/// Handles the reports of a host until it ends: lets an idle host leave, and grants access to management controllers.
fn supervise(supervisor: &HostSupervisor, child: Child, process: &HostProcess, slot: &HostSlot) {
    let (account, link) = (&supervisor.account.name, process.link());
    let mut has_left = false;
    let mut limit = RateLimit::new(MAX_HARDWARE_REQUESTS, Instant::now());
    loop {
        let report = match link.receive_limited(HostReport::MAX_LENGTH) {
            Ok(Some(frame)) => HostReport::decode(&frame.message).ok(),
            Ok(None) | Err(_) => break,
        };
        if report == Some(HostReport::RequestHardware) {
            match limit.count_request(Instant::now()) {
                RateDecision::Allowed => supervisor.send_hardware(link),
                decision => {
                    if decision == RateDecision::Exceeded {
                        tracing::warn!(account, "A host requests management controllers too often");
                    }
                    let _ = link.send(&HostCommand::SupplyHardware(HardwareReply::RateLimited).encode(), &[]);
                }
            }
            continue;
        }
        let mut state = slot.state.lock();
        let own = state.running_on(link);
        match (report, own) {
            (Some(HostReport::Leaving { connected }), Some(running)) if running.connected == connected => {
                state.host = HostState::Absent;
                has_left = true;
                link.close();
            }
            (Some(HostReport::Leaving { .. } | HostReport::Staying), Some(running)) => {
                running.renewal = Renewal::Answered;
            }
            (Some(HostReport::Leaving { .. } | HostReport::Staying), None) => {}
            _ => {
                tracing::warn!(account, "Invalid message from a host");
                link.close();
            }
        }
        drop(state);
        slot.changed.notify_all();
    }
    let was_there = slot.forget(link) && !supervisor.is_ending.load(Ordering::Acquire);
    match wait_for(child, process) {
        Ok(status) if was_there => {
            tracing::warn!(account, %status, "A host has ended together with its shells");
        }
        Ok(status) => tracing::debug!(account, %status, has_left, "Host has ended"),
        Err(error) => tracing::error!(account, %error, "Cannot wait for a host to end"),
    }
}

impl HostSupervisor {
    /// Sends the list of management controllers with their passwords, and the driver of the local one, if the user is
    /// an administrator now, whatever the rights were when the host was started.
    fn send_hardware(&self, link: &Link) {
        let token = (self.tokens)(&self.account);
        let is_administrator =
            token.is_some_and(|token| token.groups().any(|group| group == well_known::ADMINISTRATORS));
        let text = is_administrator.then(|| HostFile::of_state(&self.state).export());
        let text = text.transpose().unwrap_or_else(|error| {
            tracing::error!(%error, "Cannot read the list of management controllers");
            None
        });
        let driver = text.as_ref().and_then(|_| ipmi_driver().ok());
        let account = &self.account.name;
        tracing::debug!(account, is_given = text.is_some(), "A host has requested management controllers");
        let descriptors: Vec<_> = driver.iter().map(std::os::fd::AsFd::as_fd).collect();
        let hardware = text.map_or(HardwareReply::Denied, HardwareReply::Granted);
        // A host that has ended needs no answer.
        let _ = link.send(&HostCommand::SupplyHardware(hardware).encode(), &descriptors);
    }
}

fn ipmi_driver() -> io::Result<OwnedFd> {
    let path = hardware::driver().ok_or(io::ErrorKind::NotFound)?;
    Ok(std::fs::OpenOptions::new().read(true).write(true).open(path)?.into())
}

/// Maximum number of requests for management controllers per minute. A busy host sends one every five seconds, and one
/// more for each session with the local controller.
const MAX_HARDWARE_REQUESTS: u32 = 60;
/// Maximum number of requests that wait for the start of a host; each occupies a thread of the broker. The gateway
/// sends one for each of its hosted plug-ins, and some whose clients have disconnected.
const MAX_WAITING: usize = 4;
/// Timeout of a host's start, shorter than the time to stop the service. PAM modules may query other machines.
const START_TIMEOUT: Duration = Duration::from_secs(14);
/// Timeout of a host's start after its session is open.
const BEGINNING_TIMEOUT: Duration = Duration::from_secs(8);
/// Time for a host to close its shells before it is killed.
const LEAVING_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of an answer to a renewal. A host answers at once unless it is busy or hangs.
const DECISION_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    fn requests_for_management_controllers_are_limited() {
        let (link, theirs) = Link::pair().expect("a link");
        let host = Link::from_inherited(theirs).expect("its other end");
        let lookups = Arc::new(Mutex::new(0_u32));
        let tokens = Arc::clone(&lookups);
        let supervisor = HostSupervisor {
            account: Account { name: "ann".to_owned() },
            tokens: Arc::new(move |_| {
                *tokens.lock() += 1;
                None
            }),
            state: PathBuf::new(),
            is_ending: Arc::default(),
            _group: None,
        };
        let child = Command::new("true").spawn().expect("a process");
        let process = HostProcess::new(Arc::new(link), &child);
        let watching = thread::spawn(move || supervise(&supervisor, child, &process, &HostSlot::default()));
        let request = || {
            host.send(&HostReport::RequestHardware.encode(), &[]).expect("a request");
            let answer = host.receive().expect("the link works").expect("an answer");
            match HostCommand::decode(&answer.message).expect("a command") {
                HostCommand::SupplyHardware(hardware) => format!("{hardware:?}"),
                other => panic!("{other:?}"),
            }
        };
        for number in 1..=MAX_HARDWARE_REQUESTS {
            assert_eq!(request(), "Denied", "{number}");
        }
        assert_eq!([request(), request()], ["RateLimited", "RateLimited"]);
        assert_eq!(*lookups.lock(), MAX_HARDWARE_REQUESTS, "refused requests cause no work");
        drop(host);
        watching.join().expect("no panic");
    }

    fn hosts() -> Hosts {
        Hosts::new(Duration::from_secs(60), PathBuf::new(), None, Arc::new(|_| None))
    }

    #[test]
    fn few_requests_wait_for_a_slow_start_and_none_delays_the_end() {
        let (hosts, slot) = (hosts(), HostSlot::default());
        let until = Instant::now() + Duration::from_secs(3_600);
        let Ok(NextStep::Start(start)) = hosts.next_step(&slot, until) else {
            panic!("the slot is not empty")
        };
        thread::scope(|scope| {
            let waiting: Vec<_> =
                (0..MAX_WAITING).map(|_| scope.spawn(|| hosts.next_step(&slot, until).is_err())).collect();
            while slot.state.lock().waiting < MAX_WAITING {
                thread::yield_now();
            }
            assert!(hosts.next_step(&slot, until).is_err(), "too many requests wait");
            hosts.end(Duration::ZERO);
            drop(start);
            assert!(
                waiting.into_iter().all(|waiting| waiting.join().expect("no panic")),
                "the service is stopping"
            );
        });
    }

    #[test]
    fn accounts_with_the_same_user_id_have_separate_hosts() {
        let ann = Key { uid: 7, account: "ann".to_owned() };
        assert_ne!(ann, Key { account: "ben".to_owned(), ..ann.clone() });
    }
}
