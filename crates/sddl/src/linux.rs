//! SIDs and tokens for the users and groups of a Linux machine.
//!
//! Two different users or groups never share a SID. A SID depends only on the uid or gid and on the machine
//! SID, so rights granted to a user stay with that user.

use crate::{DomainSid, Sid, Token, well_known};

/// Returns the SID of a user of this machine.
///
/// Root has RID 500, the built-in administrator. Other users follow Samba's algorithmic mapping, RID 1000 +
/// 2·uid. Uids above 2³⁰, where that mapping ends, are `S-1-22-1-uid`.
#[must_use]
pub const fn user_sid(uid: u32, machine: DomainSid) -> Sid {
    match uid {
        0 => machine.account(500),
        1..=LARGEST_MAPPED => machine.account(1000 + 2 * uid),
        _ => Sid::two(UNIX, 1, uid),
    }
}

/// Returns the SID of a group of this machine: RID 1001 + 2·gid, or `S-1-22-2-gid` above 2³⁰.
#[must_use]
pub const fn group_sid(gid: u32, machine: DomainSid) -> Sid {
    match gid {
        ..=LARGEST_MAPPED => machine.account(1001 + 2 * gid),
        _ => Sid::two(UNIX, 2, gid),
    }
}

/// Converts the SID of a user or group of this machine to Samba's form, which is independent of the machine
/// SID: `S-1-22-1-uid` or `S-1-22-2-gid`. Other SIDs are returned unchanged.
#[must_use]
pub fn to_unix(sid: Sid, machine: DomainSid) -> Sid {
    let Some((rid, domain)) = sid.sub_authorities().split_last() else { return sid };
    match machine.account(0).sub_authorities().split_last() {
        Some((_, own)) if own == domain && sid.authority() == machine.account(0).authority() => match *rid {
            500 => Sid::two(UNIX, 1, 0),
            1001.. if rid % 2 == 1 => Sid::two(UNIX, 2, (rid - 1001) / 2),
            1002.. => Sid::two(UNIX, 1, (rid - 1000) / 2),
            _ => sid,
        },
        _ => sid,
    }
}

/// Converts Samba's form of a user or group SID to the SID on this machine; the inverse of [`to_unix`].
#[must_use]
pub fn from_unix(sid: Sid, machine: DomainSid) -> Sid {
    match (sid.authority(), sid.sub_authorities()) {
        (UNIX, [1, uid]) => user_sid(*uid, machine),
        (UNIX, [2, gid]) => group_sid(*gid, machine),
        _ => sid,
    }
}

/// A user of this machine who has been authenticated.
///
/// Users of an Active Directory domain have their own SID and groups: build their [`Token`] from those.
#[derive(Clone, Copy, Debug)]
pub struct Logon<'a> {
    /// User id.
    pub uid: u32,
    /// Group ids of the user, including the primary group.
    pub gids: &'a [u32],
    /// Mapping from a group id to a Windows group that its members also belong to, such as
    /// [`ADMINISTRATORS`](well_known::ADMINISTRATORS) or
    /// [`REMOTE_MANAGEMENT_USERS`](well_known::REMOTE_MANAGEMENT_USERS).
    pub roles: &'a [(u32, Sid)],
    /// How the user was authenticated.
    pub proof: Proof,
}

/// Authentication method, as far as it affects the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// A password, verified by this machine.
    Password,
    /// Kerberos.
    Kerberos,
    /// NTLM.
    Ntlm,
    /// A client certificate.
    Certificate,
    /// Peer credentials of a Unix socket, verified by the kernel: the only method that makes a user
    /// interactive.
    UnixSocket,
}

impl Logon<'_> {
    /// Returns the token of the user.
    ///
    /// Root is an administrator; other users only if `roles` maps one of their groups to the administrators.
    #[must_use]
    pub fn token(&self, machine: DomainSid) -> Token {
        let by_role = self.roles.iter().filter(|(gid, _)| self.gids.contains(gid)).map(|(_, sid)| *sid);
        let mut groups: Vec<Sid> = by_role.collect();
        if self.uid == 0 {
            groups.push(well_known::ADMINISTRATORS);
        }
        groups.extend(self.gids.iter().map(|gid| group_sid(*gid, machine)));
        account_token(user_sid(self.uid, machine), groups, self.proof, machine)
    }
}

/// Returns the token of an account of this machine with these groups. The account need not be a Linux user.
///
/// The groups to which every authenticated user belongs are added.
#[must_use]
pub fn account_token(user: Sid, mut groups: Vec<Sid>, proof: Proof, machine: DomainSid) -> Token {
    if groups.contains(&well_known::ADMINISTRATORS) {
        groups.push(well_known::LOCAL_ADMINISTRATOR_ACCOUNT);
    }
    groups.extend([
        well_known::EVERYONE,
        well_known::AUTHENTICATED_USERS,
        well_known::NETWORK,
        well_known::THIS_ORGANIZATION,
        well_known::LOCAL_ACCOUNT,
    ]);
    groups.extend(proof.sid());
    Token::new(user, groups, machine)
}

