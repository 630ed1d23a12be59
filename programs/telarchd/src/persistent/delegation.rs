//! The control group that a service manager gives to the service, made ready for the groups of its shells.
//!
//! A group whose controllers are switched on for groups below it must hold no process itself (cgroups(7), "no
//! internal processes"). systemd puts the daemon below it only since version 254 (`DelegateSubgroup=`), and
//! switching controllers on is left to the service (systemd.resource-control(5), `Delegate=`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Makes the group ready, if there is one; without it shells have less exact limits.
pub(crate) fn prepare() {
    let Ok(membership) = fs::read_to_string("/proc/self/cgroup") else { return };
    // Set by systemd since version 251.
    let is_delegated = |group: &Path| {
        let mut value = [0; 1];
        rustix::fs::getxattr(group, "user.delegate", &mut value).is_ok() && value == *b"1"
    };
    match prepare_in(Path::new("/sys/fs/cgroup"), &membership, is_delegated) {
        Ok(Some(group)) => tracing::debug!(group = %group.display(), "Shells have groups of their own"),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "Shells cannot have groups of their own"),
    }
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
