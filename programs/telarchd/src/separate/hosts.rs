//! Host processes of the broker: one per account, and one per caller and endpoint that runs as another account.

mod key;
mod supervisor;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use auth::Account;
use broker::{HostCommand, HostReport, Link, RunAsEndpoint};
use config::State;
use locks::{Condvar, Mutex};
use sddl::{Sid, Token};

pub(super) use self::key::HostRequest;
use self::key::Key;
use self::supervisor::{HostSupervisor, supervise, wait_for};
use super::host_process::{HostProcess, HostProcesses};
use super::user::UserIds;
use super::{SESSION_PROCESS, run_as};
use crate::child_process::this_program;
use crate::log::relay;
use crate::persistent::delegation::{GroupName, UserGroup, UserGroups};

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
    /// Endpoint that runs as another account, with the settings at the start.
    run_as: Option<Box<RunAsEndpoint>>,
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
        let mut own = slots.iter().filter(|(key, _)| key.caller() == account);
        own.any(|(_, slot)| !matches!(slot.state.lock().host, HostState::Absent))
    }

    /// Returns the endpoints that run as another account and have a running host for this caller.
    pub(super) fn endpoints_of(&self, caller: &str, sid: Sid) -> Vec<String> {
        let slots = self.slots.lock();
        let mut endpoints = Vec::new();
        for (key, slot) in slots.iter() {
            if let Some(endpoint) = key.endpoint_for(caller, sid)
                && matches!(slot.state.lock().host, HostState::Running(_))
            {
                endpoints.push(endpoint.to_owned());
            }
        }
        endpoints.sort_unstable();
        endpoints
    }

    /// Asks the hosts of a caller to end if its groups or rights have changed; the next host starts with the new ones. A
    /// host with shells stays until they are closed, with its old groups, which processes keep, but with the new rights.
    /// `numbers` are those of the caller, if it is a user of this machine.
    pub(super) fn renew(&self, account: &str, numbers: Option<&UserIds>, token: Option<&Token>) {
        let slots = self.slots.lock();
        let mut own = Vec::new();
        for (key, slot) in slots.iter().filter(|(key, _)| key.caller() == account) {
            match (&key.run_as, numbers) {
                // The groups of the caller are not those of the process.
                (Some(_), _) => own.push((None, Arc::clone(slot))),
                (None, Some(numbers)) if numbers.uid == key.uid => {
                    own.push((Some(&*numbers.groups), Arc::clone(slot)));
                }
                (None, _) => {}
            }
        }
        drop(slots);
        for (groups, slot) in own {
            slot.renew(account, groups, token);
        }
    }

    /// Ends the hosts of endpoints that run as another account, with their shells, if the settings no longer name this
    /// account, program or folder, or do not admit the caller.
    pub(super) fn end_outdated(&self, state: &State) {
        let slots: Vec<_> = self.slots.lock().values().map(Arc::clone).collect();
        for slot in slots {
            let mut current = slot.state.lock();
            let Some(running) = current.running() else { continue };
            let Some(run_as) = running.run_as.as_deref() else { continue };
            let allowed = run_as::authorize(state, &running.token, &run_as.endpoint);
            if allowed.is_ok_and(|now| now == *run_as) {
                continue;
            }
            let RunAsEndpoint { endpoint, account, .. } = run_as;
            tracing::warn!(endpoint, run_as = account, "Ending a host: the settings no longer allow it");
            running.link.close();
            current.host = HostState::Absent;
        }
    }

    /// Returns a connection to the host of a user, and starts the host if necessary.
    pub(super) fn connect(&self, request: HostRequest<'_>) -> io::Result<OwnedFd> {
        let slot = Arc::clone(self.slots.lock().entry(request.key()).or_default());
        let until = Instant::now() + START_TIMEOUT;
        loop {
            match self.next_step(&slot, until)? {
                NextStep::Running(link) => match slot.connect(&link) {
                    Ok(connection) => return Ok(connection),
                    // The host has just ended.
                    Err(error) => {
                        tracing::debug!(%error, account = request.caller, "Cannot connect to a host");
                    }
                },
                NextStep::Start(start) => {
                    let running = self.start(request, &slot, until)?;
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
        request: HostRequest<'_>,
        slot: &Arc<HostSlot>,
        until: Instant,
    ) -> io::Result<RunningHost> {
        let began = Instant::now();
        let HostRequest { caller, token, numbers, run_as } = request;
        let account = request.account();
        let begin = HostCommand::Begin {
            account: caller.to_owned(),
            token: token.clone(),
            run_as: run_as.cloned(),
            idle_timeout: self.idle,
        };
        let (link, theirs) = Link::pair()?;
        // A user can stop the host, and a blocked send would occupy a thread that other users need.
        link.set_send_timeout(DECISION_TIMEOUT)?;
        let link = Arc::new(link);
        let group = self.group_of(request);
        let folder = group.as_ref().map(UserGroup::path).unwrap_or_default();
        let work = match run_as {
            Some(_) => format!("{account} for {caller}"),
            None => account.to_owned(),
        };
        let mut command = this_program(&format!("telarchd: session of {work}"), &[]);
        command.arg(SESSION_PROCESS).arg(account).arg(&self.state).arg(folder);
        command.stdin(OwnedFd::from(theirs)).current_dir("/");
        command.stderr(relay::stderr_for(&format!("host of {work}")));
        let child = command.spawn()?;
        // The command holds the other end of the link, which must close with the host.
        drop(command);
        let process = self.alive.add(HostProcess::new(Arc::clone(&link), &child));
        let pid = child.id();
        let supervisor = HostSupervisor {
            account: Account { name: caller.to_owned() },
            grants_hardware: run_as.is_none(),
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
        let endpoint = run_as.map(|run_as| run_as.endpoint.as_str());
        let runs_as = run_as.map(|_| account);
        tracing::info!(account = caller, run_as = runs_as, endpoint, pid, took = ?began.elapsed(), "Host started");
        let running = RunningHost {
            link: Arc::clone(&link),
            connected: 0,
            groups: numbers.groups.clone(),
            token: token.clone(),
            renewal: Renewal::Answered,
            run_as: run_as.cloned().map(Box::new),
        };
        let slot = Arc::clone(slot);
        std::thread::Builder::new()
            .name("host".to_owned())
            .spawn(move || supervise(&supervisor, child, &process, &slot))?;
        Ok(running)
    }

    fn group_of(&self, request: HostRequest<'_>) -> Option<UserGroup> {
        let uid = request.numbers.uid;
        let name = match request.run_as {
            Some(_) => GroupName::of_caller(uid, request.token.user()),
            None => GroupName::of_user(uid),
        };
        let entered = self.groups.as_ref()?.enter(name);
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
    /// Asks the host to end if the groups of its process or the rights of its caller are old.
    fn renew(&self, account: &str, groups: Option<&[u32]>, token: Option<&Token>) {
        let mut state = self.state.lock();
        // A host that is starting uses the current groups.
        let Some(running) = state.running() else { return };
        let is_old = groups.is_some_and(|groups| running.groups != groups)
            || token.is_some_and(|token| running.token != *token);
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
        let waited = self.changed.wait_timeout_while(self.state.lock(), DECISION_TIMEOUT, |state| {
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
            stays,
            "Host was asked to end: the groups or rights of its user have changed"
        );
    }

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

/// Maximum number of requests that wait for the start of a host; each occupies a thread of the broker. The gateway
/// sends one for each of its hosted plug-ins, and some whose clients have disconnected.
const MAX_WAITING: usize = 4;
/// Timeout of a host's start, shorter than the time to stop the service. PAM modules may query other machines.
const START_TIMEOUT: Duration = Duration::from_secs(14);
/// Timeout of a host's start after its session is open.
const BEGINNING_TIMEOUT: Duration = Duration::from_secs(8);
/// Timeout of an answer to a renewal. A host answers at once unless it is busy or hangs.
const DECISION_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

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
}
