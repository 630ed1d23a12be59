//! What the commands of one shell may use up together.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use config::Winrs;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::time::sleep;

use crate::control_group::ControlGroup;
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
/// limits their memory together, and ends the shell with everything in it. Where root has made the group for the process
/// of a user ([`ShellGroups`]), a command cannot leave it; where a user runs the whole service, the group is the user's own.
///
/// **Without it** memory is limited for each process by itself (`RLIMIT_DATA`). That limit is on data, not on the
/// address space: PowerShell, Java and Go reserve far more addresses than they ever use. What belongs to the shell
/// is what is in the process groups of its commands or has the shell's mark in its environment; a program that left
/// the group *and* was started with another environment (`env -i setsid …`) escapes.
///
/// **Processes.** No kernel counts processes: `pids.max` and `RLIMIT_NPROC` count threads as well, and a Java program with
/// its hundred threads is one process to those who set quotas. So a group refuses to fork beyond [`Limits::tasks`], which
/// leaves room for threads, and processes are counted when a command is to be started, and several times a second while
/// there are some; of too many the youngest are killed. Without a group only the latter holds:
/// `RLIMIT_NPROC` would count all that the user has, also outside of the shell, unless the shell had a user namespace of
/// its own, in which setuid programs such as sudo do not work.
///
/// A process is taken in right after it was started, with the children it has by then; later ones are born inside.
/// One that took more memory than it may in that moment is killed at the next count. Code between `fork` and `exec`
/// would leave no gap, but would have to be unsafe, and `fork` copies what is mapped here: with 20 MB that takes
/// several times as long as all the rest of a start.
#[derive(Debug, Default)]
pub struct Enclosure {
    limits: Limits,
    group: Option<Box<dyn ShellGroup>>,
    mark: Option<Mark>,
}

/// Makes the control groups of shells.
pub trait ShellGroups: Send + Sync {
    /// Makes a group for one shell; `None` where shells have none.
    ///
    /// # Errors
    /// Why there is none although there should be.
    fn make(&self, limits: &Limits) -> io::Result<Option<Box<dyn ShellGroup>>>;
}

/// The control group of one shell.
pub trait ShellGroup: fmt::Debug + Send + Sync {
    /// Moves a process into it that was started this moment.
    ///
    /// # Errors
    /// Why it is not in it.
    fn admit(&self, process: Pid) -> io::Result<()>;
    /// Returns whether the kernel limits the memory of the group.
    fn limits_memory(&self) -> bool;
    /// Returns the processes in it.
    fn processes(&self) -> Vec<Pid>;
    /// Kills every process in it.
    fn kill(&self);
    /// Removes it.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] while there are processes in it.
    fn remove(&self) -> io::Result<()>;
}

/// Groups that this process makes itself, where a service manager has delegated a group to it
/// (systemd: `Delegate=memory pids`).
#[derive(Debug, Default)]
pub struct OwnGroups;

impl ShellGroups for OwnGroups {
    fn make(&self, limits: &Limits) -> io::Result<Option<Box<dyn ShellGroup>>> {
        let Some(parent) = delegated() else { return Ok(None) };
        OwnGroup::make(&parent, limits).map(|group| Some(Box::new(group) as Box<dyn ShellGroup>))
    }
}

/// A group that this process has made.
#[derive(Debug)]
struct OwnGroup {
    group: ControlGroup,
    limits_memory: bool,
}

impl OwnGroup {
    /// The name does not depend on what a client chooses: each shell has a group of its own.
    fn make(parent: &ControlGroup, limits: &Limits) -> io::Result<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let group = parent.make(&format!("shell-{}-{number}", std::process::id()))?;
        match group.limit(limits.memory.map(NonZeroU64::get), limits.tasks().map(NonZeroU64::get)) {
            Ok(enforced) => Ok(Self { group, limits_memory: enforced.memory }),
            Err(error) => {
                let _ = group.remove();
                Err(error)
            }
        }
    }
}

impl ShellGroup for OwnGroup {
    fn admit(&self, process: Pid) -> io::Result<()> {
        self.group.take_in(process)
    }

    fn limits_memory(&self) -> bool {
        self.limits_memory
    }

    fn processes(&self) -> Vec<Pid> {
        self.group.processes()
    }

    fn kill(&self) {
        self.group.kill();
    }

    fn remove(&self) -> io::Result<()> {
        self.group.remove()
    }
}

