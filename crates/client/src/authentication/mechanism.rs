//! Mechanisms of the schemes that exchange tokens.

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
use crate::{ClientKeytab, Endpoint, ServiceTicket};

/// Token exchange that is about to start.
pub(crate) struct TokenExchange {
    pub(crate) initiator: Box<dyn Initiator>,
    pub(crate) kerberos: Option<KerberosDiagnosis>,
}

/// Details for errors of the Kerberos mechanism.
pub(crate) struct KerberosDiagnosis {
    reason: Reason,
    delegation_failure: krb::DelegationFailure,
}

impl KerberosDiagnosis {
    fn of(initiator: &krb::Initiator) -> Self {
        Self { reason: initiator.reason(), delegation_failure: initiator.delegation_failure() }
    }
}

impl Tokens {
    /// Starts a token exchange over one connection to an endpoint.
    ///
    /// A step of the initiator may block for as long as a KDC takes to respond.
    pub(crate) fn start(
        &self,
        endpoint: &Endpoint,
        channel: Option<&ChannelBinding>,
    ) -> Result<TokenExchange, Error> {
        match (self.scheme, &self.credentials) {
            (Scheme::Kerberos, credentials) => {
                let initiator = self.kerberos(credentials.as_deref(), endpoint, channel)?;
                let kerberos = Some(KerberosDiagnosis::of(&initiator));
                Ok(TokenExchange { initiator: Box::new(initiator), kerberos })
            }
            // CredSSP binds the inner tokens to its own TLS channel.
            (Scheme::CredSsp, Some(credentials)) => {
                let TokenExchange { initiator: inner, kerberos } = self.spnego(endpoint, None)?;
                let (domain, user) = ntlm_names(&name_of(credentials)?);
                let delegated = PasswordCredentials::new(
                    Secret::new(domain),
                    Secret::new(user),
                    credentials.password.clone(),
                );
                let initiator = credssp::Initiator::new(inner, delegated, Version::V5)
                    .map_err(|error| self.failed(endpoint, SignInCause::Other, &error))?;
                Ok(TokenExchange { initiator: Box::new(initiator), kerberos })
            }
            _ => self.spnego(endpoint, channel),
        }
    }

    /// Offers Kerberos if it is usable, and NTLM if it is allowed.
    fn spnego(&self, endpoint: &Endpoint, channel: Option<&ChannelBinding>) -> Result<TokenExchange, Error> {
        let mut offers = Vec::new();
        let mut diagnosis = None;
        let credentials = self.credentials.as_deref();
        if self.wants_kerberos(credentials, endpoint)? {
            match self.kerberos(credentials, endpoint, channel) {
                Ok(initiator) => {
                    diagnosis = Some(KerberosDiagnosis::of(&initiator));
                    let oids = vec![Oid::KERBEROS, Oid::MICROSOFT_KERBEROS];
                    offers.push(Offer { oids, initiator: Box::new(initiator) });
                }
                Err(error) if self.ntlm == Ntlm::Forbidden => return Err(error),
                Err(error) => tracing::debug!(%error, "Kerberos is not offered"),
            }
        }
        if let (Some(credentials), Ntlm::Allowed) = (credentials, self.ntlm) {
            let initiator = self.ntlm(credentials, endpoint, channel)?;
            offers.push(Offer { oids: vec![Oid::NTLM], initiator });
        }
        Ok(TokenExchange { initiator: Box::new(spnego::Initiator::new(offers)), kerberos: diagnosis })
    }

    /// Returns whether to try Kerberos: a password needs a realm, and an address has no tickets.
    fn wants_kerberos(&self, credentials: Option<&Credentials>, endpoint: &Endpoint) -> Result<bool, Error> {
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
        Ok(has_realm && (is_name(endpoint.host()) || matches!(self.service_name, ServiceName::Explicit(_))))
    }

