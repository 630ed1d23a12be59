//! Mapping of principals, which a realm authenticates, to accounts of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use auth::{Account, AuthError};

use crate::{KerberosError, Principal};

/// Maps principals to accounts.
pub trait PrincipalMap: Send + Sync {
    /// Returns the account of an authenticated principal. `local_name` returns the name that the `auth_to_local` rules
    /// of `krb5.conf` derive, if any; it is computed only when called.
    ///
    /// This may block as long as the account lookup does.
    ///
    /// # Errors
    /// [`KerberosError::NoAccount`] with the reason, or [`KerberosError::Accounts`] if the account store fails.
    fn account(
        &self,
        principal: &Principal,
        local_name: &dyn Fn() -> Option<String>,
    ) -> Result<Account, KerberosError>;
}

/// Lookup of accounts.
pub trait Accounts: Send + Sync {
    /// Returns the account of this name, in the spelling of the store.
    ///
    /// # Errors
    /// [`AuthError::NotAllowed`] if it may not sign in, [`AuthError::Unavailable`] if the store cannot be read.
    fn find(&self, name: &str) -> Result<Option<FoundAccount>, AuthError>;
}

/// An existing account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAccount {
    /// Account name.
    pub account: Account,
    /// Privileges of the account.
    pub privilege: Privilege,
}

/// Privileges of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// Privileges of its groups only.
    Ordinary,
    /// Superuser: root, and other users with UID 0.
    Superuser,
}

/// Reason why a principal has no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The realm is not one whose users are accepted.
    Realm,
    /// The principal has an instance, as services have, and is not listed.
    Instance,
    /// The `auth_to_local` rules of `krb5.conf` give no name.
    NoLocalName,
    /// No account has this name.
    UnknownAccount,
    /// The account is the superuser, and the principal is not listed.
    Superuser,
}

/// Default mapping rules:
///
/// 1. A listed principal has the account listed for it.
/// 2. Any other principal must be a single name in an accepted realm.
/// 3. It has the account of that name, or the one that `auth_to_local` gives, if it exists.
/// 4. That is never the superuser: otherwise the administrator of a realm could become `root` on every machine by
///    creating a principal `root`.
pub struct PrincipalRules {
    accounts: Arc<dyn Accounts>,
    realms: BTreeSet<String>,
    listed: BTreeMap<Principal, String>,
    auth_to_local: AuthToLocal,
}

/// Use of the `auth_to_local` rules in `krb5.conf`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthToLocal {
    /// The rules are ignored.
    #[default]
    Ignored,
    /// The rules determine the account name. Realm, instance and superuser are checked nevertheless.
    Followed,
}

impl PrincipalRules {
    /// Creates rules that reject every principal until a realm or a principal is added.
    #[must_use]
    pub fn new(accounts: Arc<dyn Accounts>) -> Self {
        let (realms, listed) = (BTreeSet::new(), BTreeMap::new());
        Self { accounts, realms, listed, auth_to_local: AuthToLocal::default() }
    }

    /// Accepts the users of a realm, compared case-sensitively.
    #[must_use]
    pub fn allow_realm(mut self, realm: &str) -> Self {
        self.realms.insert(realm.to_owned());
        self
    }

    /// Maps a principal to an account, whatever its realm, instance or name.
    #[must_use]
    pub fn map_principal(mut self, principal: Principal, account: &str) -> Self {
        self.listed.insert(principal, account.to_owned());
        self
    }

    /// Sets whether `auth_to_local` of `krb5.conf` is used.
    #[must_use]
    pub fn auth_to_local(self, auth_to_local: AuthToLocal) -> Self {
        Self { auth_to_local, ..self }
    }

    fn find(&self, principal: &Principal, name: &str) -> Result<FoundAccount, KerberosError> {
        let found = self.accounts.find(name);
        let found = found.map_err(|cause| KerberosError::Accounts { principal: principal.clone(), cause })?;
        found.ok_or_else(|| refused(principal, Refusal::UnknownAccount))
    }

    /// Returns the account name of a principal that is not listed.
    fn name(
        &self,
        principal: &Principal,
        local_name: &dyn Fn() -> Option<String>,
    ) -> Result<String, Refusal> {
        let name = principal.single_name().ok_or(Refusal::Instance)?;
        if !self.realms.contains(principal.realm()) {
            return Err(Refusal::Realm);
        }
        match self.auth_to_local {
            AuthToLocal::Ignored => Ok(name.to_owned()),
            AuthToLocal::Followed => local_name().ok_or(Refusal::NoLocalName),
        }
    }
}

impl PrincipalMap for PrincipalRules {
    fn account(
        &self,
        principal: &Principal,
        local_name: &dyn Fn() -> Option<String>,
    ) -> Result<Account, KerberosError> {
        if let Some(name) = self.listed.get(principal) {
            return Ok(self.find(principal, name)?.account);
        }
        let name = self.name(principal, local_name).map_err(|why| refused(principal, why))?;
        let found = self.find(principal, &name)?;
        match found.privilege {
            Privilege::Ordinary => Ok(found.account),
            Privilege::Superuser => Err(refused(principal, Refusal::Superuser)),
        }
    }
}

fn refused(principal: &Principal, why: Refusal) -> KerberosError {
    KerberosError::NoAccount { principal: principal.clone(), why }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Realm => "users of its realm are not accepted",
            Self::Instance => "it has an instance and is not listed",
            Self::NoLocalName => "auth_to_local in krb5.conf gives no account name",
            Self::UnknownAccount => "no account has its name",
            Self::Superuser => "it would be the superuser and is not listed",
        })
    }
}

