//! Control groups of a host's shells, which its session process creates.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use broker::{GroupAnswer, GroupRequest, Link};
use locks::Mutex;
use rustix::process::Pid;
use shells::{ControlGroup, Limits, ShellGroup, ShellGroups};

/// Requests groups from the session process.
#[derive(Clone, Debug)]
pub(super) struct SessionGroups(Option<Arc<Mutex<Link>>>);

impl SessionGroups {
    /// Creates a client of the session process at the other end of a link; without a link shells have no groups.
    pub(super) fn new(link: Option<Link>) -> io::Result<Self> {
        if let Some(link) = &link {
            link.set_receive_timeout(Some(ANSWER_TIMEOUT))?;
            link.set_send_timeout(ANSWER_TIMEOUT)?;
        }
        Ok(Self(link.map(|link| Arc::new(Mutex::new(link)))))
    }

    fn ask(&self, request: GroupRequest) -> io::Result<GroupAnswer> {
        let link = self.0.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let link = link.lock();
        // After an error, answers could no longer be assigned to requests.
        let answer = exchange(&link, &request).inspect_err(|_| link.close())?;
        match answer {
            GroupAnswer::Failed(reason) => Err(io::Error::other(reason)),
            GroupAnswer::Busy => Err(io::ErrorKind::ResourceBusy.into()),
            answer => Ok(answer),
        }
    }
}

fn exchange(link: &Link, request: &GroupRequest) -> io::Result<GroupAnswer> {
    link.send(&request.encode(), &[])?;
    let frame = link.receive()?.ok_or(io::ErrorKind::UnexpectedEof)?;
    GroupAnswer::decode(&frame.message).map_err(io::Error::other)
}

impl ShellGroups for SessionGroups {
    fn create(&self, limits: &Limits) -> io::Result<Option<Box<dyn ShellGroup>>> {
        if self.0.is_none() {
            return Ok(None);
        }
        let request = GroupRequest::Create { memory: limits.memory, tasks: limits.tasks() };
        match self.ask(request)? {
            GroupAnswer::Created { group, path, limits_memory } => {
                let folder = ControlGroup::at(Path::new("/"), Path::new(&path));
                Ok(Some(Box::new(SessionGroup {
                    keeper: self.clone(),
                    number: group,
                    folder,
                    limits_memory,
                    is_removed: AtomicBool::new(false),
                })))
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// A group created by the session process.
#[derive(Debug)]
struct SessionGroup {
    keeper: SessionGroups,
    number: u32,
    /// Directory of the group, readable by all users.
    folder: ControlGroup,
    limits_memory: bool,
    is_removed: AtomicBool,
}

impl ShellGroup for SessionGroup {
    fn add_process(&self, process: Pid) -> io::Result<()> {
        let process = process.as_raw_nonzero().get().unsigned_abs();
        self.keeper.ask(GroupRequest::AddProcess { group: self.number, process }).map(drop)
    }

    fn limits_memory(&self) -> bool {
        self.limits_memory
    }

    fn processes(&self) -> Vec<Pid> {
        self.folder.processes()
    }

    fn kill(&self) {
        if self.is_removed.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = self.keeper.ask(GroupRequest::Kill { group: self.number }) {
            tracing::debug!(%error, "Cannot kill the processes of a shell");
        }
    }

    fn remove(&self) -> io::Result<()> {
        if self.is_removed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.keeper.ask(GroupRequest::Remove { group: self.number })?;
        self.is_removed.store(true, Ordering::Release);
        Ok(())
    }
}

/// Timeout of an answer; the session process writes to a few files of the kernel.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
