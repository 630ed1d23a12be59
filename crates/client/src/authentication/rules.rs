//! Selection of the authentication scheme.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use auth::choice::{
    self, AutomaticBasic, ClientScheme, Kerberos, Refusal, Sealing, Situation, Target, Trust,
};
use auth::{UserDomain, UserName};
use kerberos::Library;

use super::{Authentication, Credentials, Login, SchemeSearch, Unencrypted};
use crate::error::{Error, Exposed};
use crate::{ClientKeytab, Endpoint, ServiceName, Transport};

/// Settings for all schemes: those of `winrm/config/client` and those of the caller.
///
/// The defaults are the strictest, except that all schemes are allowed, because the caller of a session selects the
/// scheme.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) trust: Trust,
    pub(crate) allowed: BTreeSet<ClientScheme>,
    pub(crate) unencrypted: Unencrypted,
    pub(crate) sealing: Sealing,
    pub(crate) service_name: ServiceName,
    pub(crate) delegation: Delegation,
    /// Key for Kerberos without user name and password.
    pub(crate) keytab: Option<ClientKeytab>,
    /// Whether the certificate of the host is fully verified over HTTPS.
    pub(crate) host_verification: HostVerification,
}

/// Extent to which a certificate proves the identity of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HostVerification {
    /// Issuer and name are verified, or the certificate is pinned.
    Full,
    /// A check is skipped.
    #[default]
    Reduced,
}

/// Input of the scheme selection, kept to retry it when the service's schemes are known.
#[derive(Clone, Debug)]
pub(crate) struct SchemeSelector {
    pub(crate) authentication: Authentication,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) rules: Rules,
}

impl SchemeSelector {
    /// Selects the scheme for an endpoint, among those that the search has not excluded.
    pub(crate) fn login(&self, endpoint: &Endpoint, search: &SchemeSearch) -> Result<Login, Error> {
        self.rules.login(self.authentication, self.credentials.clone(), endpoint, search)
    }
}

/// Permission for the service to act as the user on other machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delegation {
    /// Not permitted.
    #[default]
    Refused,
    /// The service receives a forwarded Kerberos ticket (RFC 4120 2.8). Authentication fails if that is not possible.
    Demanded,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            trust: Trust::Unlisted,
            allowed: EVERY_SCHEME.into_iter().collect(),
            unencrypted: Unencrypted::default(),
            sealing: Sealing::Wanted,
            service_name: ServiceName::default(),
            delegation: Delegation::default(),
            keytab: None,
            host_verification: HostVerification::default(),
        }
    }
}

impl Rules {
    /// Selects the scheme, or returns the reasons why none is usable.
    fn login(
        &self,
        authentication: Authentication,
        credentials: Option<Credentials>,
        endpoint: &Endpoint,
        search: &SchemeSearch,
    ) -> Result<Login, Error> {
        if needs_credentials(authentication) && credentials.is_none() {
            return Err(no_credentials(authentication));
        }
        let situation = self.situation(authentication, credentials.as_ref(), endpoint, search);
        match choice::choose(&situation) {
            Ok(choice) => Login::new(choice, credentials, self),
            Err(refusal) => Ok(Login::Refused(Arc::new(refusal))),
        }
    }

    fn situation(
        &self,
        authentication: Authentication,
        credentials: Option<&Credentials>,
        endpoint: &Endpoint,
        search: &SchemeSearch,
    ) -> Situation {
        Situation {
            explicit: authentication.scheme(),
            credentials: match (authentication, credentials) {
                (Authentication::Certificate, _) => choice::Credentials::Certificate,
                (_, Some(_)) => choice::Credentials::Password,
                (_, None) => choice::Credentials::Ambient,
            },
            kerberos: if authentication.can_use_kerberos() {
                kerberos_here(credentials, endpoint.host())
            } else {
                Kerberos::Absent
            },
            target: match &self.service_name {
                // With an explicit service principal name, Kerberos works although the host is given by address.
                ServiceName::Explicit(_) if Target::of(endpoint.host()) == Target::Address => Target::Name,
                _ => Target::of(endpoint.host()),
            },
            transport: match endpoint.transport() {
                Transport::Http => choice::Transport::Http,
                Transport::Https => choice::Transport::Https,
            },
            trust: self.trust,
            allowed: self.allowed.clone(),
            offered: search.offered().cloned(),
            failed: search.failed().clone(),
            automatic_basic: match (self.delegation, self.host_verification) {
                (Delegation::Demanded, _) => AutomaticBasic::DelegationRequired,
                (Delegation::Refused, HostVerification::Full) => AutomaticBasic::Allowed,
                (Delegation::Refused, HostVerification::Reduced) => AutomaticBasic::HostUnverified,
            },
            unencrypted: match self.unencrypted {
                Unencrypted::Refused => choice::Unencrypted::Refused,
                Unencrypted::Allowed => choice::Unencrypted::Allowed,
            },
            sealing: self.sealing,
        }
    }
}

