//! How a session proves who asks, and how each of its connections stands.
//!
//! An [`Authentication`] is chosen once for a session; every connection gets a [`Proof`] of its own, because most
//! schemes authenticate the connection, not the request.

mod digest;
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

pub(crate) use self::digest::{Answers, Asked};
pub(crate) use self::mechanism::Beginning;
pub use self::rules::Delegation;
pub(crate) use self::rules::{Automatic, Rules, exposed};
pub use self::service_name::{ServiceName, SpnPort};
use crate::error::{Error, Exposed};

/// Who asks.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The name, as the service knows it.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// How a session proves who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authentication {
    /// Not at all.
    None,
    /// With name and password in every request (RFC 7617).
    #[default]
    Basic,
    /// With a digest of the password in every request (RFC 7616). Nothing is sealed, and the service proves nothing.
    Digest,
    /// With Kerberos or NTLM, as both ends agree (RFC 4559, MS-WSMV 2.1.1); without credentials by a Kerberos ticket
    /// that the user has.
    Negotiate,
    /// With Kerberos alone; without credentials by a ticket that the user has (RFC 4120).
    Kerberos,
    /// With Kerberos or NTLM inside, after which the password itself is handed over, so that the service can use
    /// it on other machines (MS-CSSP). Whoever rules the service then has it.
    CredSsp,
    /// With what fits: Kerberos where the user has a ticket and the host a name, else Negotiate. Neither shows the
    /// password to anybody.
    Automatic,
    /// With a certificate that the client shows in the TLS handshake, over HTTPS only (MS-WSMV 2.2.1).
    Certificate,
}

/// Whether messages may be sent so that everyone on the way can read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unencrypted {
    /// Never: over HTTP only schemes that seal messages will do.
    #[default]
    Refused,
    /// Over HTTP they may.
    Allowed,
}

/// What a session has to prove itself with.
#[derive(Clone, Debug)]
pub(crate) enum Login {
    Anonymous,
    Basic(Arc<Credentials>),
    Digest(Arc<Credentials>),
    Tokens(Tokens),
    /// There is no way that is allowed.
    Refused(Arc<Refusal>),
    /// The certificate itself is the connection's.
    Certificate,
}

/// Who signs in by tokens.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) scheme: Scheme,
    /// None for whoever the user of this process has a ticket as.
    credentials: Option<Arc<Credentials>>,
    pub(crate) ntlm: Ntlm,
    pub(crate) protection: Protection,
    service_name: ServiceName,
    delegation: Delegation,
}

impl Login {
    fn new(choice: Choice, credentials: Option<Credentials>, rules: &Rules) -> Result<Self, Error> {
        let setting = |reason: String| Error::Setting { setting: "credentials", reason };
        let credentials = credentials.map(Arc::new);
        let given = || credentials.clone().ok_or_else(|| setting("there are none".to_owned()));
        let tokens = |scheme| {
            if let Some(credentials) = &credentials {
                UserName::parse(&credentials.user)
                    .map_err(|error: UserNameError| setting(error.to_string()))?;
            }
            Ok(Self::Tokens(Tokens {
                scheme,
                credentials: credentials.clone(),
                // NTLM has nothing that could be handed on.
                ntlm: if rules.delegation == Delegation::Demanded && scheme != Scheme::CredSsp {
                    Ntlm::Forbidden
                } else {
                    choice.ntlm
                },
                protection: choice.protection,
                service_name: rules.service_name.clone(),
                delegation: rules.delegation,
            }))
        };
        match choice.scheme {
            ClientScheme::Basic => {
                let credentials = given()?;
                // RFC 7617 2: the first colon ends the name.
                if credentials.user.is_empty() || credentials.user.contains(':') {
                    return Err(setting("the name for Basic is empty or contains a colon".to_owned()));
                }
                Ok(Self::Basic(credentials))
            }
            ClientScheme::Digest => {
                let credentials = given()?;
                Answers::new(&credentials).map_err(|error| setting(error.to_string()))?;
                Ok(Self::Digest(credentials))
            }
            ClientScheme::Negotiate => tokens(Scheme::Negotiate),
            ClientScheme::Kerberos => tokens(Scheme::Kerberos),
            ClientScheme::CredSsp => tokens(Scheme::CredSsp),
            ClientScheme::Certificate if credentials.is_some() => {
                Err(setting("a certificate goes without name and password".to_owned()))
            }
            ClientScheme::Certificate => Ok(Self::Certificate),
            ClientScheme::None => Ok(Self::Anonymous),
        }
    }

