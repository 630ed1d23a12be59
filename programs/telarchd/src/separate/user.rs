//! Becoming another user, for good.
//!
//! The calls are about the thread that makes them, so this is for a process that has only one.

use std::error::Error;

use accounts::UnixUsers;
use rustix::fs::{Gid, Uid};
use rustix::process::{getgid, getgroups, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

/// A user and its groups, as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<u32>,
}

/// The numbers of a user of this machine; none if there is no such user.
pub(super) fn find(users: &UnixUsers, name: &str) -> std::io::Result<Option<Numbers>> {
    Ok(users.find(name)?.map(|user| {
        let groups: Vec<u32> = user.groups.iter().map(|group| group.gid).collect();
        Numbers { uid: user.uid, gid: groups.first().copied().unwrap_or(user.uid), groups }
    }))
}

/// Takes these groups in place of those of this process (initgroups(3)).
pub(super) fn take_groups(groups: &[u32]) -> rustix::io::Result<()> {
    let groups: Vec<Gid> = groups.iter().map(|group| Gid::from_raw(*group)).collect();
    set_thread_groups(&groups)
}

/// Takes a user and its group for every purpose; the other groups stay. What root may do is given up, except for a
/// user who is root.
pub(super) fn become_user(uid: u32, gid: u32) -> Result<(), Box<dyn Error>> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    if getuid() != uid
        || getgid() != gid
        || (!uid.is_root() && set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok())
    {
        return Err("the system has not let go of the rights of root".into());
    }
    Ok(())
}

/// As [`become_user`], without any other group, and with no more than the right to listen on ports below 1024.
pub(super) fn become_gateway(uid: u32, gid: u32) -> Result<(), Box<dyn Error>> {
    take_groups(&[])?;
    set_keep_capabilities(true)?;
    become_user(uid, gid)?;
    let only = CapabilitySet::NET_BIND_SERVICE;
    let sets = CapabilitySets { effective: only, permitted: only, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets)?;
    set_keep_capabilities(false)?;
    if !getgroups()?.is_empty() {
        return Err("the system has not let go of the groups of root".into());
    }
    Ok(())
}
