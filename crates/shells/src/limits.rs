//! Resource limits shared by the commands of one shell.

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

/// Quotas of a shell; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `MaxMemoryPerShellMB`, converted to bytes.
    pub memory: Option<NonZeroU64>,
    /// `MaxProcessesPerShell`.
    pub processes: Option<NonZeroU32>,
    /// Soft limit of open files for each process, which it may raise. `None` inherits the limit of the service.
    pub open_files: Option<u64>,
    /// Maximum number of processes and threads of the user (`RLIMIT_NPROC`), with which a command starts if the shell
    /// has no control group. See [`user_tasks`](Self::user_tasks).
    pub user_tasks: Option<NonZeroU64>,
}

/// Applies the limits of one shell to its processes.
///
/// **With cgroup v2** all commands of the shell share one group, including processes that leave their process groups.
/// The kernel limits their memory together, and closing the shell kills everything in the group. If root has created
/// the group ([`ShellGroups`]), a command cannot leave it; if a user runs the whole service, the group belongs to the
/// user.
///
/// **Without cgroup v2** memory is limited per process (`RLIMIT_DATA`). The limit applies to data and not to the
/// address space, of which PowerShell, Java and Go reserve far more than they use. The processes of the shell are those
/// in the process groups of its commands and those with the shell's mark in their environment. A program that leaves
/// the group *and* is started with another environment (`env -i setsid …`) escapes.
///
/// **Processes.** The kernel has no limit on processes: `pids.max` and `RLIMIT_NPROC` count threads as well, while
/// administrators count a Java program with a hundred threads as one process. The group therefore refuses to fork
/// beyond [`Limits::tasks`], which leaves room for threads. Processes are counted before a command is started and
/// several times a second while there are any; the youngest ones above the limit are killed. Without a group the kernel
/// refuses to fork beyond [`Limits::user_tasks`], because `RLIMIT_NPROC` counts all processes of the user unless the
/// shell has its own user namespace, in which setuid programs such as sudo do not work. The service itself keeps its
/// higher limit, so that it can always start the next command of the user.
///
/// A process is added right after its start, together with the children it has by then; later children inherit the
/// limits. A process that allocated too much memory before that is killed at the next count. Code between `fork` and
/// `exec` would close this gap, but it would be unsafe, and `fork` copies the page tables of the service: with 20 MB
/// that takes several times as long as the rest of a start.
#[derive(Debug, Default)]
pub struct ProcessLimiter {
    limits: Limits,
    group: Option<Box<dyn ShellGroup>>,
    mark: Option<Mark>,
}

/// Creates the control groups of shells.
pub trait ShellGroups: Send + Sync {
    /// Creates a group for one shell; returns `None` if shells have no groups on this machine.
    ///
    /// # Errors
    /// I/O errors if a group cannot be created although shells have groups.
    fn create(&self, limits: &Limits) -> io::Result<Option<Box<dyn ShellGroup>>>;
}

/// The control group of one shell.
pub trait ShellGroup: fmt::Debug + Send + Sync {
    /// Moves a process that was just started into the group.
    ///
    /// # Errors
    /// I/O errors, for instance if the process has ended.
    fn add_process(&self, process: Pid) -> io::Result<()>;
    /// Returns whether the kernel limits the total memory of the group.
    fn limits_memory(&self) -> bool;
    /// Returns the processes in the group.
    fn processes(&self) -> Vec<Pid>;
    /// Kills every process in the group.
    fn kill(&self);
    /// Removes the group.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] if it contains processes.
    fn remove(&self) -> io::Result<()>;
}

/// Groups that the service creates itself below a group that the service manager has delegated to it (systemd:
/// `Delegate=memory pids`).
#[derive(Debug, Default)]
pub struct DelegatedGroups;

impl ShellGroups for DelegatedGroups {
    fn create(&self, limits: &Limits) -> io::Result<Option<Box<dyn ShellGroup>>> {
        let Some(parent) = delegated() else { return Ok(None) };
        DelegatedGroup::create(&parent, limits).map(|group| Some(Box::new(group) as Box<dyn ShellGroup>))
    }
}

/// A group created by this process.
#[derive(Debug)]
struct DelegatedGroup {
    group: ControlGroup,
    limits_memory: bool,
}

impl DelegatedGroup {
    /// Creates a group whose name does not depend on values chosen by clients.
    fn create(parent: &ControlGroup, limits: &Limits) -> io::Result<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let group = parent.create_child(&format!("shell-{}-{number}", std::process::id()))?;
        match group.set_limits(limits.memory.map(NonZeroU64::get), limits.tasks().map(NonZeroU64::get)) {
            Ok(enforced) => Ok(Self { group, limits_memory: enforced.memory }),
            Err(error) => {
                let _ = group.remove();
                Err(error)
            }
        }
    }
}

