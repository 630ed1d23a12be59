//! The control group that a service manager gives to the service, made ready for the groups of its shells.
//!
//! A group whose controllers are switched on for groups below it must hold no process itself (cgroups(7), "no
//! internal processes"). systemd puts the daemon below it only since version 254 (`DelegateSubgroup=`), and
//! switching controllers on is left to the service (systemd.resource-control(5), `Delegate=`).

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

/// Makes the group ready, if there is one; without it shells have less exact limits.
pub(crate) fn prepare() {
    let Ok(membership) = fs::read_to_string("/proc/self/cgroup") else { return };
    match prepare_in(Path::new(ROOT), &membership, is_delegated) {
        Ok(Some(group)) => tracing::debug!(group = %group.display(), "Shells have groups of their own"),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "Shells cannot have groups of their own"),
    }
}

/// Takes this process, which becomes the host of a user, into a group of that user's own, in which its shells have
/// theirs. The daemon must be in its own group already.
pub(crate) fn join(uid: u32, gid: u32) {
    let Ok(membership) = fs::read_to_string("/proc/self/cgroup") else { return };
    if let Err(error) = join_in(Path::new(ROOT), &membership, (uid, gid), is_delegated) {
        tracing::warn!(%error, "The shells of this user cannot have groups of their own");
    }
}

/// Removes the group of a user whose host has ended, unless something is left in it.
pub(crate) fn leave(uid: u32) {
    let Ok(membership) = fs::read_to_string("/proc/self/cgroup") else { return };
    if let Some(group) = group_of_user(Path::new(ROOT), &membership, uid) {
        let removed = fs::remove_dir(group.join("host")).and_then(|()| fs::remove_dir(&group));
        tracing::debug!(group = %group.display(), ?removed, "The group of a user is no longer needed");
    }
}

const ROOT: &str = "/sys/fs/cgroup";

/// Set by systemd since version 251.
fn is_delegated(group: &Path) -> bool {
    let mut value = [0; 1];
    rustix::fs::getxattr(group, "user.delegate", &mut value).is_ok() && value == *b"1"
}

/// Beside the group that the daemon is in.
fn group_of_user(root: &Path, membership: &str, uid: u32) -> Option<PathBuf> {
    let own = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(root.join(Path::new(own).parent()?).join(format!("user-{uid}")))
}

fn join_in(
    root: &Path,
    membership: &str,
    (uid, gid): (u32, u32),
    is_delegated: impl Fn(&Path) -> bool,
) -> io::Result<()> {
    let Some(group) = group_of_user(root, membership, uid) else { return Ok(()) };
    if !group.parent().is_some_and(is_delegated) {
        return Ok(());
    }
    let host = group.join("host");
    fs::create_dir_all(&host)?;
    fs::write(group.join("cgroup.subtree_control"), "+memory +pids")?;
    // Who moves a process writes to the group it comes from, the one it goes to, and where the two meet.
    for path in [&group, &group.join("cgroup.procs"), &host, &host.join("cgroup.procs")] {
        match chown(path, Some(uid), Some(gid)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::write(host.join("cgroup.procs"), "0")
}

fn prepare_in(
    root: &Path,
    membership: &str,
    is_delegated: impl Fn(&Path) -> bool,
) -> io::Result<Option<PathBuf>> {
    let Some(own) = membership.lines().find_map(|line| line.strip_prefix("0::/")) else { return Ok(None) };
    let own = root.join(own);
    let above = own.parent().filter(|parent| parent.starts_with(root));
    let group = if is_delegated(&own) {
        let daemon = own.join("daemon");
        if !daemon.is_dir() {
            fs::create_dir(&daemon)?;
        }
        fs::write(daemon.join("cgroup.procs"), "0")?;
        own
    } else if let Some(above) = above.filter(|above| is_delegated(above)) {
        above.to_owned()
    } else {
        return Ok(None);
    };
    fs::write(group.join("cgroup.subtree_control"), "+memory +pids")?;
    Ok(Some(group))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_leaves_a_group_that_was_delegated_to_it() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("system.slice/telarchd.service");
        fs::create_dir_all(&group).unwrap();
        let found = prepare_in(root.path(), "0::/system.slice/telarchd.service\n", |path| path == group);
        assert_eq!(found.unwrap(), Some(group.clone()));
        assert_eq!(fs::read_to_string(group.join("daemon/cgroup.procs")).unwrap(), "0");
        assert_eq!(fs::read_to_string(group.join("cgroup.subtree_control")).unwrap(), "+memory +pids");
    }

    #[test]
    fn a_host_gets_a_group_of_its_user_beside_the_daemon_s() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("telarchd.service");
        let me = rustix::process::geteuid().as_raw();
        let own = (me, rustix::process::getegid().as_raw());
        let membership = "0::/telarchd.service/daemon\n";
        fs::create_dir_all(group.join("daemon")).unwrap();
        join_in(root.path(), membership, own, |_| false).unwrap();
        assert_eq!(fs::read_dir(&group).unwrap().count(), 1, "nobody has delegated it");
        join_in(root.path(), membership, own, |path| path == group).unwrap();
        let users = group.join(format!("user-{me}"));
        assert_eq!(fs::read_to_string(users.join("cgroup.subtree_control")).unwrap(), "+memory +pids");
        assert_eq!(fs::read_to_string(users.join("host/cgroup.procs")).unwrap(), "0");
        assert_eq!(group_of_user(root.path(), membership, me), Some(users));
    }

    #[test]
    fn a_daemon_that_was_put_below_stays_there() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("telarchd.service");
        fs::create_dir_all(group.join("daemon")).unwrap();
        let found = prepare_in(root.path(), "0::/telarchd.service/daemon\n", |path| path == group);
        assert_eq!(found.unwrap(), Some(group.clone()));
        assert!(!group.join("daemon/daemon").exists());
        assert_eq!(fs::read_to_string(group.join("cgroup.subtree_control")).unwrap(), "+memory +pids");
    }

    #[test]
    fn a_group_that_was_not_delegated_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        for membership in ["0::/user.slice/session-1.scope\n", "0::/\n", "4:memory:/x\n", ""] {
            assert_eq!(prepare_in(root.path(), membership, |_| false).unwrap(), None, "{membership}");
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
