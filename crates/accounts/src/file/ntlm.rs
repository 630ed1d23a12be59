//! NTLM for the accounts of the file.

use std::time::Instant;

use auth::account_file::{AccountName, Record};
use auth::ntlm::{HostNames, NtHash, NtlmVerifier, Verified, judge};
use auth::{Account, AuthError, VerifierCost};

use super::{FileAccounts, require_enabled};
use crate::HostKey;
use crate::lockout::shortened;

/// Verifies NTLM responses for accounts of the file that have an NT hash.
///
/// Only a client that has proven the password of an account learns that it is disabled. The reason for any other
/// failure appears only in the log.
#[derive(Debug)]
pub struct FileNtlm {
    accounts: FileAccounts,
    key: HostKey,
    names: HostNames,
}

impl FileNtlm {
    /// Creates a verifier with the key that opens the hashes, on a host with these names.
    #[must_use]
    pub fn new(accounts: FileAccounts, key: HostKey, names: HostNames) -> Self {
        Self { accounts, key, names }
    }

    /// Returns the NT hash of an account. Without one, a dummy is decrypted, so that the time is the same.
    fn hash(&self, record: Option<&Record>) -> Result<NtHash, NoHash> {
        let missing = match record {
            Some(Record { nt_hash: Some(sealed), name, rid, .. }) => {
                return self.key.open_nt_hash(sealed, name, *rid).ok_or(NoHash::Key);
            }
            Some(_) => NoHash::Hash,
            None => NoHash::Account,
        };
        let _ = self.key.open_secret(&[0; 44], b"nt-hash");
        Err(missing)
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
        let hash = self.hash(record);
        let base_key = judge(hash.as_ref().ok(), domain, user, challenge, nt_response);
        let (Ok(base_key), Some(record)) = (base_key, record) else {
            // Logged for every name alike, so that timing reveals nothing.
            let reason = hash.err().map_or("wrong password", NoHash::reason);
            let (domain, user) = (shortened(domain), shortened(user));
            tracing::warn!(domain, user, reason, "NTLM sign-in failed");
            return Err(AuthError::WrongPassword);
        };
        require_enabled(record)?;
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
}

impl NoHash {
    fn reason(self) -> &'static str {
        match self {
            Self::Account => "no such account in the account file",
            Self::Hash => "the account has no NT hash; set one with: telarch account set-password --ntlm",
            Self::Key => {
                "the NT hash of the account was sealed with another host key; renew it with: telarch account set-password --ntlm"
            }
        }
    }
}