impl ShellGroup for DelegatedGroup {
    fn add_process(&self, process: Pid) -> io::Result<()> {
        self.group.add_process(process)
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
    /// Returns the quotas in the settings.
    #[must_use]
    pub fn from_settings(winrs: &Winrs) -> Self {
        Self {
            memory: winrs.max_memory_per_shell_mb.limit().and_then(NonZeroU64::new),
            processes: winrs.max_processes_per_shell.limit().and_then(NonZeroU32::new),
            open_files: None,
            user_tasks: None,
        }
    }

    /// Returns the maximum number of processes and threads of one user: those of `MaxShellsPerUser` shells, and those
    /// of the user's host process. `None` if one of the factors is unlimited.
    #[must_use]
    pub fn user_tasks(winrs: &Winrs) -> Option<NonZeroU64> {
        let of_shell = Self::from_settings(winrs).tasks()?;
        let shells = NonZeroU64::new(winrs.max_shells_per_user.limit()?.into())?;
        Some(of_shell.saturating_mul(shells).saturating_add(TASKS_OF_HOST))
    }

    /// Returns the maximum number of processes and threads in the shell's group. The kernel counts them together, and
    /// large programs have a hundred threads each.
    #[must_use]
    pub fn tasks(&self) -> Option<NonZeroU64> {
        let processes = u64::from(self.processes?.get());
        NonZeroU64::new(processes.saturating_mul(TASKS_PER_PROCESS).saturating_add(TASKS_OF_ONE_PROGRAM))
    }
}

impl ProcessLimiter {
    /// Applies no limits.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// Applies the limits to each process separately.
    #[must_use]
    pub fn per_process(limits: Limits) -> Self {
        Self { limits, group: None, mark: None }
    }

    /// Applies the limits to each process separately, and finds processes by their mark.
    #[must_use]
    pub fn marked(limits: Limits, mark: Mark) -> Self {
        Self { limits, group: None, mark: Some(mark) }
    }

    /// Applies the limits to a control group, which is removed on drop.
    #[must_use]
    pub fn in_group(group: Box<dyn ShellGroup>, limits: Limits) -> Self {
        Self { limits, group: Some(group), mark: None }
    }

    /// Returns the configured limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns the environment variable with the mark, if processes are found by a mark.
    #[must_use]
    pub fn variable(&self) -> Option<(&'static OsStr, &OsStr)> {
        self.mark.as_ref().map(|mark| (OsStr::new(Mark::NAME), OsStr::new(mark.value())))
    }

    /// Returns the mark of the shell's processes.
    #[must_use]
    pub fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    /// Returns whether [`processes`](Self::processes) reads the snapshot.
    #[must_use]
    pub fn needs_snapshot(&self) -> bool {
        self.group.is_none()
    }

    /// Returns the processes of the shell. `groups` are the process groups of its commands, which must not have been
    /// reaped since the snapshot was taken.
    #[must_use]
    pub fn processes(&self, groups: &[u32], snapshot: &Snapshot) -> Vec<Process> {
        let Some(group) = &self.group else { return snapshot.members(groups, self.mark.as_ref()) };
        group.processes().into_iter().filter_map(Process::of).collect()
    }

    /// Adds a process that was just started, with its children.
    pub fn add_process(&self, process: Pid) {
        if self.limits == Limits::default() && self.group.is_none() {
            return;
        }
        let mut family = vec![process];
        for _ in 0..MAX_INITIAL_PROCESSES {
            let Some(process) = family.pop() else { return };
            if let Err(error) = self.apply_limits(process) {
                // The process has most likely ended. The command is not refused because of it.
                tracing::debug!(process = process.as_raw_nonzero(), %error, "Cannot apply the limits of a shell");
            }
            family.extend(children_of(process));
        }
    }

    /// Returns whether a limit can be enforced only by inspecting the processes.
    #[must_use]
    pub fn needs_counting(&self) -> bool {
        self.limits.processes.is_some() || (self.limits.memory.is_some() && !self.has_kernel_memory_limit())
    }

    /// Returns whether a process exceeds the memory limit, which it can if it allocated memory before the limit was
    /// set.
    #[must_use]
    pub fn is_exceeded_by(&self, process: &Process) -> bool {
        let limit = self.limits.memory.filter(|_| !self.has_kernel_memory_limit());
        limit.is_some_and(|limit| process.data() > Some(limit.get()))
    }

    /// Returns whether the kernel limits the total memory of the shell.
    fn has_kernel_memory_limit(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.limits_memory())
    }