impl Proof {
    fn sid(self) -> Option<Sid> {
        match self {
            Self::Password | Self::Kerberos => None,
            Self::Ntlm => Some(well_known::NTLM_AUTHENTICATION),
            Self::Certificate => Some(well_known::CERTIFICATE_AUTHENTICATION),
            Self::UnixSocket => Some(well_known::INTERACTIVE),
        }
    }
}

/// RID of `WinRMRemoteWMIUsers__`, whose members may use WMI remotely. No user has this RID, because users
/// have 1000 + 2·uid with uid > 0, and root has 500.
pub const REMOTE_WMI_USERS: u32 = 1_000;

/// Largest uid or gid whose RID fits into 32 bits, with one group RID beside each user RID.
const LARGEST_MAPPED: u32 = 1 << 30;

/// Identifier authority that Samba uses for Unix users and groups.
const UNIX: u64 = 22;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Principal;

    const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);

    fn user(uid: u32) -> String {
        user_sid(uid, MACHINE).numeric().to_string()
    }

    fn group(gid: u32) -> String {
        group_sid(gid, MACHINE).numeric().to_string()
    }

    #[test]
    fn users_and_groups_follow_the_rule_up_to_its_end() {
        assert_eq!(user(0), "S-1-5-21-1-2-3-500");
        assert_eq!(user(1), "S-1-5-21-1-2-3-1002");
        assert_eq!(user(1000), "S-1-5-21-1-2-3-3000");
        assert_eq!(user(1 << 30), "S-1-5-21-1-2-3-2147484648");
        assert_eq!(user((1 << 30) + 1), "S-1-22-1-1073741825");
        assert_eq!(user(u32::MAX), "S-1-22-1-4294967295");
        assert_eq!(group(0), "S-1-5-21-1-2-3-1001");
        assert_eq!(group(1000), "S-1-5-21-1-2-3-3001");
        assert_eq!(group(1 << 30), "S-1-5-21-1-2-3-2147484649");
        assert_eq!(group((1 << 30) + 1), "S-1-22-2-1073741825");
    }

    #[test]
    fn samba_knows_users_and_groups_by_their_numbers() {
        for number in [0, 1, 500, 1000, 1 << 30, (1 << 30) + 1, u32::MAX] {
            for (own, unix) in [
                (user_sid(number, MACHINE), Sid::two(UNIX, 1, number)),
                (group_sid(number, MACHINE), Sid::two(UNIX, 2, number)),
            ] {
                assert_eq!((to_unix(own, MACHINE), from_unix(unix, MACHINE)), (unix, own), "{number}");
            }
        }
        let others =
            [well_known::ADMINISTRATORS, DomainSid::new([4, 5, 6]).account(3000), MACHINE.account(512)];
        for other in others {
            assert_eq!((to_unix(other, MACHINE), from_unix(other, MACHINE)), (other, other));
        }
    }

    fn aliases_and_numbers(logon: Logon<'_>) -> Vec<String> {
        logon.token(MACHINE).groups().map(|sid| sid.to_string()).collect()
    }

    #[test]
    fn root_is_the_local_administrator_and_an_administrator() {
        let token = Logon { uid: 0, gids: &[0], roles: &[], proof: Proof::Password }.token(MACHINE);
        for alias in
            ["LA", "BA", "WD", "AU", "NU", "S-1-5-15", "S-1-5-113", "S-1-5-114", "S-1-5-21-1-2-3-1001"]
        {
            assert!(token.holds(Principal::parse(alias).unwrap()), "{alias}");
        }
        assert!(!token.holds(Principal::parse("IU").unwrap()));
    }

    #[test]
    fn a_user_has_only_the_roles_of_its_groups() {
        let roles = [(990, well_known::ADMINISTRATORS), (991, well_known::REMOTE_MANAGEMENT_USERS)];
        let logon = Logon { uid: 1000, gids: &[1000, 991], roles: &roles, proof: Proof::Ntlm };
        let expected = [
            "WD",
            "NU",
            "AU",
            "S-1-5-15",
            "S-1-5-113",
            "RM",
            "S-1-5-64-10",
            "S-1-5-21-1-2-3-2983",
            "S-1-5-21-1-2-3-3001",
        ];
        let mut groups = aliases_and_numbers(logon);
        groups.sort();
        let mut expected = expected.map(str::to_owned);
        expected.sort();
        assert_eq!(groups, expected);
        let administrator = Logon { gids: &[1000, 990], ..logon };
        assert!(aliases_and_numbers(administrator).contains(&"S-1-5-114".to_owned()));
    }

    #[test]
    fn only_a_unix_socket_makes_a_user_interactive() {
        for proof in [Proof::Password, Proof::Kerberos, Proof::Ntlm, Proof::Certificate, Proof::UnixSocket] {
            let token = Logon { uid: 1000, gids: &[1000], roles: &[], proof }.token(MACHINE);
            let interactive = token.holds(well_known::INTERACTIVE.into());
            assert_eq!(interactive, proof == Proof::UnixSocket, "{proof:?}");
        }
    }
}