impl fmt::Debug for PrincipalRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrincipalRules")
            .field("realms", &self.realms)
            .field("listed", &self.listed)
            .field("auth_to_local", &self.auth_to_local)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Machine;

    impl Accounts for Machine {
        fn find(&self, name: &str) -> Result<Option<FoundAccount>, AuthError> {
            let (spelling, privilege) = match name {
                "alice" | "bob" | "svc_backup" => (name, Privilege::Ordinary),
                "root" | "toor" => (name, Privilege::Superuser),
                "locked" => return Err(AuthError::NotAllowed),
                _ => return Ok(None),
            };
            Ok(Some(FoundAccount { account: Account { name: spelling.to_owned() }, privilege }))
        }
    }

    fn principal(text: &str) -> Principal {
        Principal::parse(text).unwrap()
    }

    fn rules() -> PrincipalRules {
        PrincipalRules::new(Arc::new(Machine))
            .allow_realm("EXAMPLE.COM")
            .map_principal(principal("backup/node7@EXAMPLE.COM"), "svc_backup")
            .map_principal(principal("robert@PARTNER.COM"), "bob")
            .map_principal(principal("chief@EXAMPLE.COM"), "root")
            .map_principal(principal("gone@EXAMPLE.COM"), "removed")
    }

    fn account_of(rules: &PrincipalRules, text: &str, local: Option<&str>) -> Result<String, KerberosError> {
        rules.account(&principal(text), &|| local.map(str::to_owned)).map(|account| account.name)
    }

    #[test]
    fn principals_are_mapped_by_rule_or_list_only() {
        for (text, expected) in [
            ("alice@EXAMPLE.COM", Ok("alice")),
            ("backup/node7@EXAMPLE.COM", Ok("svc_backup")),
            ("robert@PARTNER.COM", Ok("bob")),
            ("chief@EXAMPLE.COM", Ok("root")),
            ("alice@PARTNER.COM", Err(Refusal::Realm)),
            ("alice@example.com", Err(Refusal::Realm)),
            ("alice@SUB.EXAMPLE.COM", Err(Refusal::Realm)),
            ("bob@PARTNER.COM", Err(Refusal::Realm)),
            ("alice/admin@EXAMPLE.COM", Err(Refusal::Instance)),
            ("alice/evil@EXAMPLE.COM", Err(Refusal::Instance)),
            ("host/node7@EXAMPLE.COM", Err(Refusal::Instance)),
            (r"alice\/admin@EXAMPLE.COM", Err(Refusal::UnknownAccount)),
            ("backup/node8@EXAMPLE.COM", Err(Refusal::Instance)),
            ("backup@EXAMPLE.COM", Err(Refusal::UnknownAccount)),
            ("Alice@EXAMPLE.COM", Err(Refusal::UnknownAccount)),
            ("robert@EXAMPLE.COM", Err(Refusal::UnknownAccount)),
            ("gone@EXAMPLE.COM", Err(Refusal::UnknownAccount)),
            ("root@EXAMPLE.COM", Err(Refusal::Superuser)),
            ("toor@EXAMPLE.COM", Err(Refusal::Superuser)),
            ("WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS", Err(Refusal::Instance)),
        ] {
            let principal = Principal::parse(text).unwrap();
            let expected =
                expected.map(str::to_owned).map_err(|why| KerberosError::NoAccount { principal, why });
            assert_eq!(account_of(&rules(), text, Some("bob")), expected, "{text}");
        }
    }

    #[test]
    fn auth_to_local_names_accounts_but_lifts_no_restriction() {
        let rules = rules().auth_to_local(AuthToLocal::Followed);
        for (text, local, expected) in [
            ("alice@EXAMPLE.COM", Some("bob"), Ok("bob")),
            ("alice@EXAMPLE.COM", Some("alice"), Ok("alice")),
            ("backup/node7@EXAMPLE.COM", Some("bob"), Ok("svc_backup")),
            ("alice@EXAMPLE.COM", None, Err(Refusal::NoLocalName)),
            ("alice@EXAMPLE.COM", Some("root"), Err(Refusal::Superuser)),
            ("alice@EXAMPLE.COM", Some("no-such-user"), Err(Refusal::UnknownAccount)),
            ("alice@PARTNER.COM", Some("bob"), Err(Refusal::Realm)),
            ("alice/admin@EXAMPLE.COM", Some("bob"), Err(Refusal::Instance)),
        ] {
            let principal = Principal::parse(text).unwrap();
            let expected =
                expected.map(str::to_owned).map_err(|why| KerberosError::NoAccount { principal, why });
            assert_eq!(account_of(&rules, text, local), expected, "{text} {local:?}");
        }
    }

    #[test]
    fn without_realms_and_list_all_principals_are_rejected() {
        let rules = PrincipalRules::new(Arc::new(Machine));
        let error = account_of(&rules, "alice@EXAMPLE.COM", None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no account for alice@EXAMPLE.COM: users of its realm are not accepted"
        );
    }

    #[test]
    fn the_verdict_of_the_account_store_is_returned() {
        let error = account_of(&rules(), "locked@EXAMPLE.COM", None).unwrap_err();
        assert_eq!(AuthError::from(&error), AuthError::NotAllowed);
    }
}
