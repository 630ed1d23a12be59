//! The hosts that the broker has started, one for each account of a user.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use auth::Account;
use broker::{Allowance, Hardware, Link, Order, Report, Verdict};
use hardware::HostFile;
use sddl::{Token, well_known};

use super::host_process::{Alive, HostProcess};
use super::user::Numbers;
use super::{KEEPER, this_program};
use crate::log::relay;
use crate::persistent::delegation::{UserGroup, UserGroups};

/// What access is decided with for an account, as of now; none if there is no such account any more.
pub(super) type Judge = Arc<dyn Fn(&Account) -> Option<Token> + Send + Sync>;

/// Every host that runs.
pub(super) struct Hosts {
    judge: Judge,
    /// How long one may have nothing to do.
    idle: Duration,
    /// The directory of what the service keeps itself.
    state: PathBuf,
    /// The control groups of users, where there are any.
    groups: Option<Arc<UserGroups>>,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    /// Their processes, which no lock of a slot is needed for.
    alive: Arc<Alive>,
    is_ending: Arc<AtomicBool>,
}

/// Whose host it is. Two accounts that share a number have a host each, because name, groups, environment and rights
/// belong to the account. What belongs to the number they share, as everywhere on the machine: files, signals, the limit of
/// processes, the control group, and the SID, with which quotas are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    uid: u32,
    account: String,
}

/// The place of one host. Its lock is never held while a host is started or waited for.
#[derive(Default)]
struct Slot {
    state: Mutex<SlotState>,
    /// The state is another one, or a host has said that it stays.
    changed: Condvar,
}

#[derive(Default)]
struct SlotState {
    place: Place,
    /// How many requests wait for a host that is being started.
    waiting: usize,
}

#[derive(Default)]
enum Place {
    #[default]
    Empty,
    Starting,
    Running(Running),
}

struct Running {
    link: Arc<Link>,
    /// How often it was told to connect.
    connected: u64,
    /// The groups that it was started with.
    groups: Vec<u32>,
    /// What it was told that access is decided with.
    token: Token,
    /// What it has said to the last order to renew itself.
    renewal: Renewal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renewal {
    /// It was not asked, or it stays for now.
    Decided,
    /// It was asked and is waited for.
    Asked,
    /// It has not answered in time, and is not waited for again until it does.
    Late,
}

impl SlotState {
    fn running(&mut self) -> Option<&mut Running> {
        match &mut self.place {
            Place::Running(running) => Some(running),
            _ => None,
        }
    }

    /// The host at the other end of a link, if it is still that one.
    fn running_on(&mut self, link: &Arc<Link>) -> Option<&mut Running> {
        self.running().filter(|now| Arc::ptr_eq(&now.link, link))
    }
}

impl Hosts {
    /// None yet; each ends when it has had nothing to do for this long.
    pub(super) fn new(idle: Duration, state: PathBuf, groups: Option<Arc<UserGroups>>, judge: Judge) -> Self {
        let (slots, alive, is_ending) = (Mutex::default(), Arc::default(), Arc::default());
        Self { judge, idle, state, groups, slots, alive, is_ending }
    }

    /// Whether a host runs for an account, or is being started.
    pub(super) fn has(&self, account: &str) -> bool {
        let slots = locked(&self.slots);
        let mut own = slots.iter().filter(|(key, _)| key.account == account);
        own.any(|(_, slot)| !matches!(locked(&slot.state).place, Place::Empty))
    }

