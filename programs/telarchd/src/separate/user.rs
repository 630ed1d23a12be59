//! Permanent switch to another user.
//!
//! The system calls apply to the calling thread, so the process must have a single thread.

use std::error::Error;

use accounts::UnixUsers;
use rustix::fs::{Gid, Uid};
use rustix::process::{getgid, getgroups, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

/// User ID and group IDs of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserIds {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
}

/// Returns the IDs of a local user; `None` if the user does not exist.
pub(super) fn find(users: &UnixUsers, name: &str) -> std::io::Result<Option<UserIds>> {
    Ok(users.find(name)?.map(|user| {
        let groups: Vec<u32> = user.groups.iter().map(|group| group.gid).collect();
        UserIds { uid: user.uid, gid: groups.first().copied().unwrap_or(user.uid), groups }
    }))
}

/// Replaces the supplementary groups of this process (initgroups(3)).
pub(super) fn set_groups(groups: &[u32]) -> rustix::io::Result<()> {
    let groups: Vec<Gid> = groups.iter().map(|group| Gid::from_raw(*group)).collect();
    set_thread_groups(&groups)
}

/// Switches to a user and primary group, keeping the supplementary groups. Root's rights are dropped, unless the user
/// is root.
pub(super) fn become_user(uid: u32, gid: u32) -> Result<(), Box<dyn Error>> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    if getuid() != uid
        || getgid() != gid
        || (!uid.is_root() && set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok())
    {
        return Err("cannot drop the rights of root".into());
    }
    Ok(())
}

/// Like [`become_user`], but drops the supplementary groups, and keeps the right to listen on ports below 1024.
pub(super) fn become_gateway(uid: u32, gid: u32) -> Result<(), Box<dyn Error>> {
    set_groups(&[])?;
    set_keep_capabilities(true)?;
    become_user(uid, gid)?;
    let only = CapabilitySet::NET_BIND_SERVICE;
    let sets = CapabilitySets { effective: only, permitted: only, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets)?;
    set_keep_capabilities(false)?;
    if !getgroups()?.is_empty() {
        return Err("cannot drop the groups of root".into());
    }
    Ok(())
}
