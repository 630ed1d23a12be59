//! Kerberos authentication of the client.

use auth::{AuthError, Initiated, ServicePrincipalName, Step, UserDomain, UserName};
use kerberos::{Delegated, Delegation as Handed, KerberosError, Library, Principal, Reason, Spn};

use super::Delegation;
use super::rules::is_host;

/// Kerberos initiator that fails if a required delegation is not possible.
pub(super) struct Initiator {
    inner: kerberos::Initiator,
    delegation: Delegation,
    delegation_failure: DelegationFailure,
}

/// Flag, shared with the error handling: a required delegation was not possible.
#[derive(Clone, Debug, Default)]
pub(crate) struct DelegationFailure(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl DelegationFailure {
    /// Returns whether the authentication failed because the ticket cannot be delegated.
    pub(crate) fn failed(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn fail(&self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Initiator {
    pub(super) fn new(inner: kerberos::Initiator, delegation: Delegation) -> Self {
        let inner = match delegation {
            Delegation::Refused => inner,
            Delegation::Demanded => inner.delegation(Handed::Yes),
        };
        Self { inner, delegation, delegation_failure: DelegationFailure::default() }
    }

    pub(super) fn reason(&self) -> Reason {
        self.inner.reason()
    }

    pub(super) fn delegation_failure(&self) -> DelegationFailure {
        self.delegation_failure.clone()
    }
}

impl auth::Initiator for Initiator {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step<Initiated>, AuthError> {
        let step = self.inner.advance(token).map_err(|error| AuthError::from(&error))?;
        Ok(match step {
            Step::Continue(token) => Step::Continue(token),
            Step::Done { token, outcome } => {
                if self.delegation == Delegation::Demanded && outcome.delegated == Delegated::Nothing {
                    self.delegation_failure.fail();
                    return Err(AuthError::NotAllowed);
                }
                let initiated = Initiated { context: Box::new(outcome.context), mutual: outcome.mutual };
                Step::Done { token, outcome: initiated }
            }
        })
    }
}

/// Returns the principal of a user name. The default realm applies to names without a realm or with its short name.
pub(super) fn principal(library: &Library, name: &UserName, host: &str) -> Result<Principal, KerberosError> {
    let realm = match name.domain() {
        UserDomain::Realm(realm) => realm.clone(),
        UserDomain::Domain(domain) if !is_host(domain, host) => realm_of(library, domain),
        _ => library.default_realm()?,
    };
    Principal::parse(&format!("{}@{realm}", name.user()))
}

/// Returns the realm of a domain: `CORP` is short for a default realm `CORP.EXAMPLE.COM`.
fn realm_of(library: &Library, domain: &str) -> String {
    match library.default_realm() {
        Ok(realm) if short(&realm).eq_ignore_ascii_case(domain) => realm,
        _ => domain.to_owned(),
    }
}

/// Returns whether a domain is the default realm of this machine, by its full or short name.
pub(super) fn is_default_realm(library: &Library, domain: &str) -> bool {
    library
        .default_realm()
        .is_ok_and(|realm| realm.eq_ignore_ascii_case(domain) || short(&realm).eq_ignore_ascii_case(domain))
}

fn short(realm: &str) -> &str {
    realm.split('.').next().unwrap_or_default()
}

/// Converts a service principal name for the Kerberos library, with an IPv6 address in brackets.
pub(super) fn spn(name: &ServicePrincipalName) -> Result<Spn, KerberosError> {
    let text = match name.port() {
        None if name.host().contains(':') => format!("{}/[{}]", name.class(), name.host()),
        _ => name.to_string(),
    };
    Spn::parse(&text)
}
