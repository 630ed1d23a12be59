//! The hosts that the broker has started, one for each user.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use auth::Account;
use broker::{Allowance, Hardware, Link, Order, Report, Verdict};
use hardware::HostFile;
use sddl::{Token, well_known};

use super::user::Numbers;
use super::{KEEPER, this_program};
use crate::log::relay;

/// What access is decided with for an account, as of now; none if there is no such account any more.
pub(super) type Judge = Arc<dyn Fn(&Account) -> Option<Token> + Send + Sync>;

/// Every host that runs.
pub(super) struct Hosts {
    judge: Judge,
    /// How long one may have nothing to do.
    idle: Duration,
    /// The directory of what the service keeps itself.
    state: PathBuf,
    /// By the number of its user.
    slots: Mutex<HashMap<u32, Arc<Slot>>>,
    running: Arc<(Mutex<usize>, Condvar)>,
}

/// The place of one user's host, with a lock of its own, since starting one takes a moment.
#[derive(Default)]
struct Slot {
    place: Mutex<Option<Running>>,
    /// A host has left it, or has said that it stays.
    decided: Condvar,
}

struct Running {
    account: String,
    link: Arc<Link>,
    /// How often it was told to connect.
    connected: u64,
    /// The groups that it was started with.
    groups: Vec<u32>,
    /// What it was told that access is decided with.
    token: Token,
    /// Whether it stays for now although it was told that they are old.
    stays: bool,
}

impl Hosts {
    /// None yet; each ends when it has had nothing to do for this long.
    pub(super) fn new(idle: Duration, state: PathBuf, judge: Judge) -> Self {
        Self { judge, idle, state, slots: Mutex::default(), running: Arc::default() }
    }

    /// Whether a host runs for an account, or is being started.
    pub(super) fn has(&self, account: &str) -> bool {
        locked(&self.slots).values().any(|slot| {
            let place = slot.place.try_lock();
            place.map_or(true, |place| place.as_ref().is_some_and(|running| running.account == account))
        })
    }

    /// Has the host of a user end if that user is in other groups by now, or has other rights by `[Groups]`: the next
    /// one is started with those. One that has shells goes on until they are closed: with the groups it has, as
    /// processes keep them, but with the rights of now.
    pub(super) fn renew(&self, numbers: &Numbers, token: Option<&Token>) {
        let Some(slot) = locked(&self.slots).get(&numbers.uid).cloned() else { return };
        // One that is just being started has the groups of this moment.
        let Ok(mut place) = slot.place.try_lock() else { return };
        let is_old = |running: &&mut Running| {
            running.groups != numbers.groups || token.is_some_and(|token| running.token != *token)
        };
        let Some(running) = place.as_mut().filter(is_old) else { return };
        running.stays = false;
        if let Some(token) = token {
            running.token = token.clone();
        }
        let link = Arc::clone(&running.link);
        if link.send(&Order::Renew(running.token.clone()).encode(), &[]).is_err() {
            return;
        }
        let is_undecided = |place: &mut Option<Running>| {
            place.as_ref().is_some_and(|now| Arc::ptr_eq(&now.link, &link) && !now.stays)
        };
        // Whoever has signed in is to find the next one; but if it does not answer, nobody waits for ever.
        let waited = slot.decided.wait_timeout_while(place, LONGEST_DECISION, is_undecided);
        let stays = waited.is_ok_and(|(place, _)| place.is_some());
        tracing::info!(uid = numbers.uid, stays, "A host has the groups and rights its user had before");
    }

    /// A connection to the host of a user, which is started if there is none.
    pub(super) fn connect(&self, account: &str, numbers: &Numbers, token: &Token) -> io::Result<OwnedFd> {
        let slot = Arc::clone(locked(&self.slots).entry(numbers.uid).or_default());
        let mut place = locked(&slot.place);
        if let Some(running) = place.as_mut() {
            match running.connect() {
                Ok(connection) => return Ok(connection),
                // It has just ended.
                Err(error) => tracing::debug!(%error, account, "A host cannot be reached"),
            }
        }
        let mut started = self.start(account, (numbers, token), &slot)?;
        let connection = started.connect()?;
        *place = Some(started);
        Ok(connection)
    }

