//! SIDs that are the same on every machine (MS-DTYP 2.4.2.4).

use super::{NT, Sid};

/// `WD`: everyone.
pub const EVERYONE: Sid = Sid::one(1, 0);
/// `CO`: placeholder for the creator in inheritable entries; no token has it.
pub const CREATOR_OWNER: Sid = Sid::one(3, 0);
/// `CG`: placeholder for the creator's group in inheritable entries; no token has it.
pub const CREATOR_GROUP: Sid = Sid::one(3, 1);
/// `OW`: the owner of the object; an entry for it replaces the owner's implicit rights.
pub const OWNER_RIGHTS: Sid = Sid::one(3, 4);
/// `NU`: users signed in over the network.
pub const NETWORK: Sid = Sid::one(NT, 2);
/// `IU`: users signed in at the machine itself; never in the token of a network logon.
pub const INTERACTIVE: Sid = Sid::one(NT, 4);
/// `SU`: services.
pub const SERVICE: Sid = Sid::one(NT, 6);
/// `AN`: anonymous users.
pub const ANONYMOUS: Sid = Sid::one(NT, 7);
/// `AU`: authenticated users.
pub const AUTHENTICATED_USERS: Sid = Sid::one(NT, 11);
/// `SY`: the system itself.
pub const LOCAL_SYSTEM: Sid = Sid::one(NT, 18);
/// `LS`: services without rights on the network.
pub const LOCAL_SERVICE: Sid = Sid::one(NT, 19);
/// `NS`: services that use the machine's identity on the network.
pub const NETWORK_SERVICE: Sid = Sid::one(NT, 20);
/// `BA`: administrators of the machine.
pub const ADMINISTRATORS: Sid = Sid::two(NT, 32, 544);
/// `BU`: users of the machine.
pub const USERS: Sid = Sid::two(NT, 32, 545);
/// `BG`: guests of the machine.
pub const GUESTS: Sid = Sid::two(NT, 32, 546);
/// `PU`: power users of the machine.
pub const POWER_USERS: Sid = Sid::two(NT, 32, 547);
/// `BO`: backup operators of the machine.
pub const BACKUP_OPERATORS: Sid = Sid::two(NT, 32, 551);
/// `RD`: users who may sign in to a remote desktop.
pub const REMOTE_DESKTOP_USERS: Sid = Sid::two(NT, 32, 555);
/// `ER`: users who may read event logs.
pub const EVENT_LOG_READERS: Sid = Sid::two(NT, 32, 573);
/// `RM`: users who may manage the machine remotely.
pub const REMOTE_MANAGEMENT_USERS: Sid = Sid::two(NT, 32, 580);
/// `S-1-5-15`: users of the same organisation.
pub const THIS_ORGANIZATION: Sid = Sid::one(NT, 15);
/// `S-1-5-64-10`: users authenticated by NTLM.
pub const NTLM_AUTHENTICATION: Sid = Sid::two(NT, 64, 10);
/// `S-1-5-64-14`: users authenticated by a client certificate.
pub const CERTIFICATE_AUTHENTICATION: Sid = Sid::two(NT, 64, 14);
/// `S-1-5-113`: accounts of the machine itself, not of a domain.
pub const LOCAL_ACCOUNT: Sid = Sid::one(NT, 113);
/// `S-1-5-114`: accounts of the machine itself that are also administrators.
pub const LOCAL_ADMINISTRATOR_ACCOUNT: Sid = Sid::one(NT, 114);

/// A SID with a two-letter SDDL alias.
pub(crate) struct WellKnownSid {
    pub(crate) alias: &'static str,
    pub(crate) sid: Sid,
    pub(crate) name: &'static str,
}

/// The aliases that mean the same SID on every machine (MS-DTYP 2.5.1.1).
pub(crate) const ALIASES: &[WellKnownSid] = &[
    known("WD", EVERYONE, "Everyone"),
    known("CO", CREATOR_OWNER, "CREATOR OWNER"),
    known("CG", CREATOR_GROUP, "CREATOR GROUP"),
    known("OW", OWNER_RIGHTS, "OWNER RIGHTS"),
    known("NU", NETWORK, "NT AUTHORITY\\NETWORK"),
    known("IU", INTERACTIVE, "NT AUTHORITY\\INTERACTIVE"),
    known("SU", SERVICE, "NT AUTHORITY\\SERVICE"),
    known("AN", ANONYMOUS, "NT AUTHORITY\\ANONYMOUS LOGON"),
    known("AU", AUTHENTICATED_USERS, "NT AUTHORITY\\Authenticated Users"),
    known("SY", LOCAL_SYSTEM, "NT AUTHORITY\\SYSTEM"),
    known("LS", LOCAL_SERVICE, "NT AUTHORITY\\LOCAL SERVICE"),
    known("NS", NETWORK_SERVICE, "NT AUTHORITY\\NETWORK SERVICE"),
    known("BA", ADMINISTRATORS, "BUILTIN\\Administrators"),
    known("BU", USERS, "BUILTIN\\Users"),
    known("BG", GUESTS, "BUILTIN\\Guests"),
    known("PU", POWER_USERS, "BUILTIN\\Power Users"),
    known("BO", BACKUP_OPERATORS, "BUILTIN\\Backup Operators"),
    known("RD", REMOTE_DESKTOP_USERS, "BUILTIN\\Remote Desktop Users"),
    known("ER", EVENT_LOG_READERS, "BUILTIN\\Event Log Readers"),
    known("RM", REMOTE_MANAGEMENT_USERS, "BUILTIN\\Remote Management Users"),
];

const fn known(alias: &'static str, sid: Sid, name: &'static str) -> WellKnownSid {
    WellKnownSid { alias, sid, name }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_means_the_sid_that_windows_gives_it() {
        let table = [
            ("WD", "S-1-1-0"),
            ("CO", "S-1-3-0"),
            ("CG", "S-1-3-1"),
            ("OW", "S-1-3-4"),
            ("NU", "S-1-5-2"),
            ("IU", "S-1-5-4"),
            ("SU", "S-1-5-6"),
            ("AN", "S-1-5-7"),
            ("AU", "S-1-5-11"),
            ("SY", "S-1-5-18"),
            ("LS", "S-1-5-19"),
            ("NS", "S-1-5-20"),
            ("BA", "S-1-5-32-544"),
            ("BU", "S-1-5-32-545"),
            ("BG", "S-1-5-32-546"),
            ("PU", "S-1-5-32-547"),
            ("BO", "S-1-5-32-551"),
            ("RD", "S-1-5-32-555"),
            ("ER", "S-1-5-32-573"),
            ("RM", "S-1-5-32-580"),
        ];
        assert_eq!(table.len(), ALIASES.len());
        for (alias, numbers) in table {
            let sid = Sid::parse(numbers).unwrap();
            assert_eq!(Sid::parse(alias), Ok(sid), "{alias}");
            assert_eq!(sid.to_string(), alias);
            assert_eq!(sid.numeric().to_string(), numbers);
        }
    }
}
