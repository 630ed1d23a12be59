//! Who may sign in to the ephemeral service, and as whom.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use auth::{Account, AccountList, AccountListError, Identity, Oid};
use sddl::{DomainSid, Sid, Token, well_known};
use service::Principals;

/// Why a file of accounts cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountsError {
    #[error("cannot read the accounts in {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} can be read by others (mode {mode:04o})\n  it holds passwords: chmod 600 {}", path.display(), path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{} belongs to another user (uid {owner})\n  only its owner or root may decide who signs in", path.display())]
    Foreign { path: PathBuf, owner: u32 },
    #[error("{}: {source}", path.display())]
    Content { path: PathBuf, source: AccountListError },
}

/// Reads a list of accounts that nobody else can read.
pub(crate) fn read(path: &Path) -> Result<AccountList, AccountsError> {
    let failed = |source| AccountsError::Read { path: path.to_owned(), source };
    let mut file = fs::File::open(path).map_err(failed)?;
    // The file that was opened is asked, not the path, which could lead elsewhere by now.
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(AccountsError::Exposed { path: path.to_owned(), mode });
    }
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(AccountsError::Foreign { path: path.to_owned(), owner });
    }
    let text = io::read_to_string(&mut file).map_err(failed)?;
    AccountList::parse(&text).map_err(|source| AccountsError::Content { path: path.to_owned(), source })
}

/// Gives every account an identity of its own, and the rights of an administrator of this service: what it
/// may do to the machine is what the user of this process may do.
pub(crate) struct EphemeralPrincipals {
    machine: DomainSid,
    names: Vec<String>,
}

impl EphemeralPrincipals {
    pub(crate) fn new(accounts: &AccountList, random: [u32; 3]) -> Self {
        let names = accounts.names().map(str::to_owned).collect();
        Self { machine: DomainSid::new(random), names }
    }
}

impl Principals for EphemeralPrincipals {
    fn token(&self, account: &Account) -> Option<Token> {
        self.token_with(account, None)
    }

    fn token_of(&self, identity: &Identity) -> Option<Token> {
        let is_ntlm = identity.mechanism() == Some(&Oid::NTLM);
        self.token_with(identity.account(), is_ntlm.then_some(well_known::NTLM_AUTHENTICATION))
    }
}

impl EphemeralPrincipals {
    fn token_with(&self, account: &Account, proof: Option<Sid>) -> Option<Token> {
        /// Beyond the identifiers that stand for users and groups of the machine.
        const FIRST: u32 = 0x8000_0000;
        let place = self.names.iter().position(|name| *name == account.name)?;
        let user = self.machine.account(FIRST.checked_add(u32::try_from(place).ok()?)?);
        let groups = [
            well_known::ADMINISTRATORS,
            well_known::EVERYONE,
            well_known::AUTHENTICATED_USERS,
            well_known::NETWORK,
            well_known::THIS_ORGANIZATION,
            well_known::LOCAL_ACCOUNT,
        ];
        Some(Token::new(user, groups.into_iter().chain(proof), self.machine))
    }
}