    /// Has the host of a user end if that user is in other groups by now, or has other rights by `[Groups]`: the next
    /// one is started with those. One that has shells goes on until they are closed: with the groups it has, as
    /// processes keep them, but with the rights of now.
    pub(super) fn renew(&self, account: &str, numbers: &Numbers, token: Option<&Token>) {
        let key = Key { uid: numbers.uid, account: account.to_owned() };
        let Some(slot) = locked(&self.slots).get(&key).cloned() else { return };
        let mut state = locked(&slot.state);
        // One that is just being started has the groups of this moment.
        let Some(running) = state.running() else { return };
        let is_old = running.groups != numbers.groups || token.is_some_and(|token| running.token != *token);
        if !is_old {
            return;
        }
        if let Some(token) = token {
            running.token = token.clone();
        }
        let is_late = running.renewal == Renewal::Late;
        if !is_late {
            running.renewal = Renewal::Asked;
        }
        let (link, order) = (Arc::clone(&running.link), Order::Renew(running.token.clone()));
        drop(state);
        if link.send(&order.encode(), &[]).is_err() || is_late {
            return;
        }
        // Whoever has signed in is to find the next one; but if it does not answer, nobody waits for ever.
        let is_undecided =
            |state: &mut SlotState| state.running_on(&link).is_some_and(|now| now.renewal == Renewal::Asked);
        let waited = slot.changed.wait_timeout_while(locked(&slot.state), LONGEST_DECISION, is_undecided);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let stays = state.running_on(&link).map(|running| {
            if running.renewal == Renewal::Asked {
                running.renewal = Renewal::Late;
            }
        });
        let stays = stays.is_some();
        tracing::info!(
            account,
            uid = numbers.uid,
            stays,
            "A host has the groups and rights its user had before"
        );
    }

    /// A connection to the host of a user, which is started if there is none.
    pub(super) fn connect(&self, account: &str, numbers: &Numbers, token: &Token) -> io::Result<OwnedFd> {
        let key = Key { uid: numbers.uid, account: account.to_owned() };
        let slot = Arc::clone(locked(&self.slots).entry(key).or_default());
        let until = Instant::now() + LONGEST_START;
        loop {
            match self.turn(&slot, until)? {
                Turn::Running(link) => match slot.connect(&link) {
                    Ok(connection) => return Ok(connection),
                    // It has just ended.
                    Err(error) => tracing::debug!(%error, account, "A host cannot be reached"),
                },
                Turn::Start(start) => {
                    let running = self.start(account, (numbers, token), &slot, until)?;
                    let link = Arc::clone(&running.link);
                    start.done(running);
                    return slot.connect(&link);
                }
            }
        }
    }

