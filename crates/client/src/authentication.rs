//! Authentication of sessions and of their connections.
//!
//! A session has one [`Authentication`]; every connection has an [`AuthState`] of its own, because most schemes
//! authenticate the connection and not the request.

mod digest;
mod fallback;
mod kerberos;
mod mechanism;
mod rules;
mod service_name;

use std::sync::Arc;

use auth::choice::{Choice, ClientScheme, Ntlm, Protection, Refusal};
use auth::{Scheme, Secret, SecurityContext, UserName, UserNameError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Challenge, ResponseHead};
use zeroize::Zeroizing;

pub(crate) use self::digest::{ChallengeOutcome, DigestState};
pub(crate) use self::fallback::{SchemeSearch, Setback};
pub(crate) use self::mechanism::TokenExchange;
pub use self::rules::Delegation;
pub(crate) use self::rules::{HostVerification, Rules, SchemeSelector, exposed};
pub use self::service_name::{ServiceName, SpnPort};
use crate::ClientKeytab;
use crate::error::{Error, Exposed};

/// User name and password.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// User name in a form that the service accepts: `USER`, `DOMAIN\USER` or `USER@REALM`.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Authentication scheme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authentication {
    /// No authentication.
    None,
    /// User name and password in every request (RFC 7617).
    #[default]
    Basic,
    /// A digest of the password in every request (RFC 7616). Messages are not encrypted, and the service does not prove
    /// its identity.
    Digest,
    /// Kerberos or NTLM, as negotiated (RFC 4559, MS-WSMV 2.1.1); without credentials the user's Kerberos ticket.
    Negotiate,
    /// Kerberos only; without credentials the user's ticket (RFC 4120).
    Kerberos,
    /// Kerberos or NTLM inside TLS, after which the password itself is sent to the service, so that it can use it on
    /// other machines (MS-CSSP). Administrators of the service can read the password.
    CredSsp,
    /// Kerberos if the user has a ticket and the host is a name, otherwise Negotiate.
    ///
    /// If the service does not offer the scheme, or rejects it, the next allowed scheme is tried, each at most once. The
    /// last one is Basic, which sends the password: only over HTTPS, and only if the [`TlsPolicy`](crate::TlsPolicy)
    /// verifies issuer and name of the certificate or pins it by SHA-256.
    Automatic,
    /// Client certificate in the TLS handshake, over HTTPS only (MS-WSMV 2.2.1).
    Certificate,
}

/// Permission to send messages unencrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unencrypted {
    /// Messages over HTTP must be encrypted by the authentication scheme.
    #[default]
    Refused,
    /// Messages over HTTP may be sent unencrypted.
    Allowed,
}

/// Credentials and scheme of a session.
#[derive(Clone, Debug)]
pub(crate) enum Login {
    Anonymous,
    Basic(Arc<Credentials>),
    Digest(Arc<Credentials>),
    Tokens(Tokens),
    /// No scheme is both possible and allowed.
    Refused(Arc<Refusal>),
    /// The TLS layer presents the client certificate.
    Certificate,
}

/// Credentials and settings of a scheme that exchanges tokens: Negotiate, Kerberos or CredSSP.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) scheme: Scheme,
    /// `None` if the keytab or the user's Kerberos ticket is used.
    credentials: Option<Arc<Credentials>>,
    /// `None` if the user's ticket or a password is used.
    keytab: Option<ClientKeytab>,
    pub(crate) ntlm: Ntlm,
    pub(crate) protection: Protection,
    service_name: ServiceName,
    delegation: Delegation,
}

