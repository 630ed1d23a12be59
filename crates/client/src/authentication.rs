//! How a session proves who asks, and how each of its connections stands.
//!
//! An [`Authentication`] is chosen once for a session; every connection gets a [`Proof`] of its own, because
//! the schemes that are still to come authenticate the connection, not the request.

use std::sync::Arc;

use auth::{Scheme, Secret};
use http::{Challenge, ResponseHead};
use zeroize::Zeroizing;

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
}

impl Login {
    pub(crate) fn new(
        authentication: Authentication,
        credentials: Option<Credentials>,
    ) -> Result<Self, Error> {
        let setting = |reason: &str| Error::Setting { setting: "credentials", reason: reason.to_owned() };
        match (authentication, credentials) {
            (Authentication::None, _) => Ok(Self::Anonymous),
            (Authentication::Basic, None) => Err(setting("Basic needs a name and a password")),
            (Authentication::Basic, Some(credentials)) => {
                // RFC 7617 2: the first colon ends the name.
                if credentials.user.is_empty() || credentials.user.contains(':') {
                    return Err(setting("the name for Basic is empty or contains a colon"));
                }
                Ok(Self::Basic(Arc::new(credentials)))
            }
        }
    }

    /// A proof for a new connection.
    pub(crate) fn begin(&self) -> Proof {
        Proof(self.clone())
    }

    /// What would be readable on the way over plain HTTP; `None` means that the scheme seals everything.
    pub(crate) fn exposes(&self) -> Option<Exposed> {
        match self {
            Self::Anonymous => Some(Exposed::Messages),
            Self::Basic(_) => Some(Exposed::Password),
        }
    }
}

/// How one connection stands.
#[derive(Debug)]
pub(crate) struct Proof(Login);

impl Proof {
    /// The value of `Authorization` for the next request, if it needs one.
    pub(crate) fn authorization(&mut self) -> Option<Zeroizing<String>> {
        match &self.0 {
            Login::Anonymous => None,
            Login::Basic(credentials) => {
                Some(auth::basic::authorization(&credentials.user, &credentials.password))
            }
        }
    }

    /// What a 401 means: with the schemes there are, that the proof was not accepted.
    pub(crate) fn refused(&mut self, head: &ResponseHead) -> Error {
        let (tried, user) = match &self.0 {
            Login::Anonymous => (None, None),
            Login::Basic(credentials) => (Some(Scheme::Basic), Some(credentials.user.clone())),
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
