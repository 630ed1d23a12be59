//! What the commands of one shell may use up together.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::time::sleep;

use crate::processes::{Mark, Process, Snapshot};

/// The quotas of a shell; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `MaxMemoryPerShellMB`, in bytes.
    pub memory: Option<NonZeroU64>,
    /// `MaxProcessesPerShell`.
    pub processes: Option<NonZeroU32>,
    /// How many files each process may have open: the soft limit, which it may raise again. `None` leaves them that
    /// of this process.
    pub open_files: Option<u64>,
}

/// A boundary around the processes of one shell.
///
/// **With cgroup v2** all commands of the shell share one group, also what leaves their process groups. The kernel
/// limits their memory together, and ends the shell with everything in it. It would count threads, not processes,
/// and a Java program with its thirty threads is one process to those who set quotas; so it only keeps a shell from
/// flooding the machine (at 64 threads for each process), and the processes are counted as below.
///
/// **Without it** memory is limited for each process by itself (`RLIMIT_DATA`). That limit is on data, not on the
/// address space: PowerShell, Java and Go reserve far more addresses than they ever use. What belongs to the shell
/// is what is in the process groups of its commands or has the shell's mark in its environment; a program that left
/// the group *and* was started with another environment (`env -i setsid …`) escapes.
///
/// **Processes** are counted when a command is to be started, and while there are some about once a second. Shells
/// that have more than they may lose their youngest ones. For up to a second a shell can therefore have more:
/// `RLIMIT_NPROC`, which would stop it at once, counts all that the user has, also outside of the shell.
///
/// A process is taken in right after it was started, with the children it has by then; later ones are born inside.
/// One that took more memory than it may in that moment is killed at the next count. Code between `fork` and `exec`
/// would leave no gap, but would have to be unsafe, and `fork` copies what is mapped here: with 20 MB that takes
/// several times as long as all the rest of a start. This is a quota, not a sandbox.
#[derive(Debug, Default)]
pub struct Enclosure {
    limits: Limits,
    cgroup: Option<PathBuf>,
    mark: Option<Mark>,
}

impl Enclosure {
    /// No boundary.
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// Limits for each process by itself.
    pub fn per_process(limits: Limits) -> Self {
        Self { limits, cgroup: None, mark: None }
    }

    /// The same, and its processes are found again wherever they go.
    pub(crate) fn marked(limits: Limits, mark: Mark) -> Self {
        Self { limits, cgroup: None, mark: Some(mark) }
    }

    /// A new group named `name` in `parent`: a cgroup v2 folder that was delegated to this user, holds no process of
    /// its own and has the controllers `memory` and `pids` switched on for its children ([`delegated`] finds one).
    pub fn in_cgroup(parent: &Path, name: &str, limits: Limits) -> io::Result<Self> {
        let cgroup = parent.join(name);
        fs::create_dir(&cgroup)?;
        // Dropping it from here on removes the folder again.
        let enclosure = Self { limits, cgroup: Some(cgroup), mark: None };
        if let Some(memory) = limits.memory {
            enclosure.write("memory.max", memory)?;
            // Swapping would turn the limit into a delay. Kernels without swap lack the file.
            let _ = enclosure.write("memory.swap.max", 0);
        }
        if let Some(processes) = limits.processes {
            enclosure.write("pids.max", u64::from(processes.get()) * TASKS_PER_PROCESS)?;
        }
        Ok(enclosure)
    }

    /// What was asked for.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The variable that every command has, if processes are found by one.
    pub(crate) fn variable(&self) -> Option<(&'static OsStr, &OsStr)> {
        self.mark.as_ref().map(|mark| (OsStr::new(Mark::NAME), OsStr::new(mark.value())))
    }

    /// What processes that escaped are found by.
    pub(crate) fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    /// Whether [`Enclosure::processes`] looks at the snapshot.
    pub(crate) fn needs_snapshot(&self) -> bool {
        self.cgroup.is_none()
    }

    /// What belongs to the shell: `groups` are those of its commands, which must not have been reaped since before
    /// the snapshot.
    pub(crate) fn processes(&self, groups: &[u32], snapshot: &Snapshot) -> Vec<Process> {
        let Some(cgroup) = &self.cgroup else { return snapshot.members(groups, self.mark.as_ref()) };
        let list = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
        list.lines().filter_map(|line| Process::of(Pid::from_raw(line.trim().parse().ok()?)?)).collect()
    }

    /// Takes a process in that was started this moment.
    pub(crate) fn admit(&self, process: Pid) {
        if self.limits == Limits::default() && self.cgroup.is_none() {
            return;
        }
        let mut family = vec![process];
        for _ in 0..LARGEST_FAMILY {
            let Some(process) = family.pop() else { return };
            if let Err(error) = self.take_in(process) {
                // Most likely it has ended already. A command is not refused for it.
                tracing::debug!(process = process.as_raw_nonzero(), %error, "The limits of a shell were not applied");
            }
            family.extend(children_of(process));
        }
    }