impl Limits {
    /// Returns the quotas of the settings.
    #[must_use]
    pub fn of_settings(winrs: &Winrs) -> Self {
        Self {
            memory: winrs.max_memory_per_shell_mb.limit().and_then(NonZeroU64::new),
            processes: winrs.max_processes_per_shell.limit().and_then(NonZeroU32::new),
            open_files: None,
        }
    }

    /// Returns how many processes and threads the group of a shell may have: the kernel counts them together, and large
    /// programs have a hundred threads each.
    #[must_use]
    pub fn tasks(&self) -> Option<NonZeroU64> {
        let processes = u64::from(self.processes?.get());
        NonZeroU64::new(processes.saturating_mul(TASKS_PER_PROCESS).saturating_add(TASKS_OF_ONE_PROGRAM))
    }
}

impl Enclosure {
    /// No boundary.
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// Limits for each process by itself.
    pub fn per_process(limits: Limits) -> Self {
        Self { limits, group: None, mark: None }
    }

    /// The same, and its processes are found again wherever they go.
    pub(crate) fn marked(limits: Limits, mark: Mark) -> Self {
        Self { limits, group: None, mark: Some(mark) }
    }

    /// A control group, which is removed with the enclosure.
    pub fn in_group(group: Box<dyn ShellGroup>, limits: Limits) -> Self {
        Self { limits, group: Some(group), mark: None }
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
        self.group.is_none()
    }

    /// What belongs to the shell: `groups` are those of its commands, which must not have been reaped since before
    /// the snapshot.
    pub(crate) fn processes(&self, groups: &[u32], snapshot: &Snapshot) -> Vec<Process> {
        let Some(group) = &self.group else { return snapshot.members(groups, self.mark.as_ref()) };
        group.processes().into_iter().filter_map(Process::of).collect()
    }

    /// Takes a process in that was started this moment.
    pub(crate) fn admit(&self, process: Pid) {
        if self.limits == Limits::default() && self.group.is_none() {
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
        self.limits.processes.is_some() || (self.limits.memory.is_some() && !self.is_limited_together())
    }

    /// Whether a process has more memory than one may: it took it before there was a limit.
    pub(crate) fn is_exceeded_by(&self, process: &Process) -> bool {
        let limit = self.limits.memory.filter(|_| !self.is_limited_together());
        limit.is_some_and(|limit| process.data() > Some(limit.get()))
    }

    /// Whether the kernel limits the memory of all processes together.
    fn is_limited_together(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.limits_memory())
    }

