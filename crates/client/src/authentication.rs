//! How a session proves who asks, and how each of its connections stands.
//!
//! An [`Authentication`] is chosen once for a session; every connection gets a [`Proof`] of its own, because most
//! schemes authenticate the connection, not the request.

mod mechanism;

use std::sync::Arc;

use auth::{Scheme, Secret, SecurityContext, UserName, UserNameError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Challenge, ResponseHead};
use zeroize::Zeroizing;

pub(crate) use self::mechanism::Beginning;
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
    /// With Kerberos or NTLM, as both ends agree (RFC 4559, MS-WSMV 2.1.1); without credentials by a Kerberos ticket
    /// that the user has.
    Negotiate,
    /// With Kerberos alone; without credentials by a ticket that the user has (RFC 4120).
    Kerberos,
    /// With Kerberos or NTLM inside, after which the password itself is handed over, so that the service can use
    /// it on other machines (MS-CSSP). Whoever rules the service then has it.
    CredSsp,
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
    Tokens(Tokens),
}

/// Who signs in by tokens.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) scheme: Scheme,
    /// None for whoever the user of this process has a ticket as.
    credentials: Option<Arc<Credentials>>,
}

impl Login {
    pub(crate) fn new(
        authentication: Authentication,
        credentials: Option<Credentials>,
    ) -> Result<Self, Error> {
        let setting = |reason: String| Error::Setting { setting: "credentials", reason };
        let given = |scheme: &str| {
            let credentials = credentials.clone();
            credentials.map(Arc::new).ok_or_else(|| setting(format!("{scheme} needs a name and a password")))
        };
        match authentication {
            Authentication::None => Ok(Self::Anonymous),
            Authentication::Basic => {
                let credentials = given("Basic")?;
                // RFC 7617 2: the first colon ends the name.
                if credentials.user.is_empty() || credentials.user.contains(':') {
                    return Err(setting("the name for Basic is empty or contains a colon".to_owned()));
                }
                Ok(Self::Basic(credentials))
            }
            Authentication::Negotiate => Tokens::login(Scheme::Negotiate, credentials.map(Arc::new)),
            Authentication::Kerberos => Tokens::login(Scheme::Kerberos, credentials.map(Arc::new)),
            Authentication::CredSsp => Tokens::login(Scheme::CredSsp, Some(given("CredSSP")?)),
        }
    }

    /// A proof for a new connection.
    pub(crate) fn begin(&self) -> Proof {
        match self {
            Self::Anonymous => Proof::Anonymous,
            Self::Basic(credentials) => Proof::Basic(Arc::clone(credentials)),
            Self::Tokens(tokens) => Proof::Pending(tokens.clone()),
        }
    }

    /// What would be readable on the way over plain HTTP; `None` means that the scheme seals everything.
    pub(crate) fn exposes(&self) -> Option<Exposed> {
        match self {
            Self::Anonymous => Some(Exposed::Messages),
            Self::Basic(_) => Some(Exposed::Password),
            Self::Tokens(_) => None,
        }
    }
}

impl Tokens {
    fn login(scheme: Scheme, credentials: Option<Arc<Credentials>>) -> Result<Login, Error> {
        let failed =
            |error: UserNameError| Error::Setting { setting: "credentials", reason: error.to_string() };
        if let Some(credentials) = &credentials {
            UserName::parse(&credentials.user).map_err(failed)?;
        }
        Ok(Login::Tokens(Self { scheme, credentials }))
    }

    /// Whether nothing but a ticket of the user can prove anything.
    pub(crate) fn is_implicit(&self) -> bool {
        self.credentials.is_none() || self.scheme == Scheme::Kerberos
    }
}

/// How one connection stands.
pub(crate) enum Proof {
    Anonymous,
    /// In every request.
    Basic(Arc<Credentials>),
    /// Before the first request.
    Pending(Tokens),
    /// Done for as long as the connection lasts.
    Established {
        tokens: Tokens,
        context: Box<dyn SecurityContext>,
    },
}

impl Proof {
    /// The value of `Authorization` for the next request, if it needs one.
    pub(crate) fn authorization(&self) -> Option<Zeroizing<String>> {
        match self {
            Self::Basic(credentials) => {
                Some(auth::basic::authorization(&credentials.user, &credentials.password))
            }
            _ => None,
        }
    }

    /// What a 401 means: with the schemes there are, that the proof was not accepted.
    pub(crate) fn refused(&self, head: &ResponseHead) -> Error {
        let (tried, user) = match self {
            Self::Anonymous => (None, None),
            Self::Basic(credentials) => (Some(Scheme::Basic), Some(credentials.user.clone())),
            Self::Pending(tokens) | Self::Established { tokens, .. } => {
                (Some(tokens.scheme), tokens.credentials.as_ref().map(|credentials| credentials.user.clone()))
            }
        };
        Error::AuthenticationFailed { offered: offered(head), tried, user }
    }
}

/// The schemes that a service names, each once; a line that cannot be read counts for nothing.
fn offered(head: &ResponseHead) -> Vec<String> {
    const MOST: usize = 16;
    let mut schemes: Vec<String> = Vec::new();
    for line in head.headers("WWW-Authenticate") {
        for challenge in Challenge::parse_list(line).unwrap_or_default() {
            let known = schemes.iter().any(|scheme| challenge.is(scheme));
            if !known && schemes.len() < MOST {
                schemes.push(challenge.scheme().chars().take(80).collect());
            }
        }
    }
    schemes
}

/// The token for a scheme that a service sends, from whichever line has one.
pub(crate) fn token(head: &ResponseHead, scheme: Scheme) -> Option<Vec<u8>> {
    head.headers("WWW-Authenticate").find_map(|line| {
        let (name, rest) = line.trim().split_once(' ')?;
        let token = STANDARD.decode(rest.trim()).ok()?;
        (Scheme::from_name(name) == Some(scheme) && !token.is_empty()).then_some(token)
    })
}
