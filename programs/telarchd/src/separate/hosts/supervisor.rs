//! Supervision of running hosts: reports to the broker, and their end.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use auth::Account;
use broker::{HardwareReply, HostCommand, HostReport, Link, RateDecision, RateLimit};
use hardware::HostFile;
use sddl::well_known;

use super::{HostSlot, HostState, Renewal, TokenSource};
use crate::persistent::delegation::UserGroup;
use crate::separate::host_process::HostProcess;

/// Waits for the end of a host whose link is closed, and kills it after a while, because its user may have stopped it.
pub(super) fn wait_for(mut child: Child, process: &HostProcess) -> io::Result<std::process::ExitStatus> {
    if !process.wait_for_end(LEAVING_TIMEOUT) {
        process.kill();
    }
    child.wait()
}

/// Information that is needed to supervise a host.
pub(super) struct HostSupervisor {
    /// Account that the host works for.
    pub(super) account: Account,
    /// Whether the host may receive management controllers. A process of another account must not receive what the
    /// rights of its caller grant.
    pub(super) grants_hardware: bool,
    pub(super) tokens: TokenSource,
    pub(super) state: PathBuf,
    pub(super) is_ending: Arc<AtomicBool>,
    /// Held until the host has ended.
    pub(super) _group: Option<UserGroup>,
}

/// Handles the reports of a host until it ends: lets an idle host leave, and grants access to management controllers.
pub(super) fn supervise(supervisor: &HostSupervisor, child: Child, process: &HostProcess, slot: &HostSlot) {
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
        let token = self.grants_hardware.then(|| (self.tokens)(&self.account)).flatten();
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
/// Time for a host to close its shells before it is killed.
const LEAVING_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;

    use locks::Mutex;

    use super::*;

    #[test]
    fn requests_for_management_controllers_are_limited() {
        let (link, theirs) = Link::pair().expect("a link");
        let host = Link::from_inherited(theirs).expect("its other end");
        let lookups = Arc::new(Mutex::new(0_u32));
        let tokens = Arc::clone(&lookups);
        let supervisor = HostSupervisor {
            account: Account { name: "ann".to_owned() },
            grants_hardware: true,
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

    #[test]
    fn a_process_of_another_account_receives_no_management_controllers() {
        let (link, theirs) = Link::pair().expect("a link");
        let host = Link::from_inherited(theirs).expect("its other end");
        let supervisor = HostSupervisor {
            account: Account { name: "ann".to_owned() },
            grants_hardware: false,
            tokens: Arc::new(|_| panic!("the rights of the caller do not count")),
            state: PathBuf::new(),
            is_ending: Arc::default(),
            _group: None,
        };
        supervisor.send_hardware(&link);
        let answer = host.receive().expect("the link works").expect("an answer");
        let answer = HostCommand::decode(&answer.message).expect("a command");
        assert!(matches!(answer, HostCommand::SupplyHardware(HardwareReply::Denied)), "{answer:?}");
    }
}
