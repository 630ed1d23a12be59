//! What a session may do to prove who asks, and what it does.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use auth::choice::{self, ClientScheme, Kerberos, Refusal, Sealing, Situation, Target, Trust};
use auth::{UserDomain, UserName};
use kerberos::Library;

use super::{Authentication, Credentials, Login, Unencrypted};
use crate::error::{Error, Exposed};
use crate::{Endpoint, ServiceName, Transport};

/// What holds for every way to sign in: the settings of `winrm/config/client`, and what somebody said.
///
/// The default is the strictest, but for the schemes: all of them are allowed, because a session is told which one to
/// use.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) trust: Trust,
    pub(crate) allowed: BTreeSet<ClientScheme>,
    pub(crate) unencrypted: Unencrypted,
    pub(crate) sealing: Sealing,
    pub(crate) service_name: ServiceName,
    pub(crate) delegation: Delegation,
}

/// All that a choice is made from, to make it again once it is known what the service offers.
#[derive(Clone, Debug)]
pub(crate) struct Automatic {
    pub(crate) authentication: Authentication,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) rules: Rules,
}

impl Automatic {
    /// How to sign in.
    pub(crate) fn login(
        &self,
        endpoint: &Endpoint,
        offered: Option<BTreeSet<ClientScheme>>,
    ) -> Result<Login, Error> {
        self.rules.login(self.authentication, self.credentials.clone(), endpoint, offered)
    }
}

/// Whether the service may act as the user on other machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delegation {
    /// It may not.
    #[default]
    Refused,
    /// It gets a ticket of Kerberos that is as good as the user's own (RFC 4120 2.8). Without one there is no
    /// signing in.
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
        }
    }
}

impl Rules {
    /// How a session signs in, or why it cannot.
    fn login(
        &self,
        authentication: Authentication,
        credentials: Option<Credentials>,
        endpoint: &Endpoint,
        offered: Option<BTreeSet<ClientScheme>>,
    ) -> Result<Login, Error> {
        if needs_credentials(authentication) && credentials.is_none() {
            return Err(no_credentials(authentication));
        }
        let situation = self.situation(authentication, credentials.as_ref(), endpoint, offered);
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
        offered: Option<BTreeSet<ClientScheme>>,
    ) -> Situation {
        Situation {
            explicit: authentication.scheme(),
            credentials: match (authentication, credentials) {
                (Authentication::Certificate, _) => choice::Credentials::Certificate,
                (_, Some(_)) => choice::Credentials::Password,
                (_, None) => choice::Credentials::Ambient,
            },
            kerberos: if authentication.may_be_kerberos() {
                kerberos_here(credentials, endpoint.host())
            } else {
                Kerberos::Absent
            },
            target: match &self.service_name {
                // Whoever says what the host is called to its realm may call it by its address elsewhere.
                ServiceName::Chosen(_) if Target::of(endpoint.host()) == Target::Address => Target::Name,
                _ => Target::of(endpoint.host()),
            },
            transport: match endpoint.transport() {
                Transport::Http => choice::Transport::Http,
                Transport::Https => choice::Transport::Https,
            },
            trust: self.trust,
            allowed: self.allowed.clone(),
            offered,
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

    fn may_be_kerberos(self) -> bool {
        !matches!(self, Self::None | Self::Basic | Self::Digest | Self::Certificate)
    }
}

/// What a refusal would have shown on the way, if that is what stood in the way.
pub(crate) fn exposed(refusal: &Refusal) -> Option<Exposed> {
    match refusal.considered().first()? {
        (ClientScheme::Basic, choice::Obstacle::Unencrypted) => Some(Exposed::Password),
        (_, choice::Obstacle::Unencrypted) => Some(Exposed::Messages),
        _ => None,
    }
}

/// What Kerberos can do here. A ticket is not looked for: what comes of trying tells more.
fn kerberos_here(credentials: Option<&Credentials>, host: &str) -> Kerberos {
    let Ok(library) = Library::load() else { return Kerberos::Absent };
    let Some(credentials) = credentials else { return Kerberos::Ticket };
    let Ok(name) = UserName::parse(&credentials.user) else { return Kerberos::Absent };
    match name.domain() {
        UserDomain::Realm(_) => Kerberos::Configured,
        UserDomain::ThisMachine => Kerberos::Absent,
        // An account of the host itself, of which no realm knows.
        UserDomain::Domain(domain) if is_host(domain, host) => Kerberos::Absent,
        UserDomain::Domain(_) | UserDomain::Unspecified => {
            library.default_realm().map_or(Kerberos::Absent, |_| Kerberos::Configured)
        }
    }
}

/// Whether a domain is the host by another name: `node7` is that of `node7.example.com`.
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
    Error::Setting { setting: "credentials", reason: format!("{scheme} needs a name and a password") }
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
    fn an_account_of_the_host_is_told_from_one_of_a_domain() {
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