    fn kerberos(
        &self,
        credentials: Option<&Credentials>,
        endpoint: &Endpoint,
        channel: Option<&ChannelBinding>,
    ) -> Result<krb::Initiator, Error> {
        let library = Library::load().map_err(|error| self.kerberos_failed(endpoint, &error))?;
        let credentials = match credentials {
            None => self
                .keytab
                .as_ref()
                .map_or_else(kerberos::Credentials::of_this_user, ClientKeytab::credentials),
            Some(credentials) => {
                let name = name_of(credentials)?;
                let principal = krb::principal(&library, &name, endpoint.host());
                let principal = principal.map_err(|error| self.kerberos_failed(endpoint, &error))?;
                kerberos::Credentials::Password { principal, password: credentials.password.clone() }
            }
        };
        let name = self.service_name(endpoint)?;
        let spn = krb::spn(&name).map_err(|error| self.kerberos_failed(endpoint, &error))?;
        let initiator = kerberos::Initiator::new(library, credentials, spn);
        let initiator = match channel {
            Some(channel) => initiator.channel_binding(channel.application_data().to_vec()),
            None => initiator,
        };
        Ok(krb::Initiator::new(initiator, self.delegation))
    }

    /// Requests the ticket that the first step of [`start`](Self::start) would request; `None` if Kerberos is not used.
    /// May block for as long as a KDC takes to respond.
    pub(crate) fn request_ticket(&self, endpoint: &Endpoint) -> Result<Option<ServiceTicket>, Error> {
        let credentials = self.credentials.as_deref();
        if self.scheme != Scheme::Kerberos && !self.wants_kerberos(credentials, endpoint)? {
            return Ok(None);
        }
        let mut initiator = self.kerberos(credentials, endpoint, None)?;
        let user = self.kerberos_user(endpoint).map_err(|error| self.kerberos_failed(endpoint, &error))?;
        let diagnosis = KerberosDiagnosis::of(&initiator);
        initiator.step(None).map_err(|error| self.step_failed(endpoint, &error, Some(&diagnosis)))?;
        Ok(Some(ServiceTicket { user, service: self.service_name(endpoint)?.to_string() }))
    }

    /// Returns the principal that the ticket is requested for.
    fn kerberos_user(&self, endpoint: &Endpoint) -> Result<String, KerberosError> {
        let library = Library::load()?;
        match self.credentials.as_deref().and_then(|credentials| UserName::parse(&credentials.user).ok()) {
            Some(name) => krb::principal(&library, &name, endpoint.host()).map(|name| name.to_string()),
            None => Cache::default().ticket(&library).map(|ticket| ticket.principal),
        }
    }

    fn kerberos_failed(&self, endpoint: &Endpoint, error: &KerberosError) -> Error {
        self.failed(endpoint, SignInCause::of_kerberos(error), error)
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
        let name = self.service_name.at(endpoint);
        name.map_err(|error| Error::Setting { setting: "service_name", reason: error.to_string() })
    }

    /// Returns the error of a failed step, with the reason of Kerberos if that was the only mechanism.
    pub(crate) fn step_failed(
        &self,
        endpoint: &Endpoint,
        error: &AuthError,
        kerberos: Option<&KerberosDiagnosis>,
    ) -> Error {
        let Some(diagnosis) = kerberos else { return self.failed(endpoint, error.into(), error) };
        if diagnosis.delegation_failure.failed() {
            let reason = "the ticket cannot be delegated to the service\n  \
                get a forwardable one with kinit -f; the realm must allow it for the user and for the service";
            return self.failed(endpoint, SignInCause::NotDelegated, &reason);
        }
        match diagnosis.reason.get() {
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
            scheme: self.client_scheme(),
            peer: endpoint.host_and_port(),
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

/// Splits a name into domain and user for NTLM; a name with a realm stays whole, because only its domain resolves it.
fn ntlm_names(name: &UserName) -> (String, String) {
    match name.domain() {
        UserDomain::Unspecified => (String::new(), name.user().to_owned()),
        UserDomain::ThisMachine => (".".to_owned(), name.user().to_owned()),
        UserDomain::Domain(domain) => (domain.clone(), name.user().to_owned()),
        UserDomain::Realm(realm) => (String::new(), format!("{}@{realm}", name.user())),
    }
}

/// Returns whether a realm can know the host: addresses have no tickets, and `localhost` is ambiguous.
fn is_name(host: &str) -> bool {
    host.parse::<IpAddr>().is_err() && !host.eq_ignore_ascii_case("localhost")
}
