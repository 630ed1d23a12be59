//! Numbers of users of this machine.

use accounts::UnixUsers;

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
