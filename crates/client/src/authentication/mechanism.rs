//! The mechanisms behind the schemes that work by tokens.

use std::net::IpAddr;
use std::time::SystemTime;

use auth::credssp::{PasswordCredentials, Version};
use auth::ntlm::{self, InitiatorFresh, NtHash, Sealing};
use auth::spnego::{self, Offer};
use auth::{
    ChannelBinding, Initiator, Oid, Scheme, Secret, ServiceClass, ServicePrincipalName, UserName, Whose,
};
use kerberos::{KerberosError, Library, Principal, Reason, Spn};
use zeroize::Zeroizing;

use super::{Credentials, Tokens};
use crate::error::Error;
use crate::random::random;
use crate::{Endpoint, Transport};

/// One authentication that is about to begin.
pub(crate) struct Beginning {
    pub(crate) initiator: Box<dyn Initiator>,
    /// Where Kerberos says why it failed.
    pub(crate) kerberos: Option<Reason>,
}

impl Tokens {
    /// Begins one authentication, over one connection to an endpoint.
    ///
    /// This may take as long as a KDC needs to answer, once it is stepped.
    pub(crate) fn begin(
        &self,
        endpoint: &Endpoint,
        channel: Option<&ChannelBinding>,
    ) -> Result<Beginning, Error> {
        match (self.scheme, &self.credentials) {
            (Scheme::Kerberos, credentials) => {
                let initiator = self.kerberos(credentials.as_deref(), endpoint, channel)?;
                let kerberos = Some(initiator.reason());
                Ok(Beginning { initiator: Box::new(initiator), kerberos })
            }
            // It binds what is inside to its own TLS connection, and seals with that.
            (Scheme::CredSsp, Some(credentials)) => {
                let Beginning { initiator: inner, kerberos } = self.spnego(endpoint, None)?;
                let (domain, user) = ntlm_names(&name_of(credentials)?);
                let delegated = PasswordCredentials::new(
                    Secret::new(domain),
                    Secret::new(user),
                    credentials.password.clone(),
                );
                let initiator = credssp::Initiator::new(inner, delegated, Version::V5)
                    .map_err(|error| self.failed(endpoint, &error))?;
                Ok(Beginning { initiator: Box::new(initiator), kerberos })
            }
            _ => self.spnego(endpoint, channel),
        }
    }

    /// Kerberos where it can be had, else NTLM.
    fn spnego(&self, endpoint: &Endpoint, channel: Option<&ChannelBinding>) -> Result<Beginning, Error> {
        let mut offers = Vec::new();
        let mut reason = None;
        let credentials = self.credentials.as_deref();
        // A password needs a realm to be asked in; a ticket cannot be had for an address.
        let has_realm = match credentials {
            Some(credentials) => matches!(name_of(credentials)?.whose(), Whose::Realm(_)),
            None => true,
        };
        if has_realm && (credentials.is_none() || is_name(endpoint.host())) {
            match self.kerberos(credentials, endpoint, channel) {
                Ok(initiator) => {
                    reason = Some(initiator.reason());
                    let oids = vec![Oid::KERBEROS, Oid::MICROSOFT_KERBEROS];
                    offers.push(Offer { oids, initiator: Box::new(initiator) });
                }
                Err(error) if credentials.is_none() => return Err(error),
                Err(error) => tracing::debug!(%error, "Kerberos is left out"),
            }
        }
        if let Some(credentials) = credentials {
            let initiator = ntlm(credentials, endpoint, channel)?;
            offers.push(Offer { oids: vec![Oid::NTLM], initiator });
        }
        Ok(Beginning { initiator: Box::new(spnego::Initiator::new(offers)), kerberos: reason })
    }

    fn kerberos(
        &self,
        credentials: Option<&Credentials>,
        endpoint: &Endpoint,
        channel: Option<&ChannelBinding>,
    ) -> Result<kerberos::Initiator, Error> {
        let failed = |error: KerberosError| self.failed(endpoint, &error);
        let credentials = match credentials {
            None => kerberos::Credentials::of_this_user(),
            Some(credentials) => {
                let name = name_of(credentials)?;
                let text = match name.whose() {
                    Whose::Realm(realm) | Whose::Domain(realm) => format!("{}@{realm}", name.user()),
                    _ => {
                        let realm =
                            Library::load().and_then(|library| library.default_realm()).map_err(failed)?;
                        format!("{}@{realm}", name.user())
                    }
                };
                let principal = Principal::parse(&text).map_err(failed)?;
                kerberos::Credentials::Password { principal, password: credentials.password.clone() }
            }
        };
        let library = Library::load().map_err(failed)?;
        let spn = Spn::http(endpoint.host()).map_err(failed)?;
        let initiator = kerberos::Initiator::new(library, credentials, spn);
        Ok(match channel {
            Some(channel) => initiator.channel_binding(channel.application_data().to_vec()),
            None => initiator,
        })
    }

    pub(crate) fn failed(&self, endpoint: &Endpoint, reason: &dyn std::fmt::Display) -> Error {
        Error::SignIn { scheme: self.scheme, peer: endpoint.place(), reason: reason.to_string() }
    }
}

fn ntlm(
    credentials: &Credentials,
    endpoint: &Endpoint,
    channel: Option<&ChannelBinding>,
) -> Result<Box<dyn Initiator>, Error> {
    let (domain, user) = ntlm_names(&name_of(credentials)?);
    let login = ntlm::Login { domain, user, hash: NtHash::of_password(&credentials.password) };
    let fresh =
        InitiatorFresh { challenge: random(), session_key: Zeroizing::new(random()), now: SystemTime::now() };
    let sealing = match endpoint.transport() {
        Transport::Http => Sealing::Required,
        Transport::Https => Sealing::IfAgreed,
    };
    let mut initiator = ntlm::Initiator::new(login, sealing, fresh);
    if let Ok(name) = ServicePrincipalName::new(ServiceClass::Http, endpoint.host(), None) {
        initiator = initiator.target_name(&name.to_string());
    }
    Ok(match channel {
        Some(channel) => Box::new(initiator.channel_binding(channel.clone())),
        None => Box::new(initiator),
    })
}

fn name_of(credentials: &Credentials) -> Result<UserName, Error> {
    UserName::parse(&credentials.user)
        .map_err(|error| Error::Setting { setting: "credentials", reason: error.to_string() })
}

/// Domain and user as NTLM has them apart; a name with a realm goes whole, because only its domain can resolve it.
fn ntlm_names(name: &UserName) -> (String, String) {
    match name.whose() {
        Whose::Unsaid => (String::new(), name.user().to_owned()),
        Whose::ThisMachine => (".".to_owned(), name.user().to_owned()),
        Whose::Domain(domain) => (domain.clone(), name.user().to_owned()),
        Whose::Realm(realm) => (String::new(), format!("{}@{realm}", name.user())),
    }
}

/// Whether a realm can know a host by this: addresses have no tickets, and `localhost` is every host.
fn is_name(host: &str) -> bool {
    host.parse::<IpAddr>().is_err() && !host.eq_ignore_ascii_case("localhost")
}