    /// Ends them all, and waits until they have ended, though not for ever.
    pub(super) fn end(&self, patience: Duration) {
        for slot in locked(&self.slots).values() {
            if let Some(running) = locked(&slot.place).take() {
                running.link.close();
            }
        }
        let until = Instant::now() + patience;
        let (count, ended) = &*self.running;
        let mut count = locked(count);
        while *count > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!(hosts = *count, "Hosts still run");
                return;
            }
            count = ended
                .wait_timeout(count, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(count, _)| count);
        }
    }

    fn start(
        &self,
        account: &str,
        (numbers, token): (&Numbers, &Token),
        slot: &Arc<Slot>,
    ) -> io::Result<Running> {
        let began = Instant::now();
        let begin = Order::Begin { account: account.to_owned(), token: token.clone(), idle: self.idle };
        let (link, theirs) = Link::pair()?;
        // Its user can stop it, and whoever waits for it holds a thread that others need.
        link.speak_at_most(LONGEST_DECISION)?;
        let link = Arc::new(link);
        let mut command = this_program(&format!("telarchd: session of {account}"));
        command.arg(KEEPER).arg(account).arg(&self.state);
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).current_dir("/");
        command.stderr(relay::stderr_for(&format!("host of {account}")));
        command.env_clear();
        for name in ["TELARCH_LOG", "JOURNAL_STREAM", "LANG", "TZ"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        let mut child = command.spawn()?;
        // Or else the link would not end with the host.
        drop(command);
        // If it has ended already, it has said why.
        let _ = link.send(&begin.encode(), &[]);
        link.wait_at_most(Some(LONGEST_START))?;
        let started = first_report(&link).and_then(|()| link.wait_at_most(None));
        if let Err(error) = started {
            link.close();
            if error.kind() == io::ErrorKind::WouldBlock {
                let _ = child.kill();
            }
            let _ = child.wait();
            return Err(error);
        }
        tracing::info!(account, pid = child.id(), took = ?began.elapsed(), "A host was started");
        *locked(&self.running.0) += 1;
        let running = Running {
            account: account.to_owned(),
            link: Arc::clone(&link),
            connected: 0,
            groups: numbers.groups.clone(),
            token: token.clone(),
            stays: false,
        };
        let (counted, slot) = (Arc::clone(&self.running), Arc::clone(slot));
        let keeper = Keeper {
            account: Account { name: account.to_owned() },
            judge: Arc::clone(&self.judge),
            state: self.state.clone(),
        };
        let watching = move || {
            watch(&keeper, child, &link, &slot);
            *locked(&counted.0) -= 1;
            counted.1.notify_all();
        };
        std::thread::Builder::new().name("host".to_owned()).spawn(watching)?;
        Ok(running)
    }
}

impl Running {
    fn connect(&mut self) -> io::Result<OwnedFd> {
        // Both ends say root when they are asked who made them, and each process asks.
        let (ours, theirs) = UnixStream::pair()?;
        self.link.send(&Order::Connect.encode(), &[theirs.as_fd()])?;
        self.connected = self.connected.wrapping_add(1);
        Ok(ours.into())
    }
}

/// Waits until a host says that it works.
fn first_report(link: &Link) -> io::Result<()> {
    let frame =
        link.receive_at_most(Report::LONGEST)?.ok_or_else(|| io::Error::other("it ended before it began"))?;
    match Report::decode(&frame.message).map_err(io::Error::other)? {
        Report::Started => Ok(()),
        Report::Refused(reason) => Err(io::Error::new(io::ErrorKind::PermissionDenied, reason)),
        Report::Leaving { .. } | Report::Staying | Report::AsksForHardware => {
            Err(io::ErrorKind::InvalidData.into())
        }
    }
}

/// What a host may be given of root's.
struct Keeper {
    /// Whose host it is.
    account: Account,
    judge: Judge,
    state: PathBuf,
}

/// Lets a host leave when it has nothing to do, gives it the hardware if its user may have that, and notices its end.
fn watch(keeper: &Keeper, mut child: Child, link: &Arc<Link>, slot: &Slot) {
    let account = &keeper.account.name;
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
        let mut place = locked(&slot.place);
        let own = place.as_mut().filter(|now| Arc::ptr_eq(&now.link, link));
        match (report, own) {
            (Some(Report::Leaving { connected }), Some(running)) if running.connected == connected => {
                *place = None;
                has_left = true;
                link.close();
            }
            (Some(Report::Leaving { .. } | Report::Staying), Some(running)) => running.stays = true,
            (Some(Report::Leaving { .. } | Report::Staying), None) => {}
            _ => {
                tracing::warn!(account, "A host is not understood");
                link.close();
            }
        }
        drop(place);
        slot.decided.notify_all();
    }
    let was_there = {
        let mut place = locked(&slot.place);
        let is_it = place.as_ref().is_some_and(|now| Arc::ptr_eq(&now.link, link));
        if is_it {
            *place = None;
        }
        is_it
    };
    slot.decided.notify_all();
    match child.wait() {
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
        let text = is_administrator.then(|| HostFile::of_state(&self.state).hand_over());
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
/// Modules of PAM may ask other machines.
const LONGEST_START: Duration = Duration::from_secs(20);
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
        };
        let child = Command::new("true").spawn().expect("a process");
        let watching = thread::spawn(move || watch(&keeper, child, &Arc::new(link), &Slot::default()));
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
}
