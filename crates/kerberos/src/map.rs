//! From a principal, which a realm vouches for, to an account of this machine, which only this machine can give.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use auth::{Account, AuthError};

use crate::{KerberosError, Principal};

/// Says which account a principal has here.
pub trait PrincipalMap: Send + Sync {
    /// The account of a principal that has proven itself; `local_name` is what the rules `auth_to_local` of
    /// `krb5.conf` make of it, if anything, and is worked out only when asked for.
    ///
    /// This may take as long as looking for the account does.
    ///
    /// # Errors
    /// [`KerberosError::NoAccount`] with the reason, or [`KerberosError::Accounts`].
    fn account(
        &self,
        principal: &Principal,
        local_name: &dyn Fn() -> Option<String>,
    ) -> Result<Account, KerberosError>;
}

/// Knows which accounts there are.
pub trait Accounts: Send + Sync {
    /// The account of this name, in the spelling of the store.
    ///
    /// # Errors
    /// [`AuthError::NotAllowed`] for one that may not sign in, and [`AuthError::Unavailable`].
    fn find(&self, name: &str) -> Result<Option<Found>, AuthError>;
}

/// An account that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub account: Account,
    /// How much it may do.
    pub power: Power,
}

/// How much an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// What its groups may.
    Ordinary,
    /// Everything: root, and whoever else has the user number 0.
    Superuser,
}

/// Why a principal has no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Its realm is not one of those whose users are welcome.
    Realm,
    /// It has an instance, as services have, and is not listed.
    Instance,
    /// The rules of `krb5.conf` give it no name here.
    NoLocalName,
    /// Nobody here has its name.
    UnknownAccount,
    /// It would be the superuser, and is not listed.
    Superuser,
}

/// The rules that are usual:
///
/// 1. A principal that is listed has the account beside it.
/// 2. Any other must be a single name in one of the realms whose users are welcome.
/// 3. It has the account of that name, or the one that `auth_to_local` names, if it exists.
/// 4. That is never the superuser: whoever can make a user `root` in a realm would rule every machine of it.
pub struct PrincipalRules {
    accounts: Arc<dyn Accounts>,
    realms: BTreeSet<String>,
    listed: BTreeMap<Principal, String>,
    auth_to_local: AuthToLocal,
}

/// Whether `krb5.conf` has a say in which account a principal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthToLocal {
    /// It has none.
    #[default]
    Ignored,
    /// Its rules replace that of the same name; realms, instances and the superuser are judged all the same.
    Followed,
}

impl PrincipalRules {
    /// Rules that let nobody in until there is a realm or a list.
    #[must_use]
    pub fn new(accounts: Arc<dyn Accounts>) -> Self {
        let (realms, listed) = (BTreeSet::new(), BTreeMap::new());
        Self { accounts, realms, listed, auth_to_local: AuthToLocal::default() }
    }

    /// Welcomes the users of a realm, spelled exactly as the realm is.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        self.realms.insert(realm.to_owned());
        self
    }

    /// Gives a principal an account, whatever its realm, instance or name.
    #[must_use]
    pub fn list(mut self, principal: Principal, account: &str) -> Self {
        self.listed.insert(principal, account.to_owned());
        self
    }

    /// Whether `krb5.conf` has a say.
    #[must_use]
    pub fn auth_to_local(self, auth_to_local: AuthToLocal) -> Self {
        Self { auth_to_local, ..self }
    }

    /// The name to look for, if the principal is not listed.
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
        let refused = |why| KerberosError::NoAccount { principal: principal.clone(), why };
        let find = |name: &str| {
            let found = self.accounts.find(name);
            let found =
                found.map_err(|cause| KerberosError::Accounts { principal: principal.clone(), cause })?;
            found.ok_or_else(|| refused(Refusal::UnknownAccount))
        };
        if let Some(name) = self.listed.get(principal) {
            return Ok(find(name)?.account);
        }
        let found = find(&self.name(principal, local_name).map_err(refused)?)?;
        match found.power {
            Power::Ordinary => Ok(found.account),
            Power::Superuser => Err(refused(Refusal::Superuser)),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Realm => "users of its realm are not welcome",
            Self::Instance => "it has an instance, and is not listed",
            Self::NoLocalName => "auth_to_local in krb5.conf gives it no name",
            Self::UnknownAccount => "nobody has its name",
            Self::Superuser => "it would be the superuser, and is not listed",
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
        fn find(&self, name: &str) -> Result<Option<Found>, AuthError> {
            let (spelling, power) = match name {
                "alice" | "bob" | "svc_backup" => (name, Power::Ordinary),
                "root" | "toor" => (name, Power::Superuser),
                "locked" => return Err(AuthError::NotAllowed),
                _ => return Ok(None),
            };
            Ok(Some(Found { account: Account { name: spelling.to_owned() }, power }))
        }
    }

    fn rules() -> PrincipalRules {
        let principal = |text| Principal::parse(text).unwrap();
        PrincipalRules::new(Arc::new(Machine))
            .realm("EXAMPLE.COM")
            .list(principal("backup/node7@EXAMPLE.COM"), "svc_backup")
            .list(principal("robert@PARTNER.COM"), "bob")
            .list(principal("chief@EXAMPLE.COM"), "root")
            .list(principal("gone@EXAMPLE.COM"), "nobody-any-more")
    }

    fn asked(rules: &PrincipalRules, text: &str, local: Option<&str>) -> Result<String, KerberosError> {
        let local_name = || local.map(str::to_owned);
        rules.account(&Principal::parse(text).unwrap(), &local_name).map(|account| account.name)
    }

    #[test]
    fn a_principal_has_an_account_by_rule_or_by_list_only() {
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
            assert_eq!(asked(&rules(), text, Some("bob")), expected, "{text}");
        }
    }

    #[test]
    fn krb5_conf_may_name_the_account_but_lets_nobody_in_who_is_not_welcome() {
        let rules = rules().auth_to_local(AuthToLocal::Followed);
        for (text, local, expected) in [
            ("alice@EXAMPLE.COM", Some("bob"), Ok("bob")),
            ("alice@EXAMPLE.COM", Some("alice"), Ok("alice")),
            ("backup/node7@EXAMPLE.COM", Some("bob"), Ok("svc_backup")),
            ("alice@EXAMPLE.COM", None, Err(Refusal::NoLocalName)),
            ("alice@EXAMPLE.COM", Some("root"), Err(Refusal::Superuser)),
            ("alice@EXAMPLE.COM", Some("nobody-at-all"), Err(Refusal::UnknownAccount)),
            ("alice@PARTNER.COM", Some("bob"), Err(Refusal::Realm)),
            ("alice/admin@EXAMPLE.COM", Some("bob"), Err(Refusal::Instance)),
        ] {
            let principal = Principal::parse(text).unwrap();
            let expected =
                expected.map(str::to_owned).map_err(|why| KerberosError::NoAccount { principal, why });
            assert_eq!(asked(&rules, text, local), expected, "{text} {local:?}");
        }
    }

    #[test]
    fn without_a_realm_and_a_list_nobody_comes_in() {
        let rules = PrincipalRules::new(Arc::new(Machine));
        let error = asked(&rules, "alice@EXAMPLE.COM", None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "alice@EXAMPLE.COM has no account here: users of its realm are not welcome"
        );
    }

    #[test]
    fn the_verdict_of_the_store_is_passed_on() {
        let error = asked(&rules(), "locked@EXAMPLE.COM", None).unwrap_err();
        assert_eq!(AuthError::from(&error), AuthError::NotAllowed);
    }
}
