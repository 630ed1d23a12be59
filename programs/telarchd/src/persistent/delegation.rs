//! The control group that a service manager gives to the service, and the groups of its users in it.
//!
//! ```text
//!  telarchd.service      delegated by systemd
//!    daemon              broker, gateway and the processes that keep sessions
//!    user-1000           limits what all shells of a user take together
//!      host-4711         the process that works for the user
//!      shell-4711-1      the commands of one shell, with its limits
//! ```
//!
//! All of them are root's: a user's processes can neither change a limit nor move to another group. Two accounts that
//! share a number are one user to the kernel, and share `user-1000`.
//!
//! A group whose controllers are switched on for groups below it must hold no process itself (cgroups(7), "no
//! internal processes"). systemd puts the daemon below it only since version 254 (`DelegateSubgroup=`), and
//! switching controllers on is left to the service (systemd.resource-control(5), `Delegate=`).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use config::Winrs;
use plugin_shell::{ControlGroup, Limits};
use rustix::process::getpid;

/// Makes the group ready and returns it, if there is one; without it shells have less exact limits.
pub(crate) fn prepare() -> Option<ControlGroup> {
    let own = ControlGroup::current()?;
    match prepare_in(&own, is_delegated) {
        Ok(Some(group)) => {
            tracing::debug!(group = %group.path().display(), "Shells have groups of their own");
            Some(group)
        }
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(%error, "Shells cannot have groups of their own");
            None
        }
    }
}

/// The groups of the users who have a host.
#[derive(Debug)]
pub(crate) struct UserGroups {
    service: ControlGroup,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    limits: UserLimits,
    /// How many hosts each user has; a group without any is removed.
    hosts: BTreeMap<u32, usize>,
}

/// What all shells of a user may take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserLimits {
    memory: Option<u64>,
    tasks: Option<u64>,
}

impl UserLimits {
    /// Returns the limits of one shell times `MaxShellsPerUser`, and what the process of the user needs itself; none where
    /// one of the factors is without limit.
    pub(crate) fn of_settings(winrs: &Winrs) -> Self {
        const MEMORY_OF_HOST: u64 = 512 << 20;
        const TASKS_OF_HOST: u64 = 512;
        let of_shell = Limits::from_settings(winrs);
        let shells = winrs.max_shells_per_user.limit().map(u64::from);
        let all = |one: Option<u64>, own: u64| Some(one?.saturating_mul(shells?).saturating_add(own));
        Self {
            memory: all(of_shell.memory.map(u64::from), MEMORY_OF_HOST),
            tasks: all(of_shell.tasks().map(u64::from), TASKS_OF_HOST),
        }
    }
}

impl UserGroups {
    /// Makes groups below that of the service.
    pub(crate) fn new(service: ControlGroup) -> Arc<Self> {
        Arc::new(Self { service, state: Mutex::default() })
    }

    /// Limits every user from now on, also those who have a host.
    pub(crate) fn limit(&self, limits: UserLimits) {
        let mut state = self.locked();
        if state.limits == limits {
            return;
        }
        state.limits = limits;
        for uid in state.hosts.keys() {
            self.apply(*uid, limits);
        }
    }