    /// Kills what is left inside and removes the group.
    pub async fn close(&self) {
        let Some(group) = &self.group else { return };
        group.kill();
        // The folder can go as soon as the last process has; there is no event for that.
        for _ in 0..100 {
            match group.remove() {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    sleep(Duration::from_millis(10)).await;
                    group.kill();
                }
                _ => return,
            }
        }
        tracing::warn!(?group, "The group of a closed shell is not empty");
    }

    fn take_in(&self, process: Pid) -> io::Result<()> {
        if let Some(open_files) = self.limits.open_files {
            let maximum = getrlimit(Resource::Nofile).maximum;
            let current = Some(maximum.map_or(open_files, |maximum| maximum.min(open_files)));
            prlimit(Some(process), Resource::Nofile, Rlimit { current, maximum })?;
        }
        if let Some(group) = &self.group {
            group.admit(process)?;
        }
        if let Some(memory) = self.limits.memory.filter(|_| !self.is_limited_together()) {
            // Nobody may raise a limit that is lower already.
            let maximum = getrlimit(Resource::Data).maximum;
            let most = Some(maximum.map_or(memory.get(), |maximum| maximum.min(memory.get())));
            prlimit(Some(process), Resource::Data, Rlimit { current: most, maximum: most })?;
        }
        Ok(())
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            group.kill();
            let _ = group.remove();
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

/// Threads that a usual program has.
const TASKS_PER_PROCESS: u64 = 8;
/// Threads that a large program has on a large machine.
const TASKS_OF_ONE_PROGRAM: u64 = 256;

/// Returns the group in which this process may make groups for its shells, if the system gave it one.
///
/// That is so where a service manager delegated a group and put the daemon in a group below it
/// (systemd: `Delegate=memory pids` and `DelegateSubgroup=`).
fn delegated() -> Option<ControlGroup> {
    delegated_to(&ControlGroup::of_this_process()?)
}

fn delegated_to(own: &ControlGroup) -> Option<ControlGroup> {
    let parent = own.parent()?;
    let writable = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    // Who moves a process needs to write where the two groups meet as well (cgroups(7), "Delegation containment").
    let is_delegated = writable(parent.path()) && writable(&parent.path().join("cgroup.procs"));
    (parent.controls_children() && is_delegated).then_some(parent)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use super::*;

    const LIMITS: Limits = Limits {
        memory: NonZeroU64::new(1024 * 1024 * 1024),
        processes: NonZeroU32::new(25),
        open_files: None,
    };

    /// A folder with the files that the kernel makes in every group.
    fn folder(parent: &Path) -> ControlGroup {
        ControlGroup::at(parent, parent)
    }

    /// A group made below a folder; the kernel's files come after it here.
    fn made(parent: &Path, limits_memory: bool) -> (Enclosure, PathBuf) {
        let group = OwnGroup { limits_memory, ..OwnGroup::make(&folder(parent), &LIMITS).unwrap() };
        let path = group.group.path().to_owned();
        for file in ["cgroup.procs", "cgroup.kill"] {
            fs::write(path.join(file), "").unwrap();
        }
        (Enclosure::in_group(Box::new(group), LIMITS), path)
    }

    #[test]
    fn quotas_are_those_of_the_settings_and_0_is_none() {
        let mut config = config::Config::default();
        config.set("Winrs.MaxMemoryPerShellMB", "3").unwrap();
        config.set("Winrs.MaxProcessesPerShell", "7").unwrap();
        let limits = Limits::of_settings(&config.winrs);
        let processes = NonZeroU32::new(7);
        assert_eq!(limits, Limits { memory: NonZeroU64::new(3 << 20), processes, open_files: None });
        config.set("Winrs.MaxMemoryPerShellMB", "0").unwrap();
        config.set("Winrs.MaxProcessesPerShell", "0").unwrap();
        assert_eq!(Limits::of_settings(&config.winrs), Limits::default());
    }

    #[test]
    fn a_group_is_given_its_processes_and_is_killed_with_them() {
        let parent = tempfile::tempdir().unwrap();
        let (enclosure, path) = made(parent.path(), true);
        enclosure.admit(Pid::from_raw(4711).unwrap());
        assert_eq!(fs::read_to_string(path.join("cgroup.procs")).unwrap(), "4711");
        drop(enclosure);
        assert_eq!(fs::read_to_string(path.join("cgroup.kill")).unwrap(), "1");
    }

    #[test]
    fn every_shell_has_a_group_whose_name_no_client_chooses() {
        let parent = tempfile::tempdir().unwrap();
        let paths = [(); 3].map(|()| made(parent.path(), true).1);
        assert!(paths[0] != paths[1] && paths[1] != paths[2], "{paths:?}");
    }

    #[test]
    fn a_group_may_fork_as_often_as_its_processes_and_the_threads_of_large_programs_need() {
        assert_eq!(LIMITS.tasks().map(NonZeroU64::get), Some(456));
        assert_eq!(Limits::default().tasks(), None);
    }

    #[test]
    fn the_processes_of_a_group_are_those_it_lists_and_that_live() {
        let parent = tempfile::tempdir().unwrap();
        let (enclosure, path) = made(parent.path(), true);
        assert!(!enclosure.needs_snapshot());
        let list = |text: String| fs::write(path.join("cgroup.procs"), text).unwrap();
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
        for (limits_memory, is_exceeded) in [(true, false), (false, true)] {
            let (mut enclosure, _) = made(parent.path(), limits_memory);
            enclosure.limits.memory = NonZeroU64::new(1);
            assert_eq!(enclosure.is_exceeded_by(&own), is_exceeded, "the kernel counts: {limits_memory}");
        }
    }

    #[test]
    fn a_group_that_cannot_be_made_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        assert!(OwnGroup::make(&folder(&parent.path().join("missing")), &LIMITS).is_err());
    }

    #[test]
    fn a_delegated_group_is_the_parent_with_both_controllers() {
        let root = tempfile::tempdir().unwrap();
        let service = root.path().join("system.slice/telarchd.service");
        fs::create_dir_all(service.join("daemon")).unwrap();
        let own = ControlGroup::at(root.path(), &service.join("daemon"));
        assert_eq!(delegated_to(&own), None);
        for controllers in ["cpu memory\n", "memory pids\n"] {
            fs::write(service.join("cgroup.subtree_control"), controllers).unwrap();
            assert_eq!(delegated_to(&own), None);
        }
        fs::write(service.join("cgroup.procs"), "").unwrap();
        assert_eq!(delegated_to(&own), own.parent());
        assert_eq!(delegated_to(&ControlGroup::at(root.path(), root.path())), None);
    }
}
