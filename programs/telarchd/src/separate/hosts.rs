//! The hosts that the broker has started, one for each user.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use broker::{Link, Order, Report};
use sddl::Token;

use super::{KEEPER, this_program};

/// Every host that runs.
#[derive(Default)]
pub(super) struct Hosts {
    /// By the number of its user; each has a lock of its own, since starting one takes a moment.
    slots: Mutex<HashMap<u32, Slot>>,
    running: Arc<(Mutex<usize>, Condvar)>,
}

type Slot = Arc<Mutex<Option<Running>>>;

struct Running {
    link: Arc<Link>,
    /// How often it was told to connect.
    connected: u64,
}

impl Hosts {
    /// A connection to the host of a user, which is started if there is none.
    pub(super) fn connect(&self, account: &str, uid: u32, token: &Token) -> io::Result<OwnedFd> {
        let slot = Arc::clone(locked(&self.slots).entry(uid).or_default());
        let mut place = locked(&slot);
        if let Some(running) = place.as_mut() {
            match running.connect() {
                Ok(connection) => return Ok(connection),
                // It has just ended.
                Err(error) => tracing::debug!(%error, account, "A host cannot be reached"),
            }
        }
        let mut started = Running::start(account, token, &self.running, &slot)?;
        let connection = started.connect()?;
        *place = Some(started);
        Ok(connection)
    }

    /// Ends them all, and waits until they have ended, though not for ever.
    pub(super) fn end(&self, patience: Duration) {
        for slot in locked(&self.slots).values() {
            if let Some(running) = locked(slot).take() {
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
}

impl Running {
    fn start(
        account: &str,
        token: &Token,
        counted: &Arc<(Mutex<usize>, Condvar)>,
        slot: &Slot,
    ) -> io::Result<Self> {
        let began = Instant::now();
        let (link, theirs) = Link::pair()?;
        let link = Arc::new(link);
        let mut command = this_program(&format!("telarchd: session of {account}"));
        command.arg(KEEPER).arg(account).stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).current_dir("/");
        command.env_clear();
        for name in ["TELARCH_LOG", "JOURNAL_STREAM", "LANG", "TZ"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        let mut child = command.spawn()?;
        // Or else the link would not end with the host.
        drop(command);
        let token = token.clone();
        // If it has ended already, it has said why.
        let _ = link.send(&Order::Begin { account: account.to_owned(), token }.encode(), &[]);
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
        *locked(&counted.0) += 1;
        let running = Self { link: Arc::clone(&link), connected: 0 };
        let (name, counted, slot) = (account.to_owned(), Arc::clone(counted), Arc::clone(slot));
        let watching = move || {
            watch(&name, child, &link, &slot);
            *locked(&counted.0) -= 1;
            counted.1.notify_all();
        };
        std::thread::Builder::new().name("host".to_owned()).spawn(watching)?;
        Ok(running)
    }

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
    let frame = link.receive()?.ok_or_else(|| io::Error::other("it ended before it began"))?;
    match Report::decode(&frame.message).map_err(io::Error::other)? {
        Report::Started => Ok(()),
        Report::Refused(reason) => Err(io::Error::new(io::ErrorKind::PermissionDenied, reason)),
        Report::Leaving { .. } => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Lets a host leave when it has nothing to do, and notices its end.
fn watch(account: &str, mut child: Child, link: &Arc<Link>, slot: &Slot) {
    let mut has_left = false;
    loop {
        let report = match link.receive() {
            Ok(Some(frame)) => Report::decode(&frame.message).ok(),
            Ok(None) | Err(_) => break,
        };
        let Some(Report::Leaving { connected }) = report else {
            tracing::warn!(account, "A host is not understood");
            link.close();
            continue;
        };
        let mut place = locked(slot);
        let leaves =
            place.as_ref().is_some_and(|now| Arc::ptr_eq(&now.link, link) && now.connected == connected);
        if leaves {
            *place = None;
            has_left = true;
            link.close();
        }
    }
    let was_there = {
        let mut place = locked(slot);
        let is_it = place.as_ref().is_some_and(|now| Arc::ptr_eq(&now.link, link));
        if is_it {
            *place = None;
        }
        is_it
    };
    match child.wait() {
        Ok(status) if was_there => {
            tracing::warn!(account, %status, "A host has ended, and its shells with it");
        }
        Ok(status) => tracing::debug!(account, %status, has_left, "A host has ended"),
        Err(error) => tracing::error!(account, %error, "The end of a host cannot be seen"),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What each of them guards is whole at any moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Modules of PAM may ask other machines.
const LONGEST_START: Duration = Duration::from_secs(20);