    /// Kills the remaining processes and removes the group.
    pub async fn close(&self) {
        let Some(group) = &self.group else { return };
        group.kill();
        // The directory can be removed once the last process has ended, for which there is no event.
        for _ in 0..100 {
            match group.remove() {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    sleep(Duration::from_millis(10)).await;
                    group.kill();
                }
                _ => return,
            }
        }
        tracing::warn!(?group, "Control group of a closed shell still has processes");
    }

    fn apply_limits(&self, process: Pid) -> io::Result<()> {
        if let Some(open_files) = self.limits.open_files {
            let maximum = getrlimit(Resource::Nofile).maximum;
            let current = Some(maximum.map_or(open_files, |maximum| maximum.min(open_files)));
            prlimit(Some(process), Resource::Nofile, Rlimit { current, maximum })?;
        }
        if let Some(group) = &self.group {
            group.add_process(process)?;
        }
        if let Some(tasks) = self.limits.user_tasks.filter(|_| self.group.is_none()) {
            let maximum = getrlimit(Resource::Nproc).maximum;
            let most = Some(maximum.map_or(tasks.get(), |maximum| maximum.min(tasks.get())));
            prlimit(Some(process), Resource::Nproc, Rlimit { current: most, maximum: most })?;
        }
        if let Some(memory) = self.limits.memory.filter(|_| !self.has_kernel_memory_limit()) {
            // A process without privileges cannot raise a lower hard limit.
            let maximum = getrlimit(Resource::Data).maximum;
            let most = Some(maximum.map_or(memory.get(), |maximum| maximum.min(memory.get())));
            prlimit(Some(process), Resource::Data, Rlimit { current: most, maximum: most })?;
        }
        Ok(())
    }
}

impl Drop for ProcessLimiter {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            group.kill();
            let _ = group.remove();
        }
    }
}

/// Returns the children of a process (proc(5), "/proc/pid/task/tid/children"); empty if the kernel lacks that file.
fn children_of(process: Pid) -> Vec<Pid> {
    let process = process.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?)).collect()
}

/// Maximum number of processes that are added at the start of a command.
const MAX_INITIAL_PROCESSES: usize = 64;

/// Threads of a typical program.
const TASKS_PER_PROCESS: u64 = 8;
/// Threads of a large program on a large machine.
const TASKS_OF_ONE_PROGRAM: u64 = 256;
/// Processes and threads of the host process of a user.
const TASKS_OF_HOST: u64 = 512;

/// Returns the group below which this process may create groups for shells, if there is one.
///
/// The service manager must have delegated a group and started the service in a group below it (systemd:
/// `Delegate=memory pids` and `DelegateSubgroup=`).
fn delegated() -> Option<ControlGroup> {
    delegated_to(&ControlGroup::current()?)
}

fn delegated_to(own: &ControlGroup) -> Option<ControlGroup> {
    let parent = own.parent()?;
    // Moving a process requires write access to the common ancestor as well (cgroups(7), "Delegation containment").
    let is_delegated = is_writable(parent.path()) && is_writable(&parent.path().join("cgroup.procs"));
    (parent.has_controllers() && is_delegated).then_some(parent)
}