impl Login {
    fn new(choice: Choice, credentials: Option<Credentials>, rules: &Rules) -> Result<Self, Error> {
        let credentials = credentials.map(Arc::new);
        match choice.scheme {
            ClientScheme::Basic => {
                let credentials = require(credentials)?;
                // The first colon ends the user name (RFC 7617 2).
                if credentials.user.is_empty() || credentials.user.contains(':') {
                    return Err(invalid("the user name for Basic is empty or contains a colon"));
                }
                Ok(Self::Basic(credentials))
            }
            ClientScheme::Digest => {
                let credentials = require(credentials)?;
                DigestState::new(&credentials).map_err(invalid)?;
                Ok(Self::Digest(credentials))
            }
            ClientScheme::Negotiate => {
                Tokens::new(Scheme::Negotiate, &choice, credentials, rules).map(Self::Tokens)
            }
            ClientScheme::Kerberos => {
                Tokens::new(Scheme::Kerberos, &choice, credentials, rules).map(Self::Tokens)
            }
            ClientScheme::CredSsp => {
                Tokens::new(Scheme::CredSsp, &choice, credentials, rules).map(Self::Tokens)
            }
            ClientScheme::Certificate if credentials.is_some() => {
                Err(invalid("certificate authentication does not use a user name and a password"))
            }
            ClientScheme::Certificate => Ok(Self::Certificate),
            ClientScheme::None => Ok(Self::Anonymous),
        }
    }

    /// Returns the authentication state of a new connection.
    pub(crate) fn start(&self) -> AuthState {
        match self {
            // A refused session is rejected before it opens a connection; an anonymous one sends no secrets.
            Self::Anonymous | Self::Refused(_) => AuthState::Anonymous,
            Self::Basic(credentials) => AuthState::Basic(Arc::clone(credentials)),
            Self::Digest(credentials) => match DigestState::new(credentials) {
                Ok(answers) => AuthState::Digest(Box::new(answers)),
                Err(_) => AuthState::Anonymous,
            },
            Self::Tokens(tokens) => AuthState::Pending(tokens.clone()),
            Self::Certificate => AuthState::Certificate,
        }
    }

    /// Returns the scheme, or `None` if no credentials are sent.
    pub(crate) fn scheme(&self) -> Option<ClientScheme> {
        match self {
            Self::Anonymous | Self::Refused(_) => None,
            Self::Basic(_) => Some(ClientScheme::Basic),
            Self::Digest(_) => Some(ClientScheme::Digest),
            Self::Tokens(tokens) => Some(tokens.client_scheme()),
            Self::Certificate => Some(ClientScheme::Certificate),
        }
    }

    /// Returns which data plain HTTP would reveal; `None` means that the scheme encrypts messages.
    pub(crate) fn exposes(&self) -> Option<Exposed> {
        match self {
            Self::Anonymous | Self::Digest(_) | Self::Certificate => Some(Exposed::Messages),
            Self::Basic(_) => Some(Exposed::Password),
            Self::Tokens(tokens) => (tokens.protection == Protection::Plain).then_some(Exposed::Messages),
            Self::Refused(_) => None,
        }
    }
}

fn require(credentials: Option<Arc<Credentials>>) -> Result<Arc<Credentials>, Error> {
    credentials.ok_or_else(|| invalid("user name and password are missing"))
}

fn invalid(reason: impl ToString) -> Error {
    Error::Setting { setting: "credentials", reason: reason.to_string() }
}

impl Tokens {
    fn new(
        scheme: Scheme,
        choice: &Choice,
        credentials: Option<Arc<Credentials>>,
        rules: &Rules,
    ) -> Result<Self, Error> {
        if let Some(credentials) = &credentials {
            UserName::parse(&credentials.user).map_err(invalid)?;
        }
        // NTLM cannot delegate.
        let needs_kerberos = rules.delegation == Delegation::Demanded && scheme != Scheme::CredSsp;
        Ok(Self {
            scheme,
            credentials,
            ntlm: if needs_kerberos { Ntlm::Forbidden } else { choice.ntlm },
            protection: choice.protection,
            keytab: rules.keytab.clone(),
            service_name: rules.service_name.clone(),
            delegation: rules.delegation,
        })
    }

    /// Creates the tokens of Negotiate for a proxy. NTLM is allowed if the user specified credentials for this proxy.
    pub(crate) fn for_proxy(credentials: Option<Credentials>) -> Result<Self, Error> {
        if let Some(credentials) = &credentials {
            UserName::parse(&credentials.user).map_err(|error: UserNameError| Error::Setting {
                setting: "proxy",
                reason: error.to_string(),
            })?;
        }
        Ok(Self {
            scheme: Scheme::Negotiate,
            ntlm: if credentials.is_some() { Ntlm::Allowed } else { Ntlm::Forbidden },
            credentials: credentials.map(Arc::new),
            keytab: None,
            protection: Protection::Plain,
            service_name: ServiceName::default(),
            delegation: Delegation::Refused,
        })
    }

