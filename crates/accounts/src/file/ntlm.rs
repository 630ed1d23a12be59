//! NTLM for the accounts of the file.

use std::time::Instant;

use auth::account_file::{AccountName, Record};
use auth::ntlm::{HostNames, NtHash, NtlmVerifier, Verified, judge};
use auth::{Account, AuthError, VerifierCost};

use super::{FileAccounts, permit};
use crate::HostKey;
use crate::lockout::shortened;

/// Judges responses of NTLM by the file of accounts, for those that have an NT hash.
///
/// Whoever has proven the password of an account, and nobody else, learns that it is disabled. What an account lacks
/// is told to the log only.
#[derive(Debug)]
pub struct FileNtlm {
    accounts: FileAccounts,
    key: HostKey,
    names: HostNames,
}

impl FileNtlm {
    /// With the key that opens the hashes, on a machine with these names.
    #[must_use]
    pub fn new(accounts: FileAccounts, key: HostKey, names: HostNames) -> Self {
        Self { accounts, key, names }
    }

    /// The hash of an account. Where there is none, something else is opened, which takes as long.
    fn hash(&self, record: Option<&Record>) -> Result<NtHash, Lack> {
        let decoy = |lack| {
            let _ = self.key.open_secret(&[0; 44], b"nt-hash");
            Err(lack)
        };
        let Some(record) = record else { return decoy(Lack::Account) };
        let Some(sealed) = &record.nt_hash else { return decoy(Lack::Hash) };
        self.key.open_nt_hash(sealed, &record.name, record.rid).ok_or(Lack::Key)
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
            // Said for every name alike, so that time tells nothing.
            let reason = hash.err().map_or("the password is another one", Lack::reason);
            let (domain, user) = (shortened(domain), shortened(user));
            tracing::warn!(domain, user, reason, "NTLM sign-in failed");
            return Err(AuthError::WrongPassword);
        };
        permit(record)?;
        Ok(Verified { account: Account { name: record.name.to_string() }, base_key })
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Quick
    }

    fn covers(&self, domain: &str, user: &str) -> bool {
        self.names.local_account(domain, user).is_some()
    }

    fn is_available(&self) -> bool {
        self.accounts.records(Instant::now()).is_ok_and(|records| records.can_ntlm)
    }
}

/// What is missing for a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    Account,
    Hash,
    Key,
}

impl Lack {
    fn reason(self) -> &'static str {
        match self {
            Self::Account => "the file has no such account",
            Self::Hash => "it has no NT hash: telarch account set-password --ntlm makes one",
            Self::Key => {
                "its NT hash was sealed with another key than this machine's: telarch account set-password --ntlm makes one"
            }
        }
    }
}