fn is_writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const LIMITS: Limits = Limits {
        memory: NonZeroU64::new(1024 * 1024 * 1024),
        processes: NonZeroU32::new(25),
        open_files: None,
        user_tasks: None,
    };

    /// Returns a group that uses a plain directory.
    fn folder(parent: &Path) -> ControlGroup {
        ControlGroup::at(parent, parent)
    }

    /// Creates a group in a directory, with the files that the kernel would create.
    fn made(parent: &Path, limits_memory: bool) -> (ProcessLimiter, PathBuf) {
        let group =
            DelegatedGroup { limits_memory, ..DelegatedGroup::create(&folder(parent), &LIMITS).unwrap() };
        let path = group.group.path().to_owned();
        for file in ["cgroup.procs", "cgroup.kill"] {
            fs::write(path.join(file), "").unwrap();
        }
        (ProcessLimiter::in_group(Box::new(group), LIMITS), path)
    }

    #[test]
    fn limits_follow_the_settings_and_zero_is_no_limit() {
        let mut config = config::Config::default();
        config.set("Winrs.MaxMemoryPerShellMB", "3").unwrap();
        config.set("Winrs.MaxProcessesPerShell", "7").unwrap();
        let limits = Limits::from_settings(&config.winrs);
        let processes = NonZeroU32::new(7);
        assert_eq!(limits, Limits { memory: NonZeroU64::new(3 << 20), processes, ..Limits::default() });
        config.set("Winrs.MaxShellsPerUser", "2").unwrap();
        assert_eq!(Limits::user_tasks(&config.winrs).map(NonZeroU64::get), Some(2 * (7 * 8 + 256) + 512));
        config.set("Winrs.MaxShellsPerUser", "0").unwrap();
        assert_eq!(Limits::user_tasks(&config.winrs), None);
        config.set("Winrs.MaxMemoryPerShellMB", "0").unwrap();
        config.set("Winrs.MaxProcessesPerShell", "0").unwrap();
        assert_eq!(Limits::from_settings(&config.winrs), Limits::default());
        assert_eq!(Limits::user_tasks(&config.winrs), None);
    }

    #[test]
    fn processes_are_added_to_the_group_and_killed_with_it() {
        let parent = tempfile::tempdir().unwrap();
        let (limiter, path) = made(parent.path(), true);
        limiter.add_process(Pid::from_raw(4711).unwrap());
        assert_eq!(fs::read_to_string(path.join("cgroup.procs")).unwrap(), "4711");
        drop(limiter);
        assert_eq!(fs::read_to_string(path.join("cgroup.kill")).unwrap(), "1");
    }

    #[test]
    fn each_shell_has_a_group_with_a_name_independent_of_clients() {
        let parent = tempfile::tempdir().unwrap();
        let paths = [(); 3].map(|()| made(parent.path(), true).1);
        assert!(paths[0] != paths[1] && paths[1] != paths[2], "{paths:?}");
    }

    #[test]
    fn the_task_limit_leaves_room_for_threads() {
        assert_eq!(LIMITS.tasks().map(NonZeroU64::get), Some(456));
        assert_eq!(Limits::default().tasks(), None);
    }

    #[test]
    fn the_processes_of_a_group_are_the_listed_ones_that_are_alive() {
        let parent = tempfile::tempdir().unwrap();
        let (limiter, path) = made(parent.path(), true);
        assert!(!limiter.needs_snapshot());
        let procs = path.join("cgroup.procs");
        fn ids(found: Vec<Process>) -> Vec<Pid> {
            found.into_iter().map(|process| process.id).collect()
        }
        // The second ID does not exist.
        fs::write(&procs, format!("{}\n{}\n", std::process::id(), i32::MAX)).unwrap();
        let own = Pid::from_raw(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert_eq!(ids(limiter.processes(&[], &Snapshot::default())), [own]);
        fs::write(&procs, "").unwrap();
        assert_eq!(ids(limiter.processes(&[1], &Snapshot::take())), []);
    }

    #[test]
    fn children_that_already_exist_are_limited_as_well() {
        let mut shell = std::process::Command::new("/bin/sh");
        let mut shell = shell.args(["-c", "exec 3<&0; (read a <&3) & (read b <&3) & echo; wait"]);
        shell = shell.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let mut ready = [0];
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut ready).unwrap();

        let shell_id = Pid::from_child(&shell);
        let family: Vec<Pid> = [vec![shell_id], children_of(shell_id)].concat();
        assert_eq!(family.len(), 3);
        ProcessLimiter::per_process(LIMITS).add_process(shell_id);
        for process in family {
            let limits = fs::read_to_string(format!("/proc/{}/limits", process.as_raw_nonzero())).unwrap();
            let data = limits.lines().find(|line| line.starts_with("Max data size")).unwrap();
            assert!(data.contains("1073741824"), "{data}");
        }
        drop(shell.stdin.take());
        shell.wait().unwrap();
    }

    #[test]
    fn a_process_above_the_memory_limit_is_detected() {
        let own = Process::of(Pid::from_raw(i32::try_from(std::process::id()).unwrap()).unwrap()).unwrap();
        for (memory, is_exceeded) in
            [(NonZeroU64::new(1), true), (NonZeroU64::new(1 << 50), false), (None, false)]
        {
            let limiter = ProcessLimiter::per_process(Limits { memory, ..Limits::default() });
            assert_eq!(limiter.is_exceeded_by(&own), is_exceeded, "{memory:?}");
        }
        let parent = tempfile::tempdir().unwrap();
        for (limits_memory, is_exceeded) in [(true, false), (false, true)] {
            let (mut limiter, _) = made(parent.path(), limits_memory);
            limiter.limits.memory = NonZeroU64::new(1);
            assert_eq!(limiter.is_exceeded_by(&own), is_exceeded, "the kernel counts: {limits_memory}");
        }
    }

    #[test]
    fn a_group_that_cannot_be_created_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        assert!(DelegatedGroup::create(&folder(&parent.path().join("missing")), &LIMITS).is_err());
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