    /// Waits while somebody else starts the host; `Turn::Start` if nobody does.
    fn turn<'a>(&self, slot: &'a Slot, until: Instant) -> io::Result<Turn<'a>> {
        let mut state = locked(&slot.state);
        loop {
            if self.is_ending.load(Ordering::Acquire) {
                return Err(io::Error::other("the service ends"));
            }
            match &state.place {
                Place::Running(running) => return Ok(Turn::Running(Arc::clone(&running.link))),
                Place::Empty => {
                    state.place = Place::Starting;
                    return Ok(Turn::Start(Start { slot }));
                }
                Place::Starting => {}
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || state.waiting >= MOST_WAITING {
                let reason = "a process of this user is being started, and does not begin";
                return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
            state.waiting += 1;
            state = slot.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
    }

    /// Ends them all, and waits until they have ended. Hosts that do not end by themselves in time, because their user
    /// has stopped them, are killed.
    pub(super) fn end(&self, patience: Duration) {
        self.is_ending.store(true, Ordering::Release);
        self.alive.end(patience);
    }

    /// Starts a host, and waits until it works.
    fn start(
        &self,
        account: &str,
        (numbers, token): (&Numbers, &Token),
        slot: &Arc<Slot>,
        until: Instant,
    ) -> io::Result<Running> {
        let began = Instant::now();
        let begin = Order::Begin { account: account.to_owned(), token: token.clone(), idle: self.idle };
        let (link, theirs) = Link::pair()?;
        // Its user can stop it, and whoever waits for it holds a thread that others need.
        link.speak_at_most(LONGEST_DECISION)?;
        let link = Arc::new(link);
        let group = self.group_of(numbers.uid);
        let folder = group.as_ref().map(UserGroup::path).unwrap_or_default();
        let mut command = this_program(&format!("telarchd: session of {account}"), &[]);
        command.arg(KEEPER).arg(account).arg(&self.state).arg(folder);
        command.stdin(OwnedFd::from(theirs)).current_dir("/");
        command.stderr(relay::stderr_for(&format!("host of {account}")));
        let child = command.spawn()?;
        // Or else the link would not end with the host.
        drop(command);
        let process = self.alive.add(HostProcess::new(Arc::clone(&link), &child));
        let pid = child.id();
        let keeper = Keeper {
            account: Account { name: account.to_owned() },
            judge: Arc::clone(&self.judge),
            state: self.state.clone(),
            is_ending: Arc::clone(&self.is_ending),
            _group: group,
        };
        // If it has ended already, it has said why.
        let _ = link.send(&begin.encode(), &[]);
        let started = until_started(&link, &process, until);
        if let Err(error) = started {
            link.close();
            if error.kind() == io::ErrorKind::WouldBlock {
                process.kill();
            }
            let waiting = move || drop((wait_for(child, &process), keeper));
            std::thread::Builder::new().name("host".to_owned()).spawn(waiting)?;
            return Err(error);
        }
        tracing::info!(account, pid, took = ?began.elapsed(), "A host was started");
        let running = Running {
            link: Arc::clone(&link),
            connected: 0,
            groups: numbers.groups.clone(),
            token: token.clone(),
            renewal: Renewal::Decided,
        };
        let slot = Arc::clone(slot);
        let watching = move || watch(&keeper, child, &process, &slot);
        std::thread::Builder::new().name("host".to_owned()).spawn(watching)?;
        Ok(running)
    }

    fn group_of(&self, uid: u32) -> Option<UserGroup> {
        let entered = self.groups.as_ref()?.enter(uid);
        entered
            .inspect_err(|error| {
                tracing::warn!(uid, %error, "The shells of this user cannot have groups of their own");
            })
            .ok()
    }
}

/// What a request for a host does next.
enum Turn<'a> {
    Running(Arc<Link>),
    Start(Start<'a>),
}

/// The duty to start a host; dropped, there is none.
struct Start<'a> {
    slot: &'a Slot,
}

impl Start<'_> {
    fn done(self, running: Running) {
        locked(&self.slot.state).place = Place::Running(running);
    }
}

impl Drop for Start<'_> {
    fn drop(&mut self) {
        let mut state = locked(&self.slot.state);
        if matches!(state.place, Place::Starting) {
            state.place = Place::Empty;
        }
        drop(state);
        self.slot.changed.notify_all();
    }
}

impl Slot {
    /// Makes a connection to a host.
    fn connect(&self, link: &Arc<Link>) -> io::Result<OwnedFd> {
        // Both ends say root when they are asked who made them, and each process asks.
        let (ours, theirs) = UnixStream::pair()?;
        {
            // Before it is sent, so that a host that leaves meanwhile is known to have it on its way.
            let mut state = locked(&self.state);
            let running = state.running_on(link).ok_or(io::ErrorKind::NotConnected)?;
            running.connected = running.connected.wrapping_add(1);
        }
        link.send(&Order::Connect.encode(), &[theirs.as_fd()]).inspect_err(|_| {
            self.forget(link);
        })?;
        Ok(ours.into())
    }

    /// Returns whether the host at the other end of the link was there.
    fn forget(&self, link: &Arc<Link>) -> bool {
        let mut state = locked(&self.state);
        let was_there = state.running_on(link).is_some();
        if was_there {
            state.place = Place::Empty;
        }
        drop(state);
        self.changed.notify_all();
        was_there
    }
}

