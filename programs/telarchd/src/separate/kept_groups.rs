//! The control groups of a host's shells, which its keeper makes.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker::{GroupAnswer, GroupRequest, Link};
use plugin_shell::{ControlGroup, Limits, ShellGroup, ShellGroups};
use rustix::process::Pid;

/// Asks the keeper for groups.
#[derive(Clone, Debug)]
pub(super) struct KeptGroups(Option<Arc<Mutex<Link>>>);

impl KeptGroups {
    /// Asks over this link; without one shells have no groups.
    pub(super) fn new(link: Option<Link>) -> io::Result<Self> {
        if let Some(link) = &link {
            link.set_receive_timeout(Some(LONGEST_ANSWER))?;
            link.set_send_timeout(LONGEST_ANSWER)?;
        }
        Ok(Self(link.map(|link| Arc::new(Mutex::new(link)))))
    }

    fn ask(&self, request: GroupRequest) -> io::Result<GroupAnswer> {
        let link = self.0.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let link = link.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = || {
            link.send(&request.encode(), &[])?;
            let frame = link.receive()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            GroupAnswer::decode(&frame.message).map_err(io::Error::other)
        };
        // After an error nobody knows which answer comes next.
        let answer = asked().inspect_err(|_| link.close())?;
        match answer {
            GroupAnswer::Failed(reason) => Err(io::Error::other(reason)),
            GroupAnswer::Busy => Err(io::ErrorKind::ResourceBusy.into()),
            answer => Ok(answer),
        }
    }
}

impl ShellGroups for KeptGroups {
    fn create(&self, limits: &Limits) -> io::Result<Option<Box<dyn ShellGroup>>> {
        if self.0.is_none() {
            return Ok(None);
        }
        let request = GroupRequest::Create { memory: limits.memory, tasks: limits.tasks() };
        match self.ask(request)? {
            GroupAnswer::Created { group, path, limits_memory } => {
                let folder = ControlGroup::at(Path::new("/"), Path::new(&path));
                Ok(Some(Box::new(KeptGroup {
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

/// A group that the keeper has made.
#[derive(Debug)]
struct KeptGroup {
    keeper: KeptGroups,
    number: u32,
    /// Readable for everybody.
    folder: ControlGroup,
    limits_memory: bool,
    is_removed: AtomicBool,
}

impl ShellGroup for KeptGroup {
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
            tracing::debug!(%error, "The processes of a shell cannot be killed together");
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

/// The keeper writes to a few files of the kernel.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);
