//! What the commands of one shell may use up together.

use std::fs;
use std::io;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::time::sleep;

/// The quotas of a shell; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `MaxMemoryPerShellMB`, in bytes.
    pub memory: Option<NonZeroU64>,
    /// `MaxProcessesPerShell`; a thread counts as one.
    pub processes: Option<NonZeroU32>,
}

/// A boundary around the processes of one shell, also around those that leave their process group.
///
/// With cgroup v2 all commands of the shell share one group, and the kernel counts their memory and processes.
/// Without it memory is limited for each process by itself, and the number of processes is not: `RLIMIT_NPROC`
/// counts all that the user has, also outside of the shell. That limit is on data (`RLIMIT_DATA`), not on the
/// address space: PowerShell, Java and Go reserve far more addresses than they ever use.
///
/// A process is taken in right after it was started, with the children it has by then; later ones are born inside.
/// This is a quota, not a sandbox: code between `fork` and `exec` would leave no gap, but would have to be unsafe.
#[derive(Debug, Default)]
pub struct Enclosure {
    limits: Limits,
    cgroup: Option<PathBuf>,
}

impl Enclosure {
    /// No boundary.
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// Limits for each process by itself.
    pub fn per_process(limits: Limits) -> Self {
        Self { limits, cgroup: None }
    }

    /// A new group named `name` in `parent`: a cgroup v2 folder that was delegated to this user, holds no process of
    /// its own and has the controllers `memory` and `pids` switched on for its children ([`delegated`] finds one).
    pub fn in_cgroup(parent: &Path, name: &str, limits: Limits) -> io::Result<Self> {
        let cgroup = parent.join(name);
        fs::create_dir(&cgroup)?;
        // Dropping it from here on removes the folder again.
        let enclosure = Self { limits, cgroup: Some(cgroup) };
        if let Some(memory) = limits.memory {
            enclosure.write("memory.max", memory)?;
            // Swapping would turn the limit into a delay. Kernels without swap lack the file.
            let _ = enclosure.write("memory.swap.max", 0);
        }
        if let Some(processes) = limits.processes {
            enclosure.write("pids.max", processes)?;
        }
        Ok(enclosure)
    }

    /// What was asked for.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes a process in that was started this moment.
    pub(crate) fn admit(&self, process: Pid) {
        if self.limits == Limits::default() && self.cgroup.is_none() {
            return;
        }
        let mut family = vec![process];
        for _ in 0..LARGEST_FAMILY {
            let Some(process) = family.pop() else { return };
            let result = match &self.cgroup {
                Some(_) => self.write("cgroup.procs", process.as_raw_nonzero()),
                None => self.limit_data_of(process),
            };
            if let Err(error) = result {
                // Most likely it has ended already. A command is not refused for it.
                tracing::debug!(process = process.as_raw_nonzero(), %error, "The limits of a shell were not applied");
            }
            family.extend(children_of(process));
        }
    }

    /// Kills what is left inside and removes the group.
    pub async fn close(&self) {
        let Some(cgroup) = &self.cgroup else { return };
        kill_all(cgroup);
        // The folder can go as soon as the last process has; there is no event for that.
        for _ in 0..100 {
            match fs::remove_dir(cgroup) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    sleep(Duration::from_millis(10)).await;
                }
                _ => return,
            }
        }
        tracing::warn!(cgroup = %cgroup.display(), "The group of a closed shell is not empty");
    }

    fn limit_data_of(&self, process: Pid) -> io::Result<()> {
        let Some(memory) = self.limits.memory else { return Ok(()) };
        let limit = Rlimit { current: Some(memory.get()), maximum: Some(memory.get()) };
        prlimit(Some(process), Resource::Data, limit)?;
        Ok(())
    }

    fn write(&self, file: &str, value: impl std::fmt::Display) -> io::Result<()> {
        match &self.cgroup {
            Some(cgroup) => fs::write(cgroup.join(file), value.to_string()),
            None => Ok(()),
        }
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        if let Some(cgroup) = &self.cgroup {
            kill_all(cgroup);
            let _ = fs::remove_dir(cgroup);
        }
    }
}

/// proc(5), "/proc/pid/task/tid/children": none where the kernel was built without it.
fn children_of(process: Pid) -> Vec<Pid> {
    let process = process.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?)).collect()
}