    /// Makes the group of a user, if there is none; it goes with the last one who has entered it.
    pub(crate) fn enter(self: &Arc<Self>, uid: u32) -> io::Result<UserGroup> {
        let mut state = self.locked();
        match self.service.create_child(&name(uid)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.service.child(&name(uid)).enable_controllers()?;
        self.apply(uid, state.limits);
        *state.hosts.entry(uid).or_default() += 1;
        Ok(UserGroup { groups: Arc::clone(self), uid })
    }

    fn apply(&self, uid: u32, limits: UserLimits) {
        if let Err(error) = self.service.child(&name(uid)).set_limits(limits.memory, limits.tasks) {
            tracing::warn!(uid, %error, "The shells of a user cannot be limited together");
        }
    }

    fn leave(&self, uid: u32) {
        let mut state = self.locked();
        let Some(count) = state.hosts.get_mut(&uid) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            state.hosts.remove(&uid);
            let group = self.service.child(&name(uid));
            let removed = remove_with_children(&group);
            tracing::debug!(group = %group.path().display(), ?removed, "The group of a user is no longer needed");
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The group of a user, while a host is in it or below.
#[derive(Debug)]
pub(crate) struct UserGroup {
    groups: Arc<UserGroups>,
    uid: u32,
}

impl UserGroup {
    pub(crate) fn path(&self) -> PathBuf {
        self.groups.service.child(&name(self.uid)).path().to_owned()
    }
}

impl Drop for UserGroup {
    fn drop(&mut self) {
        self.groups.leave(self.uid);
    }
}

/// Kills what is left in a group of a user, whose hosts have ended, and removes it with the groups in it.
fn remove_with_children(group: &ControlGroup) -> io::Result<()> {
    group.kill();
    let listed = std::fs::read_dir(group.path())?.filter_map(Result::ok);
    let folders = listed.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    for entry in folders {
        // Killed processes may still be on their way out; then the group stays until the user's next host has ended.
        let _ = entry.file_name().to_str().map(|name| group.child(name).remove());
    }
    group.remove()
}

fn name(uid: u32) -> String {
    format!("user-{uid}")
}

/// Set by systemd since version 251.
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
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    /// A group with the files that the kernel makes.
    fn made(root: &Path, path: &str) -> ControlGroup {
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
    fn the_daemon_leaves_a_group_that_was_delegated_to_it() {
        let root = tempfile::tempdir().unwrap();
        let group = made(root.path(), "telarchd.service");
        let daemon = made(root.path(), "telarchd.service/daemon");
        let found = prepare_in(&group, |path| path == group.path());
        assert_eq!(found.unwrap().as_ref(), Some(&group));
        assert_eq!(read(&daemon, "cgroup.procs"), std::process::id().to_string());
        assert_eq!(read(&group, "cgroup.subtree_control"), "+memory +pids");
    }

    #[test]
    fn a_daemon_that_was_put_below_stays_there() {
        let root = tempfile::tempdir().unwrap();
        let group = made(root.path(), "telarchd.service");
        let daemon = made(root.path(), "telarchd.service/daemon");
        let found = prepare_in(&daemon, |path| path == group.path());
        assert_eq!(found.unwrap().as_ref(), Some(&group));
        assert!(!daemon.path().join("daemon").exists());
        assert_eq!(read(&group, "cgroup.subtree_control"), "+memory +pids");
    }

    #[test]
    fn a_group_that_was_not_delegated_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let group = made(root.path(), "session-1.scope");
        assert_eq!(prepare_in(&group, |_| false).unwrap(), None);
        assert_eq!(prepare_in(&ControlGroup::at(root.path(), root.path()), |_| false).unwrap(), None);
        assert!(!group.path().join("cgroup.subtree_control").exists());
    }

    #[test]
    fn a_user_is_limited_as_long_as_a_host_of_the_user_runs() {
        let root = tempfile::tempdir().unwrap();
        let service = made(root.path(), "telarchd.service");
        let user = made(root.path(), "telarchd.service/user-7");
        let groups = UserGroups::new(service);
        groups.limit(UserLimits { memory: Some(1_000), tasks: Some(10) });
        let first = groups.enter(7).unwrap();
        assert_eq!(
            (read(&user, "memory.max"), read(&user, "pids.max")),
            ("1000".to_owned(), "10".to_owned())
        );
        assert_eq!(first.path(), user.path());
        let second = groups.enter(7).unwrap();
        drop(first);
        groups.limit(UserLimits { memory: Some(2_000), tasks: None });
        assert_eq!(
            (read(&user, "memory.max"), read(&user, "pids.max")),
            ("2000".to_owned(), "max".to_owned())
        );
        drop(second);
        groups.limit(UserLimits { memory: Some(3_000), tasks: None });
        assert_eq!(read(&user, "memory.max"), "2000", "nobody is in it any more");
    }

    #[test]
    fn all_shells_of_a_user_may_take_what_one_may_times_their_number_and_the_host_some_more() {
        let mut config = config::Config::default();
        for (name, value) in
            [("MaxMemoryPerShellMB", "10"), ("MaxProcessesPerShell", "1"), ("MaxShellsPerUser", "3")]
        {
            config.set(&format!("Winrs.{name}"), value).unwrap();
        }
        let limits = UserLimits::of_settings(&config.winrs);
        assert_eq!(limits, UserLimits { memory: Some((30 + 512) << 20), tasks: Some(3 * 264 + 512) });
        config.set("Winrs.MaxShellsPerUser", "0").unwrap();
        assert_eq!(UserLimits::of_settings(&config.winrs), UserLimits::default());
    }
}
