//! NTLM for the accounts of the file.

use std::time::{Instant, SystemTime};

use account_store::{LinuxUser, LinuxUsers, NtHashState};
use auth::account_file::{AccountName, Record};
use auth::ntlm::{HostNames, NtHash, NtlmVerifier, Verified, judge};
use auth::{Account, AuthError, VerifierCost};

use super::{FileAccounts, require_enabled};
use crate::HostKey;
use crate::lockout::shortened;

/// Verifies NTLM responses for accounts of the file that have an NT hash.
///
/// The NT hash of a Linux user's password is used only while it belongs to the current password in the shadow file.
///
/// Only a client that has proven the password of an account learns that it is disabled or expired. The reason for any
/// other failure appears only in the log.
#[derive(Debug)]
pub struct FileNtlm {
    accounts: FileAccounts,
    key: HostKey,
    names: HostNames,
    linux: LinuxUsers,
}

impl FileNtlm {
    /// Creates a verifier with the key that opens the hashes, on a host with these names.
    #[must_use]
    pub fn new(accounts: FileAccounts, key: HostKey, names: HostNames) -> Self {
        Self { accounts, key, names, linux: LinuxUsers::of_this_machine() }
    }

    /// Replaces the users of this machine, whose passwords some NT hashes belong to.
    #[must_use]
    pub fn with_linux_users(self, linux: LinuxUsers) -> Self {
        Self { linux, ..self }
    }

    /// Returns the NT hash of an account and its state. Without one, a dummy is decrypted, so that the time is the
    /// same.
    fn hash(
        &self,
        record: Option<&Record>,
        user: Option<&LinuxUser>,
    ) -> Result<(NtHash, NtHashState), NoHash> {
        let missing = match record {
            Some(Record { nt_hash: Some(sealed), name, rid, .. }) => {
                let hash = self.key.open_nt_hash(sealed, name, *rid).ok_or(NoHash::Key)?;
                let state = match (sealed.linux, user) {
                    (None, _) => NtHashState::Current,
                    (Some(password), Some(user)) => user.state_of(password, SystemTime::now()),
                    (Some(_), None) => NtHashState::NoUser,
                };
                return match state {
                    NtHashState::Current | NtHashState::Expired => Ok((hash, state)),
                    NtHashState::Outdated => Err(NoHash::Outdated),
                    NtHashState::NoUser => Err(NoHash::NoUser),
                };
            }
            Some(_) => NoHash::Hash,
            None => NoHash::Account,
        };
        let _ = self.key.open_secret(&[0; 44], b"nt-hash");
        Err(missing)
    }

    /// Returns the Linux user whose password an NT hash may belong to. The files are read for every name alike, so that
    /// timing reveals nothing.
    fn linux_user(&self, name: Option<&str>, record: Option<&Record>) -> Option<LinuxUser> {
        let name = record.map(|record| record.name.as_str()).or(name)?;
        let found = self.linux.find(name).inspect_err(|error| {
            tracing::error!(%error, "Cannot read the users of this machine; their NT hashes are not used");
        });
        found.ok().flatten()
    }
}

impl NtlmVerifier for FileNtlm {
    fn verify(
        &self,
        domain: &str,
        user: &str,
        challenge: &[u8; 8],
        nt_response: &[u8],
    ) -> Result<Verified, AuthError> {
        let records = self.accounts.records(Instant::now())?;
        let name = self.names.local_account(domain, user);
        let record = name.and_then(|name| records.find(&AccountName::key_of(name)));
        let linux_user = match records.has_linux_account {
            true => self.linux_user(name, record),
            false => None,
        };
        let hash = self.hash(record, linux_user.as_ref());
        let known = hash.as_ref().ok().map(|(hash, _)| hash);
        let base_key = judge(known, domain, user, challenge, nt_response);
        let (Ok(base_key), Some(record)) = (base_key, record) else {
            // Logged for every name alike, so that timing reveals nothing.
            let reason = hash.err().map_or("wrong password", NoHash::reason);
            let (domain, user) = (shortened(domain), shortened(user));
            tracing::warn!(domain, user, reason, "NTLM sign-in failed");
            return Err(AuthError::WrongPassword);
        };
        require_enabled(record)?;
        if matches!(hash, Ok((_, NtHashState::Expired))) {
            tracing::warn!(account = %record.name, "NTLM sign-in refused: the account or its password has expired");
            return Err(AuthError::NotAllowed);
        }
        Ok(Verified { account: Account { name: record.name.to_string() }, base_key })
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Quick
    }

    fn covers(&self, domain: &str, user: &str) -> bool {
        self.names.local_account(domain, user).is_some()
    }

    fn is_available(&self) -> bool {
        self.accounts.records(Instant::now()).is_ok_and(|records| records.has_ntlm_account)
    }
}

/// Reason why an account has no usable NT hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoHash {
    Account,
    Hash,
    Key,
    Outdated,
    NoUser,
}

impl NoHash {
    fn reason(self) -> &'static str {
        match self {
            Self::Account => "no such account in the account file",
            Self::Hash => "the account has no NT hash; set one with: telarch account set-password --ntlm",
            Self::Key => {
                "the NT hash of the account was sealed with another host key; renew it with: telarch account set-password --ntlm"
            }
            Self::Outdated => {
                "the password of the Linux user was changed or locked after its NT hash was stored; the next local sign-in renews the hash"
            }
            Self::NoUser => "the Linux user whose NT hash is stored no longer exists, or has no password",
        }
    }
}
