//! The proxy on the way, if one was asked for.

use client::{Credentials, Proxy, ProxyAuthentication as SignIn, Secret};
use config::{Proxies, Tls};
use wording::endpoint::{Endpoint, Transport};

use crate::error::Error;
use crate::flags::{ProxyAccess, ProxyAuthentication};

/// What a session was told of a proxy.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// This one.
    At(Box<Proxy>),
    /// There is none.
    Nowhere,
    /// The one that somebody else says.
    Looked { machine: bool, sign_in: Option<SignIn> },
}

impl Asked {
    pub(crate) fn at(address: &str) -> Result<Self, Error> {
        let proxy = Proxy::parse(address).map_err(|error| {
            Error::argument(error.to_string(), Some("write http://[USER:PASSWORD@]HOST[:PORT]"))
        })?;
        Ok(Self::At(Box::new(proxy)))
    }

    pub(crate) fn new(
        access: ProxyAccess,
        authentication: Option<ProxyAuthentication>,
        credentials: Option<(&str, &str)>,
    ) -> Result<Self, Error> {
        let sign_in = sign_in(authentication, credentials)?;
        let machine = match access {
            ProxyAccess::NO_PROXY_SERVER if sign_in.is_some() => {
                return Err(Error::argument("nobody signs in to a proxy that is not there", None));
            }
            ProxyAccess::NO_PROXY_SERVER => return Ok(Self::Nowhere),
            ProxyAccess::WIN_HTTP_CONFIG => true,
            ProxyAccess::IE_CONFIG | ProxyAccess::AUTO_DETECT => false,
            other => {
                let what = format!("0x{:X} is no single way to a proxy", other.bits());
                return Err(Error::argument(what, Some("name one of ProxyAccess")));
            }
        };
        Ok(Self::Looked { machine, sign_in })
    }

    /// The proxy to an endpoint, if there is one.
    pub(crate) fn find(self, endpoint: &Endpoint) -> Result<Option<Proxy>, Error> {
        let (machine, sign_in) = match self {
            Self::Nowhere => return Ok(None),
            Self::At(proxy) => return Ok(Some(*proxy)),
            Self::Looked { machine, sign_in } => (machine, sign_in),
        };
        let proxies = if machine {
            Proxies::of_machine()
                .map_err(|source| Error::File { path: Proxies::MACHINE_FILE.to_owned(), source })?
        } else {
            Proxies::of_this_process()
        };
        let tls = match endpoint.transport() {
            Transport::Http => Tls::No,
            Transport::Https => Tls::Yes,
        };
        let Some(address) = proxies.find(tls, endpoint.host(), endpoint.port()) else { return Ok(None) };
        let proxy = Proxy::parse(address).map_err(|error| {
            Error::argument(
                error.to_string(),
                Some("correct https_proxy and http_proxy, such as http://proxy:3128"),
            )
        })?;
        Ok(Some(match sign_in {
            Some(sign_in) => proxy.authentication(sign_in),
            None => proxy,
        }))
    }
}

fn sign_in(
    authentication: Option<ProxyAuthentication>,
    credentials: Option<(&str, &str)>,
) -> Result<Option<SignIn>, Error> {
    let credentials = credentials.map(|(user, password)| Credentials {
        user: user.to_owned(),
        password: Secret::new(password.to_owned()),
    });
    match (authentication, credentials) {
        (None, None) => Ok(None),
        (Some(ProxyAuthentication::USE_NEGOTIATE), credentials) => Ok(Some(SignIn::Negotiate(credentials))),
        (Some(ProxyAuthentication::USE_BASIC), Some(credentials)) => Ok(Some(SignIn::Basic(credentials))),
        (Some(ProxyAuthentication::USE_DIGEST), Some(credentials)) => Ok(Some(SignIn::Digest(credentials))),
        (None, Some(_)) => Err(Error::argument("a user for the proxy needs a scheme to sign in with", None)),
        (Some(ProxyAuthentication::USE_BASIC | ProxyAuthentication::USE_DIGEST), None) => Err(
            Error::argument("Basic and Digest at a proxy need a user", Some("give a name and a password")),
        ),
        (Some(other), _) => {
            Err(Error::argument(format!("0x{:X} is no single scheme for a proxy", other.bits()), None))
        }
    }
}