/// More than any program starts in its first moment.
const LARGEST_FAMILY: usize = 64;

/// Since Linux 5.14; before that the commands' own process groups have to do.
fn kill_all(cgroup: &Path) {
    let _ = fs::write(cgroup.join("cgroup.kill"), "1");
}

/// The folder in which this process may make groups for its shells, if the system gave it one.
///
/// That is so where a service manager delegated a group and put the daemon in a group below it
/// (systemd: `Delegate=memory pids` and `DelegateSubgroup=`).
pub fn delegated() -> Option<PathBuf> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    delegated_in(Path::new("/sys/fs/cgroup"), &membership)
}

fn delegated_in(root: &Path, membership: &str) -> Option<PathBuf> {
    // The one line of cgroup v2 has hierarchy 0 and no controllers (cgroups(7), "/proc/pid/cgroup").
    let own = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let parent = root.join(Path::new(own).parent()?);
    let controllers = fs::read_to_string(parent.join("cgroup.subtree_control")).ok()?;
    let has = |name| controllers.split_whitespace().any(|controller| controller == name);
    let writable = rustix::fs::access(&parent, rustix::fs::Access::WRITE_OK).is_ok();
    (has("memory") && has("pids") && writable).then_some(parent)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LIMITS: Limits =
        Limits { memory: NonZeroU64::new(1024 * 1024 * 1024), processes: NonZeroU32::new(25) };

    #[test]
    fn a_group_is_given_its_limits_and_its_processes() {
        let parent = tempfile::tempdir().unwrap();
        let enclosure = Enclosure::in_cgroup(parent.path(), "shell-1", LIMITS).unwrap();
        enclosure.admit(Pid::from_raw(4711).unwrap());
        let written = |file| fs::read_to_string(parent.path().join("shell-1").join(file)).unwrap();
        assert_eq!(written("memory.max"), "1073741824");
        assert_eq!(written("memory.swap.max"), "0");
        assert_eq!(written("pids.max"), "25");
        assert_eq!(written("cgroup.procs"), "4711");
        drop(enclosure);
        assert_eq!(written("cgroup.kill"), "1");
    }

    #[test]
    fn a_child_that_was_quicker_is_taken_in_too() {
        let mut shell = std::process::Command::new("/bin/sh");
        let mut shell = shell.args(["-c", "exec 3<&0; (read a <&3) & (read b <&3) & echo; wait"]);
        shell = shell.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let mut ready = [0];
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut ready).unwrap();

        let shell_id = Pid::from_child(&shell);
        let family: Vec<Pid> = [vec![shell_id], children_of(shell_id)].concat();
        assert_eq!(family.len(), 3);
        Enclosure::per_process(LIMITS).admit(shell_id);
        for process in family {
            let limits = fs::read_to_string(format!("/proc/{}/limits", process.as_raw_nonzero())).unwrap();
            let data = limits.lines().find(|line| line.starts_with("Max data size")).unwrap();
            assert!(data.contains("1073741824"), "{data}");
        }
        drop(shell.stdin.take());
        shell.wait().unwrap();
    }

    #[test]
    fn a_group_that_cannot_be_made_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        assert!(Enclosure::in_cgroup(&parent.path().join("missing"), "shell-1", LIMITS).is_err());
    }

    #[test]
    fn a_delegated_group_is_the_parent_with_both_controllers() {
        let root = tempfile::tempdir().unwrap();
        let service = root.path().join("system.slice/telarchd.service");
        fs::create_dir_all(service.join("daemon")).unwrap();
        let membership = "1:name=systemd:/x\n0::/system.slice/telarchd.service/daemon\n";
        assert_eq!(delegated_in(root.path(), membership), None);
        fs::write(service.join("cgroup.subtree_control"), "cpu memory\n").unwrap();
        assert_eq!(delegated_in(root.path(), membership), None);
        fs::write(service.join("cgroup.subtree_control"), "memory pids\n").unwrap();
        assert_eq!(delegated_in(root.path(), membership), Some(service));
        assert_eq!(delegated_in(root.path(), "4:memory:/x\n"), None);
        assert_eq!(delegated_in(root.path(), "0::/\n"), None);
    }
}
