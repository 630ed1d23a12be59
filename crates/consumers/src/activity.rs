//! Record of the process that carries out subscriptions, so that other programs see the settings in force: a file of the
//! state directory, locked while the process runs them (flock(2)).

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

/// Whether consumers may run programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandPolicy {
    /// Programs are run as the user of this process.
    Allow,
    /// Programs are not run.
    Deny,
}

/// Record in a state directory.
#[derive(Clone, Debug)]
pub struct Activity {
    path: PathBuf,
}

/// Lock of the record. Dropping it, or the end of the process, means that subscriptions are not carried out.
#[derive(Debug)]
pub(crate) struct ActivityLock(#[allow(dead_code, reason = "closing the file releases the lock")] File);

impl Activity {
    /// Returns the record in a state directory.
    #[must_use]
    pub fn of_state(state: &Path) -> Self {
        Self { path: state.join("permanent-subscriptions") }
    }

    /// Returns whether a process carries out subscriptions now, and whether its consumers may run programs; `None` if
    /// none does.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn current(&self) -> io::Result<Option<CommandPolicy>> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
        let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => return Ok(None),
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
        let mut text = String::new();
        (&mut file).take(LONGEST).read_to_string(&mut text)?;
        Ok(Some(if text.trim() == PROGRAMS { CommandPolicy::Allow } else { CommandPolicy::Deny }))
    }

    /// Records that this process carries out subscriptions.
    ///
    /// # Errors
    /// Errors of the operating system, also if another process has the record.
    pub(crate) fn begin(&self, commands: CommandPolicy) -> io::Result<ActivityLock> {
        let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).custom_flags(flags);
        let mut file = options.open(&self.path)?;
        // All users may read it, whatever the umask of the service is.
        file.set_permissions(Permissions::from_mode(0o644))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        file.set_len(0)?;
        let text = match commands {
            CommandPolicy::Allow => PROGRAMS,
            CommandPolicy::Deny => "",
        };
        writeln!(file, "{text}")?;
        Ok(ActivityLock(file))
    }
}

/// Content of the record if consumers may run programs.
const PROGRAMS: &str = "programs";

/// Maximum number of bytes that are read.
const LONGEST: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_valid_as_long_as_it_is_held() {
        let state = tempfile::tempdir().unwrap();
        let activity = Activity::of_state(state.path());
        assert_eq!(activity.current().unwrap(), None);
        let held = activity.begin(CommandPolicy::Allow).unwrap();
        assert_eq!(activity.current().unwrap(), Some(CommandPolicy::Allow));
        assert!(activity.begin(CommandPolicy::Deny).is_err());
        drop(held);
        assert_eq!(activity.current().unwrap(), None);
        let held = activity.begin(CommandPolicy::Deny).unwrap();
        assert_eq!(activity.current().unwrap(), Some(CommandPolicy::Deny));
        drop(held);
    }
}