/// Waits until a host says that it works.
fn until_started(link: &Link, process: &HostProcess, until: Instant) -> io::Result<()> {
    let mut until = until;
    loop {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        link.wait_at_most(Some(left))?;
        let frame = link
            .receive_at_most(Report::LONGEST)?
            .ok_or_else(|| io::Error::other("it ended before it began"))?;
        match Report::decode(&frame.message).map_err(io::Error::other)? {
            Report::Opened => {
                process.set_host(frame.descriptors.into_iter().next());
                // From now on its user can stop it.
                until = until.min(Instant::now() + LONGEST_BEGINNING);
            }
            Report::Started => return link.wait_at_most(None),
            Report::Refused(reason) => return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason)),
            Report::Leaving { .. } | Report::Staying | Report::AsksForHardware => {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}

/// Waits for the end of a host whose link is closed, though not for ever: its user may have stopped it.
fn wait_for(mut child: Child, process: &HostProcess) -> io::Result<std::process::ExitStatus> {
    if !process.has_ended_within(LONGEST_LEAVING) {
        process.kill();
    }
    child.wait()
}

/// What a host may be given of root's.
struct Keeper {
    /// Whose host it is.
    account: Account,
    judge: Judge,
    state: PathBuf,
    is_ending: Arc<AtomicBool>,
    /// Kept until the host has ended.
    _group: Option<UserGroup>,
}

/// Lets a host leave when it has nothing to do, gives it the hardware if its user may have that, and notices its end.
fn watch(keeper: &Keeper, child: Child, process: &HostProcess, slot: &Slot) {
    let (account, link) = (&keeper.account.name, process.link());
    let mut has_left = false;
    let mut allowance = Allowance::new(MOST_QUESTIONS, Instant::now());
    loop {
        let report = match link.receive_at_most(Report::LONGEST) {
            Ok(Some(frame)) => Report::decode(&frame.message).ok(),
            Ok(None) | Err(_) => break,
        };
        if report == Some(Report::AsksForHardware) {
            match allowance.take(Instant::now()) {
                Verdict::Granted => keeper.give_hardware(link),
                verdict => {
                    if verdict == Verdict::Exhausted {
                        tracing::warn!(account, "A host asks for management controllers too often");
                    }
                    let _ = link.send(&Order::Hardware(Hardware::TooOften).encode(), &[]);
                }
            }
            continue;
        }
        let mut state = locked(&slot.state);
        let own = state.running_on(link);
        match (report, own) {
            (Some(Report::Leaving { connected }), Some(running)) if running.connected == connected => {
                state.place = Place::Empty;
                has_left = true;
                link.close();
            }
            (Some(Report::Leaving { .. } | Report::Staying), Some(running)) => {
                running.renewal = Renewal::Decided;
            }
            (Some(Report::Leaving { .. } | Report::Staying), None) => {}
            _ => {
                tracing::warn!(account, "A host is not understood");
                link.close();
            }
        }
        drop(state);
        slot.changed.notify_all();
    }
    let was_there = slot.forget(link) && !keeper.is_ending.load(Ordering::Acquire);
    match wait_for(child, process) {
        Ok(status) if was_there => {
            tracing::warn!(account, %status, "A host has ended, and its shells with it");
        }
        Ok(status) => tracing::debug!(account, %status, has_left, "A host has ended"),
        Err(error) => tracing::error!(account, %error, "The end of a host cannot be seen"),
    }
}

impl Keeper {
    /// The controllers of the machine with their passwords, and the driver of its own one, for the host of somebody who
    /// is an administrator at this moment, whatever that was when the host was started.
    fn give_hardware(&self, link: &Link) {
        let token = (self.judge)(&self.account);
        let is_administrator =
            token.is_some_and(|token| token.groups().any(|group| group == well_known::ADMINISTRATORS));
        let text = is_administrator.then(|| HostFile::of_state(&self.state).export());
        let text = text.transpose().unwrap_or_else(|error| {
            tracing::error!(%error, "The management controllers cannot be read");
            None
        });
        let driver = text.as_ref().and_then(|_| ipmi_driver().ok());
        let account = &self.account.name;
        tracing::debug!(account, is_given = text.is_some(), "A host asks for management controllers");
        let descriptors: Vec<_> = driver.iter().map(std::os::fd::AsFd::as_fd).collect();
        let hardware = text.map_or(Hardware::Withheld, Hardware::Given);
        // If it is gone, nobody needs it.
        let _ = link.send(&Order::Hardware(hardware).encode(), &descriptors);
    }
}

fn ipmi_driver() -> io::Result<OwnedFd> {
    let path = hardware::driver().ok_or(io::ErrorKind::NotFound)?;
    Ok(std::fs::OpenOptions::new().read(true).write(true).open(path)?.into())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What each of them guards is whole at any moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a host may ask for the hardware in a minute: one that is asked for it all the time asks every five seconds,
/// and once more for each session with the machine's own controller.
const MOST_QUESTIONS: u32 = 60;
/// How many requests may wait for a host that is being started; each holds a thread of the broker. The gateway has one for
/// each of its two plug-ins, and perhaps some more whose clients have gone away.
const MOST_WAITING: usize = 4;
/// How long it may take until a host works, less than the service has for its end. Modules of PAM may ask other machines.
const LONGEST_START: Duration = Duration::from_secs(14);
/// How long a host may take until it works, once the session of its user is open.
const LONGEST_BEGINNING: Duration = Duration::from_secs(8);
/// How long a host may take to close its shells before it is killed.
const LONGEST_LEAVING: Duration = Duration::from_secs(10);
/// A host says at once whether it ends, unless it is busy or does not work.
const LONGEST_DECISION: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    fn a_host_that_asks_for_the_hardware_all_the_time_is_told_so() {
        let (link, theirs) = Link::pair().expect("a link");
        let host = Link::given(theirs).expect("its other end");
        let judged = Arc::new(Mutex::new(0_u32));
        let judge = Arc::clone(&judged);
        let keeper = Keeper {
            account: Account { name: "ann".to_owned() },
            judge: Arc::new(move |_| {
                *locked(&judge) += 1;
                None
            }),
            state: PathBuf::new(),
            is_ending: Arc::default(),
            _group: None,
        };
        let child = Command::new("true").spawn().expect("a process");
        let process = HostProcess::new(Arc::new(link), &child);
        let watching = thread::spawn(move || watch(&keeper, child, &process, &Slot::default()));
        let asked = || {
            host.send(&Report::AsksForHardware.encode(), &[]).expect("the broker listens");
            let answer = host.receive().expect("the broker answers").expect("a message");
            match Order::decode(&answer.message).expect("an order") {
                Order::Hardware(hardware) => format!("{hardware:?}"),
                other => panic!("{other:?}"),
            }
        };
        for number in 1..=MOST_QUESTIONS {
            assert_eq!(asked(), "Withheld", "{number}");
        }
        assert_eq!((asked(), asked()), ("TooOften".to_owned(), "TooOften".to_owned()));
        assert_eq!(*locked(&judged), MOST_QUESTIONS, "what is refused costs nothing");
        drop(host);
        watching.join().expect("it ends with the host");
    }

    fn hosts() -> Hosts {
        Hosts::new(Duration::from_secs(60), PathBuf::new(), None, Arc::new(|_| None))
    }

    #[test]
    fn only_a_few_requests_wait_for_a_host_that_does_not_begin_and_the_end_waits_for_none() {
        let (hosts, slot) = (hosts(), Slot::default());
        let until = Instant::now() + Duration::from_secs(3_600);
        let Ok(Turn::Start(start)) = hosts.turn(&slot, until) else { panic!("nobody else starts it") };
        thread::scope(|scope| {
            let waiting: Vec<_> =
                (0..MOST_WAITING).map(|_| scope.spawn(|| hosts.turn(&slot, until).is_err())).collect();
            while locked(&slot.state).waiting < MOST_WAITING {
                thread::yield_now();
            }
            assert!(hosts.turn(&slot, until).is_err(), "enough wait for it");
            hosts.end(Duration::ZERO);
            drop(start);
            assert!(waiting.into_iter().all(|waiting| waiting.join().expect("no panic")), "the service ends");
        });
    }

    #[test]
    fn accounts_with_one_number_have_a_slot_each() {
        let key = |uid, account: &str| Key { uid, account: account.to_owned() };
        assert_ne!(key(7, "ann"), key(7, "ben"));
        assert_eq!(key(7, "ann"), key(7, "ann"));
    }
}