    /// Whether there is a limit that only looking at the processes can enforce.
    pub(crate) fn is_to_be_counted(&self) -> bool {
        self.limits.processes.is_some() || (self.limits.memory.is_some() && self.cgroup.is_none())
    }

    /// Whether a process has more memory than one may: it took it before there was a limit.
    pub(crate) fn is_exceeded_by(&self, process: &Process) -> bool {
        let limit = self.limits.memory.filter(|_| self.cgroup.is_none());
        limit.is_some_and(|limit| process.data() > Some(limit.get()))
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

    fn take_in(&self, process: Pid) -> io::Result<()> {
        if let Some(open_files) = self.limits.open_files {
            let maximum = getrlimit(Resource::Nofile).maximum;
            let current = Some(maximum.map_or(open_files, |maximum| maximum.min(open_files)));
            prlimit(Some(process), Resource::Nofile, Rlimit { current, maximum })?;
        }
        if self.cgroup.is_some() {
            return self.write("cgroup.procs", process.as_raw_nonzero());
        }
        if let Some(memory) = self.limits.memory {
            // Nobody may raise a limit that is lower already.
            let maximum = getrlimit(Resource::Data).maximum;
            let most = Some(maximum.map_or(memory.get(), |maximum| maximum.min(memory.get())));
            prlimit(Some(process), Resource::Data, Rlimit { current: most, maximum: most })?;
        }
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

/// Threads that programs have on large machines, and room for what is counted only once a second.
const TASKS_PER_PROCESS: u64 = 64;

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
    let writable = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    // Who moves a process needs to write where the two groups meet as well (cgroups(7), "Delegation containment").
    let delegated = writable(&parent) && writable(&parent.join("cgroup.procs"));
    (has("memory") && has("pids") && delegated).then_some(parent)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LIMITS: Limits = Limits {
        memory: NonZeroU64::new(1024 * 1024 * 1024),
        processes: NonZeroU32::new(25),
        open_files: None,
    };

    #[test]
    fn a_group_is_given_its_limits_and_its_processes() {
        let parent = tempfile::tempdir().unwrap();
        let enclosure = Enclosure::in_cgroup(parent.path(), "shell-1", LIMITS).unwrap();
        enclosure.admit(Pid::from_raw(4711).unwrap());
        let written = |file| fs::read_to_string(parent.path().join("shell-1").join(file)).unwrap();
        assert_eq!(written("memory.max"), "1073741824");
        assert_eq!(written("memory.swap.max"), "0");
        assert_eq!(written("pids.max"), "1600");
        assert_eq!(written("cgroup.procs"), "4711");
        drop(enclosure);
        assert_eq!(written("cgroup.kill"), "1");
    }

    #[test]
    fn the_processes_of_a_group_are_those_it_lists_and_that_live() {
        let parent = tempfile::tempdir().unwrap();
        let enclosure = Enclosure::in_cgroup(parent.path(), "shell-1", LIMITS).unwrap();
        assert!(!enclosure.needs_snapshot());
        let list = |text: String| fs::write(parent.path().join("shell-1/cgroup.procs"), text).unwrap();
        // No process has such a number.
        list(format!("{}\n{}\n", std::process::id(), i32::MAX));
        let own = Pid::from_raw(i32::try_from(std::process::id()).unwrap());
        let ids = |found: Vec<Process>| found.into_iter().map(|process| Some(process.id)).collect::<Vec<_>>();
        assert_eq!(ids(enclosure.processes(&[], &Snapshot::default())), [own]);
        list(String::new());
        assert_eq!(ids(enclosure.processes(&[1], &Snapshot::take())), []);
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
    fn who_has_more_memory_than_he_may_is_found_out() {
        let own = Process::of(Pid::from_raw(i32::try_from(std::process::id()).unwrap()).unwrap()).unwrap();
        let limited = |memory| Enclosure::per_process(Limits { memory, ..Limits::default() });
        // Every program has some.
        assert!(limited(NonZeroU64::new(1)).is_exceeded_by(&own));
        assert!(!limited(NonZeroU64::new(1 << 50)).is_exceeded_by(&own));
        assert!(!limited(None).is_exceeded_by(&own));
        let parent = tempfile::tempdir().unwrap();
        let limits = Limits { memory: NonZeroU64::new(1), ..Limits::default() };
        let together = Enclosure::in_cgroup(parent.path(), "shell-1", limits).unwrap();
        assert!(!together.is_exceeded_by(&own), "there the kernel counts");
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
        assert_eq!(delegated_in(root.path(), membership), None);
        fs::write(service.join("cgroup.procs"), "").unwrap();
        assert_eq!(delegated_in(root.path(), membership), Some(service));
        assert_eq!(delegated_in(root.path(), "4:memory:/x\n"), None);
        assert_eq!(delegated_in(root.path(), "0::/\n"), None);
    }
}
