//! The mechanisms behind the schemes that work by tokens.

use std::net::IpAddr;
use std::time::SystemTime;

use auth::choice::{Ntlm, Protection};
use auth::credssp::{PasswordCredentials, Version};
use auth::ntlm::{self, InitiatorFresh, NtHash, Sealing};
use auth::spnego::{self, Offer};
use auth::{
    AuthError, ChannelBinding, Initiator, Oid, Scheme, Secret, ServicePrincipalName, UserDomain, UserName,
};
use kerberos::{Cache, KerberosError, Library, Reason};
use zeroize::Zeroizing;

use super::kerberos as krb;
use super::{Credentials, ServiceName, Tokens};
use crate::error::{Error, SignInCause};
use crate::random::random;
use crate::{Endpoint, ServiceTicket};

/// One authentication that is about to begin.
pub(crate) struct Beginning {
    pub(crate) initiator: Box<dyn Initiator>,
    pub(crate) kerberos: Option<KerberosStanding>,
}

/// What Kerberos says of itself where it is one of the mechanisms.
pub(crate) struct KerberosStanding {
    reason: Reason,
    handed_on: krb::HandedOn,
}

impl KerberosStanding {
    fn of(initiator: &krb::Initiator) -> Self {
        Self { reason: initiator.reason(), handed_on: initiator.handed_on() }
    }
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
                let kerberos = Some(KerberosStanding::of(&initiator));
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
                    .map_err(|error| self.failed(endpoint, SignInCause::Other, &error))?;
                Ok(Beginning { initiator: Box::new(initiator), kerberos })
            }
            _ => self.spnego(endpoint, channel),
        }
    }

    /// Kerberos where it can be had, else NTLM if that may be.
    fn spnego(&self, endpoint: &Endpoint, channel: Option<&ChannelBinding>) -> Result<Beginning, Error> {
        let mut offers = Vec::new();
        let mut standing = None;
        let credentials = self.credentials.as_deref();
        if self.is_for_kerberos(credentials, endpoint)? {
            match self.kerberos(credentials, endpoint, channel) {
                Ok(initiator) => {
                    standing = Some(KerberosStanding::of(&initiator));
                    let oids = vec![Oid::KERBEROS, Oid::MICROSOFT_KERBEROS];
                    offers.push(Offer { oids, initiator: Box::new(initiator) });
                }
                Err(error) if self.ntlm == Ntlm::Forbidden => return Err(error),
                Err(error) => tracing::debug!(%error, "Kerberos is left out"),
            }
        }
        if let (Some(credentials), Ntlm::Allowed) = (credentials, self.ntlm) {
            let initiator = self.ntlm(credentials, endpoint, channel)?;
            offers.push(Offer { oids: vec![Oid::NTLM], initiator });
        }
        Ok(Beginning { initiator: Box::new(spnego::Initiator::new(offers)), kerberos: standing })
    }

    /// Whether Kerberos is worth trying. A password needs a realm to be asked in; an address has no tickets.
    fn is_for_kerberos(&self, credentials: Option<&Credentials>, endpoint: &Endpoint) -> Result<bool, Error> {
        let Some(credentials) = credentials else { return Ok(true) };
        if self.ntlm == Ntlm::Forbidden {
            return Ok(true);
        }
        let has_realm = match name_of(credentials)?.domain() {
            UserDomain::Realm(_) => true,
            UserDomain::Domain(domain) => {
                Library::load().is_ok_and(|library| krb::is_default_realm(&library, domain))
            }
            _ => false,
        };
        Ok(has_realm && (is_name(endpoint.host()) || matches!(self.service_name, ServiceName::Chosen(_))))
    }

    fn kerberos(
        &self,
        credentials: Option<&Credentials>,
        endpoint: &Endpoint,
        channel: Option<&ChannelBinding>,
    ) -> Result<krb::Initiator, Error> {
        let failed = |error: KerberosError| self.failed(endpoint, SignInCause::of_kerberos(&error), &error);
        let library = Library::load().map_err(failed)?;
        let credentials = match credentials {
            None => kerberos::Credentials::of_this_user(),
            Some(credentials) => {
                let name = name_of(credentials)?;
                let principal = krb::principal(&library, &name, endpoint.host()).map_err(failed)?;
                kerberos::Credentials::Password { principal, password: credentials.password.clone() }
            }
        };
        let name = self.service_name(endpoint)?;
        let spn = krb::spn(&name).map_err(failed)?;
        let initiator = kerberos::Initiator::new(library, credentials, spn);
        let initiator = match channel {
            Some(channel) => initiator.channel_binding(channel.application_data().to_vec()),
            None => initiator,
        };
        Ok(krb::Initiator::new(initiator, self.delegation))
    }

    /// Gets a ticket for the service as [`begin`](Self::begin) and its first step would; none where Kerberos has no
    /// part in it. This may take as long as a KDC needs to answer.
    pub(crate) fn ask_realm(&self, endpoint: &Endpoint) -> Result<Option<ServiceTicket>, Error> {
        let credentials = self.credentials.as_deref();
        if self.scheme != Scheme::Kerberos && !self.is_for_kerberos(credentials, endpoint)? {
            return Ok(None);
        }
        let failed = |error: KerberosError| self.failed(endpoint, SignInCause::of_kerberos(&error), &error);
        let mut initiator = self.kerberos(credentials, endpoint, None)?;
        let user = match credentials {
            Some(credentials) => {
                let library = Library::load().map_err(failed)?;
                let principal = krb::principal(&library, &name_of(credentials)?, endpoint.host());
                principal.map_err(failed)?.to_string()
            }
            None => {
                let library = Library::load().map_err(failed)?;
                Cache::default().ticket(&library).map_err(failed)?.principal
            }
        };
        let standing = KerberosStanding::of(&initiator);
        initiator.step(None).map_err(|error| self.step_failed(endpoint, &error, Some(&standing)))?;
        Ok(Some(ServiceTicket { user, service: self.service_name(endpoint)?.to_string() }))
    }

    fn ntlm(
        &self,
        credentials: &Credentials,
        endpoint: &Endpoint,
        channel: Option<&ChannelBinding>,
    ) -> Result<Box<dyn Initiator>, Error> {
        let (domain, user) = ntlm_names(&name_of(credentials)?);
        let login = ntlm::Login { domain, user, hash: NtHash::of_password(&credentials.password) };
        let fresh = InitiatorFresh {
            challenge: random(),
            session_key: Zeroizing::new(random()),
            now: SystemTime::now(),
        };
        let sealing = match self.protection {
            Protection::Sealed => Sealing::Required,
            Protection::Tls | Protection::Plain => Sealing::IfAgreed,
        };
        let initiator = ntlm::Initiator::new(login, sealing, fresh);
        let initiator = initiator.target_name(&self.service_name(endpoint)?.to_string());
        Ok(match channel {
            Some(channel) => Box::new(initiator.channel_binding(channel.clone())),
            None => Box::new(initiator),
        })
    }

    fn service_name(&self, endpoint: &Endpoint) -> Result<ServicePrincipalName, Error> {
        let wrong =
            |error: auth::SpnError| Error::Setting { setting: "service_name", reason: error.to_string() };
        self.service_name.at(endpoint).map_err(wrong)
    }

    /// Why a step of a mechanism failed; where Kerberos is the only one that could, in its words.
    pub(crate) fn step_failed(
        &self,
        endpoint: &Endpoint,
        error: &AuthError,
        kerberos: Option<&KerberosStanding>,
    ) -> Error {
        let Some(standing) = kerberos else { return self.failed(endpoint, error.into(), error) };
        if standing.handed_on.failed() {
            let reason = "the ticket cannot be handed on to the service\n  \
                get one that can be with: kinit -f; the realm must allow it for the user and for the service";
            return self.failed(endpoint, SignInCause::NotDelegated, &reason);
        }
        match standing.reason.get() {
            Some(reason) if self.ntlm == Ntlm::Forbidden || *error != AuthError::NoMechanism => {
                self.failed(endpoint, SignInCause::of_kerberos(reason), reason)
            }
            _ => self.failed(endpoint, error.into(), error),
        }
    }

    pub(crate) fn failed(
        &self,
        endpoint: &Endpoint,
        cause: SignInCause,
        reason: &dyn std::fmt::Display,
    ) -> Error {
        Error::SignIn {
            scheme: self.known_as(),
            peer: endpoint.place(),
            cause,
            reason: reason.to_string(),
            ntlm: self.ntlm,
        }
    }
}

fn name_of(credentials: &Credentials) -> Result<UserName, Error> {
    UserName::parse(&credentials.user)
        .map_err(|error| Error::Setting { setting: "credentials", reason: error.to_string() })
}

/// Domain and user as NTLM has them apart; a name with a realm goes whole, because only its domain can resolve it.
fn ntlm_names(name: &UserName) -> (String, String) {
    match name.domain() {
        UserDomain::Unspecified => (String::new(), name.user().to_owned()),
        UserDomain::ThisMachine => (".".to_owned(), name.user().to_owned()),
        UserDomain::Domain(domain) => (domain.clone(), name.user().to_owned()),
        UserDomain::Realm(realm) => (String::new(), format!("{}@{realm}", name.user())),
    }
}

/// Whether a realm can know a host by this: addresses have no tickets, and `localhost` is every host.
fn is_name(host: &str) -> bool {
    host.parse::<IpAddr>().is_err() && !host.eq_ignore_ascii_case("localhost")
}
