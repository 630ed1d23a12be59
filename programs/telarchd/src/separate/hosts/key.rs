//! Keys of hosts: the account of the process, and the caller that it serves.

use broker::RunAsEndpoint;
use sddl::{Sid, Token};

use crate::separate::user::UserIds;

/// Key of a host. Accounts that share a user ID have separate hosts, because name, groups, environment and rights
/// belong to the account. They share everything that the kernel ties to the user ID: files, signals, process limit,
/// control group; and the SID, by which quotas are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// User ID of the process.
    pub(super) uid: u32,
    /// Account of the process.
    pub(super) account: String,
    /// Caller, if it is not the account of the process.
    pub(super) run_as: Option<CallerKey>,
}

/// Caller of an endpoint that runs as another account. No two callers share a host, and none has the ordinary host of
/// the account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CallerKey {
    account: String,
    sid: Sid,
    /// Name of the endpoint in lower case.
    endpoint: String,
}

impl Key {
    /// Returns the account that the host works for.
    pub(super) fn caller(&self) -> &str {
        self.run_as.as_ref().map_or(&self.account, |caller| &caller.account)
    }

    /// Returns the endpoint that the host serves for this caller, if it runs as another account.
    pub(super) fn endpoint_for(&self, caller: &str, sid: Sid) -> Option<&str> {
        let run_as = self.run_as.as_ref().filter(|key| key.account == caller && key.sid == sid)?;
        Some(&run_as.endpoint)
    }
}

/// Host that a caller needs.
#[derive(Clone, Copy)]
pub(in crate::separate) struct HostRequest<'a> {
    /// Account of the caller.
    pub(in crate::separate) caller: &'a str,
    /// Access token of the caller.
    pub(in crate::separate) token: &'a Token,
    /// User and groups of the process.
    pub(in crate::separate) numbers: &'a UserIds,
    /// Endpoint that runs as another account; `None` for an ordinary host.
    pub(in crate::separate) run_as: Option<&'a RunAsEndpoint>,
}

impl HostRequest<'_> {
    /// Returns the account of the process.
    pub(super) fn account(&self) -> &str {
        self.run_as.map_or(self.caller, |run_as| &run_as.account)
    }

    pub(super) fn key(&self) -> Key {
        let run_as = self.run_as.map(|run_as| CallerKey {
            account: self.caller.to_owned(),
            sid: self.token.user(),
            endpoint: run_as.endpoint.to_ascii_lowercase(),
        });
        Key { uid: self.numbers.uid, account: self.account().to_owned(), run_as }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_with_the_same_user_id_have_separate_hosts() {
        let ann = Key { uid: 7, account: "ann".to_owned(), run_as: None };
        assert_ne!(ann, Key { account: "ben".to_owned(), ..ann.clone() });
    }

    #[test]
    fn a_host_is_shared_neither_by_callers_nor_by_endpoints_nor_with_the_account_itself() {
        let machine = sddl::DomainSid::new([1, 2, 3]);
        let tokens = [1_001, 1_002].map(|rid| Token::new(machine.account(rid), [], machine));
        let endpoint = |name: &str| RunAsEndpoint {
            endpoint: name.to_owned(),
            account: "ops".to_owned(),
            program: String::new(),
            configurations: String::new(),
        };
        let numbers = UserIds { uid: 990, gid: 990, groups: vec![990] };
        let key = |caller: &str, token: &Token, run_as: Option<&RunAsEndpoint>| {
            HostRequest { caller, token, numbers: &numbers, run_as }.key()
        };
        let [ann, ben] = &tokens;
        let (backup, restart) = (endpoint("backup"), endpoint("restart"));
        let keys = [
            key("ann", ann, Some(&backup)),
            key("ann", ann, Some(&restart)),
            key("ben", ben, Some(&backup)),
            // A deleted account whose name was given to another user.
            key("ann", ben, Some(&backup)),
            // The account itself as caller, with and without the endpoint.
            key("ops", ann, Some(&backup)),
            key("ops", ann, None),
        ];
        for (place, one) in keys.iter().enumerate() {
            assert!(keys.iter().skip(place + 1).all(|other| other != one), "{one:?}");
        }
        assert_eq!(key("ann", ann, Some(&endpoint("BACKUP"))), keys[0]);
        assert_eq!((keys[0].caller(), keys[5].caller()), ("ann", "ops"));
        assert_eq!(keys[0].endpoint_for("ann", ann.user()), Some("backup"));
        for (caller, token) in [("ben", ben), ("ann", ben), ("ben", ann), ("ops", ann)] {
            assert_eq!(keys[0].endpoint_for(caller, token.user()), None, "{caller}");
        }
        assert_eq!(keys[5].endpoint_for("ops", ann.user()), None, "an ordinary host");
    }
}
