//! Control group that a service manager delegates to the service, and the users' groups below it.
//!
//! ```text
//!  telarchd.service      delegated by systemd
//!    daemon              broker, gateway and session processes
//!    user-1000           common limit of all shells of a user
//!      host-4711         host process of the user
//!      shell-4711-1      commands of one shell, with its limits
//!    user-990-for-S-1-5-21-…-1001
//!                        the same for an endpoint that runs as user 990, of the caller with this SID
//! ```
//!
//! All of them belong to root: processes of users can neither change a limit nor move to another group. Accounts that
//! share a user ID are one user for the kernel, and share `user-1000`.
//!
//! A group with controllers enabled for its children must not contain processes (cgroups(7), "no internal processes").
//! systemd starts the service in a child group only since version 254 (`DelegateSubgroup=`), and leaves it to the
//! service to enable controllers (systemd.resource-control(5), `Delegate=`).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::Winrs;
use locks::Mutex;
use rustix::process::getpid;
use sddl::Sid;
use shells::{ControlGroup, Limits};

/// Prepares the delegated group and returns it, if there is one. Without it the limits of shells are less exact.
pub(crate) fn prepare() -> Option<ControlGroup> {
    let own = ControlGroup::current()?;
    match prepare_in(&own, is_delegated) {
        Ok(Some(group)) => {
            tracing::debug!(group = %group.path().display(), "Using control groups for shells");
            Some(group)
        }
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(%error, "Cannot use control groups for shells");
            None
        }
    }
}

/// Groups of the users with a host process.
#[derive(Debug)]
pub(crate) struct UserGroups {
    service: ControlGroup,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    limits: UserLimits,
    /// Number of hosts per group; a group without hosts is removed.
    hosts: BTreeMap<GroupName, usize>,
}

/// Name of the group of a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupName(String);

impl GroupName {
    /// Returns the name for the processes of a user.
    pub(crate) fn of_user(uid: u32) -> Self {
        Self(format!("user-{uid}"))
    }

    /// Returns the name for the processes of a user that an endpoint starts for the caller with this SID. Each caller has
    /// a group, because limits are those of the caller.
    pub(crate) fn of_caller(uid: u32, caller: Sid) -> Self {
        Self(format!("user-{uid}-for-{}", caller.numeric()))
    }
}

/// Common limits of all shells of a user; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserLimits {
    memory: Option<u64>,
    tasks: Option<u64>,
}

impl UserLimits {
    /// Returns the limits of one shell times `MaxShellsPerUser`, plus the need of the host process. There is no limit
    /// if one of the factors is unlimited.
    pub(crate) fn from_settings(winrs: &Winrs) -> Self {
        const MEMORY_OF_HOST: u64 = 512 << 20;
        let of_shell = Limits::from_settings(winrs);
        let shells = winrs.max_shells_per_user.limit().map(u64::from);
        Self {
            memory: total(of_shell.memory.map(u64::from), shells, MEMORY_OF_HOST),
            tasks: Limits::user_tasks(winrs).map(u64::from),
        }
    }
}

/// Returns the limit of all shells and the host; `None` without a limit.
fn total(of_shell: Option<u64>, shells: Option<u64>, of_host: u64) -> Option<u64> {
    Some(of_shell?.saturating_mul(shells?).saturating_add(of_host))
}

impl UserGroups {
    /// Manages groups below the group `service`.
    pub(crate) fn new(service: ControlGroup) -> Arc<Self> {
        Arc::new(Self { service, state: Mutex::default() })
    }

    /// Sets the limits of all current and future groups.
    pub(crate) fn limit(&self, limits: UserLimits) {
        let mut state = self.state.lock();
        if state.limits == limits {
            return;
        }
        state.limits = limits;
        for group in state.hosts.keys() {
            self.apply(group, limits);
        }
    }

    /// Creates the group of a user if it is missing. It is removed when the last returned guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>, name: GroupName) -> io::Result<UserGroup> {
        let mut state = self.state.lock();
        match self.service.create_child(&name.0) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.service.child(&name.0).enable_controllers()?;
        self.apply(&name, state.limits);
        *state.hosts.entry(name.clone()).or_default() += 1;
        Ok(UserGroup { groups: Arc::clone(self), name })
    }

    fn apply(&self, name: &GroupName, limits: UserLimits) {
        if let Err(error) = self.service.child(&name.0).set_limits(limits.memory, limits.tasks) {
            tracing::warn!(group = name.0, %error, "Cannot limit the shells of a user");
        }
    }

    fn leave(&self, name: &GroupName) {
        let mut state = self.state.lock();
        let Some(count) = state.hosts.get_mut(name) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            state.hosts.remove(name);
            let group = self.service.child(&name.0);
            let removed = remove_with_children(&group);
            tracing::debug!(group = %group.path().display(), ?removed, "Removed the control group of a user");
        }
    }
}

/// Guard of a user's group.
#[derive(Debug)]
pub(crate) struct UserGroup {
    groups: Arc<UserGroups>,
    name: GroupName,
}

impl UserGroup {
    pub(crate) fn path(&self) -> PathBuf {
        self.groups.service.child(&self.name.0).path().to_owned()
    }
}

impl Drop for UserGroup {
    fn drop(&mut self) {
        self.groups.leave(&self.name);
    }
}

/// Kills remaining processes in the group of a user without hosts, and removes the group with its children.
fn remove_with_children(group: &ControlGroup) -> io::Result<()> {
    group.kill();
    let listed = std::fs::read_dir(group.path())?.filter_map(Result::ok);
    let children = listed.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    for entry in children {
        // Killed processes may not have ended yet; then the group is removed with the user's next host.
        let _ = entry.file_name().to_str().map(|name| group.child(name).remove());
    }
    group.remove()
}