    /// Returns the scheme as the client names it.
    pub(crate) fn client_scheme(&self) -> ClientScheme {
        match self.scheme {
            Scheme::Kerberos => ClientScheme::Kerberos,
            Scheme::CredSsp => ClientScheme::CredSsp,
            _ => ClientScheme::Negotiate,
        }
    }
}

/// Party that requires authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Challenger {
    /// The service, with status 401.
    Service,
    /// The proxy, with status 407.
    Proxy,
}

impl Challenger {
    /// Returns the name of the header with the challenges (RFC 9110 11.6.1 and 11.7.1).
    fn header(self) -> &'static str {
        match self {
            Self::Service => "WWW-Authenticate",
            Self::Proxy => "Proxy-Authenticate",
        }
    }
}

/// Authentication state of one connection.
pub(crate) enum AuthState {
    Anonymous,
    /// Sent in every request.
    Basic(Arc<Credentials>),
    /// Computed for every request.
    Digest(Box<DigestState>),
    /// Already proven by the TLS handshake; every request only names the scheme.
    Certificate,
    /// Tokens are exchanged before the first request.
    Pending(Tokens),
    /// Authenticated until the connection is closed.
    Established {
        tokens: Tokens,
        context: Box<dyn SecurityContext>,
    },
}

impl AuthState {
    /// Returns the value of `Authorization` for the next request, a POST to `target`, if one is needed.
    pub(crate) fn authorization(&mut self, target: &str) -> Option<Zeroizing<String>> {
        match self {
            Self::Basic(credentials) => {
                Some(auth::basic::authorization(&credentials.user, &credentials.password))
            }
            Self::Digest(answers) => answers.next("POST", target),
            Self::Certificate => Some(Zeroizing::new(Scheme::Certificate.name().to_owned())),
            _ => None,
        }
    }

    /// Converts a 401 response into an error.
    pub(crate) fn refused(&self, head: &ResponseHead) -> Error {
        let (tried, user) = match self {
            Self::Anonymous => (None, None),
            Self::Certificate => (Some(ClientScheme::Certificate), None),
            Self::Basic(credentials) => (Some(ClientScheme::Basic), Some(credentials.user.clone())),
            Self::Digest(answers) => (Some(ClientScheme::Digest), Some(answers.user().to_owned())),
            Self::Pending(tokens) | Self::Established { tokens, .. } => {
                let user = tokens.credentials.as_deref().map(|credentials| credentials.user.clone());
                (Some(tokens.client_scheme()), user)
            }
        };
        let offered = offered(head, Challenger::Service);
        Error::AuthenticationFailed { offered, tried, user, others: Vec::new() }
    }
}

/// Returns the schemes that a service or a proxy offers, without duplicates; invalid header lines are ignored.
pub(crate) fn offered(head: &ResponseHead, challenger: Challenger) -> Vec<String> {
    const MOST: usize = 16;
    let mut schemes: Vec<String> = Vec::new();
    for line in head.headers(challenger.header()) {
        for challenge in Challenge::parse_list(line).unwrap_or_default() {
            let known = schemes.iter().any(|scheme| challenge.is(scheme));
            if !known && schemes.len() < MOST {
                schemes.push(challenge.scheme().chars().take(80).collect());
            }
        }
    }
    schemes
}

/// Returns the token for a scheme from the challenge headers.
pub(crate) fn token(head: &ResponseHead, scheme: Scheme, challenger: Challenger) -> Option<Vec<u8>> {
    head.headers(challenger.header()).find_map(|line| {
        let (name, rest) = line.trim().split_once(' ')?;
        let token = STANDARD.decode(rest.trim()).ok()?;
        (Scheme::from_name(name) == Some(scheme) && !token.is_empty()).then_some(token)
    })
}