impl Authentication {
    fn scheme(self) -> Option<ClientScheme> {
        Some(match self {
            Self::Automatic => return None,
            Self::None => ClientScheme::None,
            Self::Basic => ClientScheme::Basic,
            Self::Digest => ClientScheme::Digest,
            Self::Negotiate => ClientScheme::Negotiate,
            Self::Kerberos => ClientScheme::Kerberos,
            Self::CredSsp => ClientScheme::CredSsp,
            Self::Certificate => ClientScheme::Certificate,
        })
    }

    fn can_use_kerberos(self) -> bool {
        !matches!(self, Self::None | Self::Basic | Self::Digest | Self::Certificate)
    }
}

/// Returns the data that a refused scheme would have revealed, if that is the reason of the refusal.
pub(crate) fn exposed(refusal: &Refusal) -> Option<Exposed> {
    match refusal.considered().first()? {
        (ClientScheme::Basic, choice::Obstacle::Unencrypted) => Some(Exposed::Password),
        (_, choice::Obstacle::Unencrypted) => Some(Exposed::Messages),
        _ => None,
    }
}

/// Returns whether Kerberos is usable. A ticket is not looked for, because trying gives a better error.
fn kerberos_here(credentials: Option<&Credentials>, host: &str) -> Kerberos {
    let Ok(library) = Library::load() else { return Kerberos::Absent };
    let Some(credentials) = credentials else { return Kerberos::Ticket };
    let Ok(name) = UserName::parse(&credentials.user) else { return Kerberos::Absent };
    match name.domain() {
        UserDomain::Realm(_) => Kerberos::Configured,
        UserDomain::ThisMachine => Kerberos::Absent,
        // A local account of the host, which no realm knows.
        UserDomain::Domain(domain) if is_host(domain, host) => Kerberos::Absent,
        UserDomain::Domain(_) | UserDomain::Unspecified => {
            library.default_realm().map_or(Kerberos::Absent, |_| Kerberos::Configured)
        }
    }
}

/// Returns whether a domain is the host or its first label: `node7` for `node7.example.com`.
pub(super) fn is_host(domain: &str, host: &str) -> bool {
    let first_label = host.split('.').next().unwrap_or_default();
    let is_name = host.parse::<IpAddr>().is_err();
    domain.eq_ignore_ascii_case(host) || (is_name && domain.eq_ignore_ascii_case(first_label))
}

fn needs_credentials(authentication: Authentication) -> bool {
    matches!(authentication, Authentication::Basic | Authentication::Digest | Authentication::CredSsp)
}

fn no_credentials(authentication: Authentication) -> Error {
    let scheme = authentication.scheme().unwrap_or(ClientScheme::Negotiate);
    Error::Setting { setting: "credentials", reason: format!("{scheme} requires a user name and a password") }
}

const EVERY_SCHEME: [ClientScheme; 7] = [
    ClientScheme::None,
    ClientScheme::Basic,
    ClientScheme::Digest,
    ClientScheme::Negotiate,
    ClientScheme::Kerberos,
    ClientScheme::Certificate,
    ClientScheme::CredSsp,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_accounts_are_distinguished_from_domain_accounts() {
        for (domain, host) in [
            ("node7", "node7"),
            ("NODE7", "node7.example.com"),
            ("node7.example.com", "NODE7.example.com"),
            ("10.0.0.7", "10.0.0.7"),
        ] {
            assert!(is_host(domain, host), "{domain} {host}");
        }
        for (domain, host) in [("CORP", "node7.corp"), ("10", "10.0.0.7"), ("node", "node7"), ("", "node7")] {
            assert!(!is_host(domain, host), "{domain} {host}");
        }
    }
}