/// Returns whether systemd has delegated a group (attribute `user.delegate`, since version 251).
fn is_delegated(group: &Path) -> bool {
    let mut value = [0; 1];
    rustix::fs::getxattr(group, "user.delegate", &mut value).is_ok() && value == *b"1"
}

fn prepare_in(own: &ControlGroup, is_delegated: impl Fn(&Path) -> bool) -> io::Result<Option<ControlGroup>> {
    let group = if is_delegated(own.path()) {
        let daemon = own.child("daemon");
        if !daemon.path().is_dir() {
            own.create_child("daemon")?;
        }
        daemon.add_process(getpid())?;
        own.clone()
    } else if let Some(above) = own.parent().filter(|above| is_delegated(above.path())) {
        above
    } else {
        return Ok(None);
    };
    group.enable_controllers()?;
    Ok(Some(group))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Creates a directory with the files that the kernel creates in a group.
    fn make_group(root: &Path, path: &str) -> ControlGroup {
        let path = root.join(path);
        fs::create_dir_all(&path).unwrap();
        for file in ["cgroup.procs", "memory.max", "pids.max"] {
            fs::write(path.join(file), "").unwrap();
        }
        fs::write(path.join("cgroup.controllers"), "memory pids").unwrap();
        ControlGroup::at(root, &path)
    }

    fn read(group: &ControlGroup, file: &str) -> String {
        fs::read_to_string(group.path().join(file)).unwrap()
    }

    #[test]
    fn the_daemon_moves_out_of_a_delegated_group() {
        let root = tempfile::tempdir().unwrap();
        let group = make_group(root.path(), "telarchd.service");
        let daemon = make_group(root.path(), "telarchd.service/daemon");
        let found = prepare_in(&group, |path| path == group.path());
        assert_eq!(found.unwrap().as_ref(), Some(&group));
        assert_eq!(read(&daemon, "cgroup.procs"), std::process::id().to_string());
        assert_eq!(read(&group, "cgroup.subtree_control"), "+memory +pids");
    }

    #[test]
    fn a_daemon_in_a_child_group_stays_there() {
        let root = tempfile::tempdir().unwrap();
        let group = make_group(root.path(), "telarchd.service");
        let daemon = make_group(root.path(), "telarchd.service/daemon");
        let found = prepare_in(&daemon, |path| path == group.path());
        assert_eq!(found.unwrap().as_ref(), Some(&group));
        assert!(!daemon.path().join("daemon").exists());
        assert_eq!(read(&group, "cgroup.subtree_control"), "+memory +pids");
    }

    #[test]
    fn a_group_that_is_not_delegated_is_unchanged() {
        let root = tempfile::tempdir().unwrap();
        let group = make_group(root.path(), "session-1.scope");
        assert_eq!(prepare_in(&group, |_| false).unwrap(), None);
        assert_eq!(prepare_in(&ControlGroup::at(root.path(), root.path()), |_| false).unwrap(), None);
        assert!(!group.path().join("cgroup.subtree_control").exists());
    }

    #[test]
    fn limits_of_a_user_apply_while_a_host_is_running() {
        let root = tempfile::tempdir().unwrap();
        let service = make_group(root.path(), "telarchd.service");
        let user = make_group(root.path(), "telarchd.service/user-7");
        let groups = UserGroups::new(service);
        groups.limit(UserLimits { memory: Some(1_000), tasks: Some(10) });
        let first = groups.enter(GroupName::of_user(7)).unwrap();
        assert_eq!(
            (read(&user, "memory.max"), read(&user, "pids.max")),
            ("1000".to_owned(), "10".to_owned())
        );
        assert_eq!(first.path(), user.path());
        let second = groups.enter(GroupName::of_user(7)).unwrap();
        drop(first);
        groups.limit(UserLimits { memory: Some(2_000), tasks: None });
        assert_eq!(
            (read(&user, "memory.max"), read(&user, "pids.max")),
            ("2000".to_owned(), "max".to_owned())
        );
        let caller = sddl::DomainSid::new([1, 2, 3]).account(1_001);
        let of_caller = make_group(root.path(), "telarchd.service/user-7-for-S-1-5-21-1-2-3-1001");
        let run_as = groups.enter(GroupName::of_caller(7, caller)).unwrap();
        assert_eq!(run_as.path(), of_caller.path());
        assert_eq!(read(&of_caller, "memory.max"), "2000", "each caller has the limits of a user");
        drop(second);
        groups.limit(UserLimits { memory: Some(3_000), tasks: None });
        assert_eq!(read(&user, "memory.max"), "2000", "the user has no host");
    }

    #[test]
    fn limits_of_a_user_are_those_of_all_shells_and_the_host() {
        let mut config = config::Config::default();
        for (name, value) in
            [("MaxMemoryPerShellMB", "10"), ("MaxProcessesPerShell", "1"), ("MaxShellsPerUser", "3")]
        {
            config.set(&format!("Winrs.{name}"), value).unwrap();
        }
        let limits = UserLimits::from_settings(&config.winrs);
        assert_eq!(limits, UserLimits { memory: Some((30 + 512) << 20), tasks: Some(3 * 264 + 512) });
        config.set("Winrs.MaxShellsPerUser", "0").unwrap();
        assert_eq!(UserLimits::from_settings(&config.winrs), UserLimits::default());
    }
}
