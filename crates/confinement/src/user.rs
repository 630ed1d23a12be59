//! Permanent switch to another user.
//!
//! The system calls apply to the calling thread, so the process must have a single thread.

use std::error::Error;

use rustix::fs::{Gid, Uid};
use rustix::process::{getgid, getgroups, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

/// Replaces the supplementary groups of this process (initgroups(3)).
///
/// # Errors
/// The error of the system call.
pub fn set_groups(groups: &[u32]) -> rustix::io::Result<()> {
    let groups: Vec<Gid> = groups.iter().map(|group| Gid::from_raw(*group)).collect();
    set_thread_groups(&groups)
}

/// Switches to a user and primary group, keeping the supplementary groups. Root's rights are dropped, unless the user
/// is root.
///
/// # Errors
/// The error of a system call, or a message if the process could become root again.
pub fn become_user(uid: u32, gid: u32) -> Result<(), Box<dyn Error>> {
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
///
/// # Errors
/// Those of `become_user`, and a message if a group of root remains.
pub fn become_gateway(uid: u32, gid: u32) -> Result<(), Box<dyn Error>> {
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