    /// A proof for a new connection.
    pub(crate) fn begin(&self) -> Proof {
        match self {
            // Who is refused never comes here; without a proof no harm is done.
            Self::Anonymous | Self::Refused(_) => Proof::Anonymous,
            Self::Basic(credentials) => Proof::Basic(Arc::clone(credentials)),
            Self::Digest(credentials) => match Answers::new(credentials) {
                Ok(answers) => Proof::Digest(Box::new(answers)),
                Err(_) => Proof::Anonymous,
            },
            Self::Tokens(tokens) => Proof::Pending(tokens.clone()),
            Self::Certificate => Proof::Certificate,
        }
    }

    /// What would be readable on the way over plain HTTP; `None` means that the scheme seals everything.
    pub(crate) fn exposes(&self) -> Option<Exposed> {
        match self {
            Self::Anonymous | Self::Digest(_) | Self::Certificate => Some(Exposed::Messages),
            Self::Basic(_) => Some(Exposed::Password),
            Self::Tokens(tokens) => (tokens.protection == Protection::Plain).then_some(Exposed::Messages),
            Self::Refused(_) => None,
        }
    }
}

impl Tokens {
    /// Those of Negotiate for a proxy. A name and a password were given for just this proxy, so that NTLM may be.
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
            protection: Protection::Plain,
            service_name: ServiceName::default(),
            delegation: Delegation::Refused,
        })
    }

    /// The scheme in the words of clients.
    pub(crate) fn known_as(&self) -> ClientScheme {
        match self.scheme {
            Scheme::Kerberos => ClientScheme::Kerberos,
            Scheme::CredSsp => ClientScheme::CredSsp,
            _ => ClientScheme::Negotiate,
        }
    }
}

/// Who wants to know who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// With status 401.
    Service,
    /// With status 407.
    Proxy,
}

impl Asker {
    /// The header with its challenges (RFC 9110 11.6.1 and 11.7.1).
    fn header(self) -> &'static str {
        match self {
            Self::Service => "WWW-Authenticate",
            Self::Proxy => "Proxy-Authenticate",
        }
    }
}

/// How one connection stands.
pub(crate) enum Proof {
    Anonymous,
    /// In every request.
    Basic(Arc<Credentials>),
    /// In every request, each an answer of its own.
    Digest(Box<Answers>),
    /// In every request that the handshake has proven it.
    Certificate,
    /// Before the first request.
    Pending(Tokens),
    /// Done for as long as the connection lasts.
    Established {
        tokens: Tokens,
        context: Box<dyn SecurityContext>,
    },
}

impl Proof {
    /// The value of `Authorization` for the next request, a POST to `target`, if it needs one.
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

    /// What a 401 means: with the schemes there are, that the proof was not accepted.
    pub(crate) fn refused(&self, head: &ResponseHead) -> Error {
        let user = |credentials: &Credentials| Some(credentials.user.clone());
        let (tried, user) = match self {
            Self::Anonymous => (None, None),
            Self::Certificate => (Some(ClientScheme::Certificate), None),
            Self::Basic(credentials) => (Some(ClientScheme::Basic), user(credentials)),
            Self::Digest(answers) => (Some(ClientScheme::Digest), Some(answers.user().to_owned())),
            Self::Pending(tokens) | Self::Established { tokens, .. } => {
                (Some(tokens.known_as()), tokens.credentials.as_deref().and_then(user))
            }
        };
        Error::AuthenticationFailed { offered: offered(head, Asker::Service), tried, user }
    }
}

/// The schemes that a service or a proxy names, each once; a line that cannot be read counts for nothing.
pub(crate) fn offered(head: &ResponseHead, asker: Asker) -> Vec<String> {
    const MOST: usize = 16;
    let mut schemes: Vec<String> = Vec::new();
    for line in head.headers(asker.header()) {
        for challenge in Challenge::parse_list(line).unwrap_or_default() {
            let known = schemes.iter().any(|scheme| challenge.is(scheme));
            if !known && schemes.len() < MOST {
                schemes.push(challenge.scheme().chars().take(80).collect());
            }
        }
    }
    schemes
}

/// The token for a scheme that comes back, from whichever line has one.
pub(crate) fn token(head: &ResponseHead, scheme: Scheme, asker: Asker) -> Option<Vec<u8>> {
    head.headers(asker.header()).find_map(|line| {
        let (name, rest) = line.trim().split_once(' ')?;
        let token = STANDARD.decode(rest.trim()).ok()?;
        (Scheme::from_name(name) == Some(scheme) && !token.is_empty()).then_some(token)
    })
}
