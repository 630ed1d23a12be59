//! Accounts of the ephemeral service.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use auth::account_file::Rid;
use auth::{Account, AccountList, AccountListError, Identity, Oid};
use sddl::linux::{Proof, account_token};
use sddl::{DomainSid, Sid, Token, well_known};
use service::Principals;

/// Error of an account file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountsError {
    #[error("cannot read the accounts in {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} can be read by other users (mode {mode:04o})\n  it contains passwords; run chmod 600 {}", path.display(), path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{} belongs to another user (uid {owner})\n  it must belong to the user of the service or to root", path.display())]
    Foreign { path: PathBuf, owner: u32 },
    #[error("{}: {source}", path.display())]
    Content { path: PathBuf, source: AccountListError },
}

/// Reads a list of accounts from a file that other users cannot read.
pub(crate) fn read(path: &Path) -> Result<AccountList, AccountsError> {
    let failed = |source| AccountsError::Read { path: path.to_owned(), source };
    let mut file = fs::File::open(path).map_err(failed)?;
    // Examines the open file, because the path could be replaced meanwhile.
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

/// Returns a list that no client can use: a list is never empty, so its one account has a random password that is not stored.
pub(crate) fn none() -> Result<AccountList, Box<dyn std::error::Error>> {
    let password: String = ::accounts::random::<32>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(AccountList::parse(&format!("unused:{password}"))?)
}

/// Assigns an identity to every account. All accounts are administrators of the service; on the machine they have the
/// rights of the user of this process.
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
        self.token_with(account, Proof::Password)
    }

    fn token_of(&self, identity: &Identity) -> Option<Token> {
        let is_ntlm = identity.mechanism() == Some(&Oid::NTLM);
        let proof = if is_ntlm { Proof::Ntlm } else { Proof::Password };
        let token = self.token_with(identity.account(), proof)?;
        Some(token.with_groups(accounts::directory_groups(identity, self.machine)))
    }

    fn sid_of(&self, name: &str) -> Option<Sid> {
        self.account_sid(self.names.iter().position(|own| own == name)?)
    }

    fn name_of(&self, sid: Sid) -> Option<String> {
        let mut sids = (0..self.names.len()).map(|place| self.account_sid(place));
        let place = sids.position(|own| own == Some(sid))?;
        self.names.get(place).cloned()
    }
}

impl EphemeralPrincipals {
    fn token_with(&self, account: &Account, proof: Proof) -> Option<Token> {
        let place = self.names.iter().position(|name| *name == account.name)?;
        let groups = vec![well_known::ADMINISTRATORS];
        Some(account_token(self.account_sid(place)?, groups, proof, self.machine))
    }

    /// Returns the SID that the account at this place of the list would have in an account file of the same order.
    fn account_sid(&self, place: usize) -> Option<Sid> {
        let rid = Rid::FIRST.number().checked_add(u32::try_from(place).ok()?)?;
        Some(self.machine.account(rid))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::time::SystemTime;

    use ::accounts::{SignIn, random};
    use auth::ntlm::{HostNames, Initiator, InitiatorFresh, Login, NtHash, Sealing};
    use auth::{Binding, Handshake, Initiator as _, Peer, Scheme, Secret, Step, basic};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Signs `ada` in with NTLM.
    fn by_ntlm(sign_in: &SignIn) -> Identity {
        let hash = NtHash::of_password(&Secret::new("s3cret".to_owned()));
        let login = Login { domain: String::new(), user: "ada".to_owned(), hash };
        let session_key = random::<16>().unwrap().into();
        let fresh = InitiatorFresh { challenge: random().unwrap(), session_key, now: SystemTime::now() };
        let mut client = Initiator::new(login, Sealing::Required, fresh);
        let peer = Peer { address: HERE, binding: Binding::default() };
        let mut service = Handshake::begin(Scheme::Negotiate, sign_in, &peer).unwrap();
        let mut answer = None;
        loop {
            let token = match client.step(answer.as_deref()).unwrap() {
                Step::Continue(token) => token,
                Step::Done { token, .. } => token.unwrap(),
            };
            match service.step(&token).unwrap() {
                Step::Continue(token) => answer = Some(token),
                Step::Done { outcome, .. } => return outcome.identity,
            }
        }
    }

    #[test]
    fn accounts_have_names_and_sids() {
        let accounts = AccountList::parse("ada:s3cret\nbob:s3cret").unwrap();
        let principals = EphemeralPrincipals::new(&accounts, [1, 2, 3]);
        let sid = principals.sid_of("bob").unwrap();
        assert_eq!(principals.name_of(sid).as_deref(), Some("bob"));
        assert_ne!(principals.sid_of("ada"), Some(sid));
        assert_eq!((principals.sid_of("eve"), principals.name_of(well_known::ADMINISTRATORS)), (None, None));
        let bob = Account { name: "bob".to_owned() };
        assert!(principals.token(&bob).unwrap().holds(sddl::Principal::Sid(sid)));
    }

    #[test]
    fn a_sign_in_with_ntlm_is_visible_in_the_token() {
        let accounts = Arc::new(AccountList::parse("ada:s3cret").unwrap());
        let principals = EphemeralPrincipals::new(&accounts, [1, 2, 3]);
        let sign_in =
            SignIn::new(Arc::clone(&accounts) as _).with_ntlm(accounts, HostNames::of_host("node7"));
        let login = basic::Login { user: "ada".to_owned(), password: Secret::new("s3cret".to_owned()) };
        let by_password = Identity::by_password(&login, &sign_in, HERE).unwrap();
        for (identity, has_ntlm_sid) in [(by_ntlm(&sign_in), true), (by_password, false)] {
            let token = principals.token_of(&identity).unwrap();
            assert_eq!(token.holds(sddl::Principal::parse("S-1-5-64-10").unwrap()), has_ntlm_sid);
        }
    }
}
