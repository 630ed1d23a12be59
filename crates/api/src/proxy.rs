//! Proxy settings.

use client::{Credentials, Proxy, ProxyAuthentication as SignIn, Secret};
use config::{Proxies, Tls};
use wording::endpoint::{Endpoint, Transport};

use crate::error::Error;
use crate::flags::{ProxyAccess, ProxyAuthentication};

/// Proxy setting of a session.
#[derive(Clone, Debug)]
pub(crate) enum ProxySetting {
    /// A specified proxy.
    Fixed(Box<Proxy>),
    /// No proxy.
    Direct,
    /// The proxy from the machine's or this process's environment.
    Discover { machine: bool, sign_in: Option<SignIn> },
}

impl ProxySetting {
    pub(crate) fn from_address(address: &str) -> Result<Self, Error> {
        let proxy = Proxy::parse(address).map_err(|error| {
            Error::argument(error.to_string(), Some("write http://[USER:PASSWORD@]HOST[:PORT]"))
        })?;
        Ok(Self::Fixed(Box::new(proxy)))
    }

    pub(crate) fn new(
        access: ProxyAccess,
        authentication: Option<ProxyAuthentication>,
        credentials: Option<(&str, &str)>,
    ) -> Result<Self, Error> {
        let sign_in = sign_in(authentication, credentials)?;
        let machine = match access {
            ProxyAccess::NO_PROXY_SERVER if sign_in.is_some() => {
                return Err(Error::argument(
                    "NO_PROXY_SERVER and proxy authentication cannot be combined",
                    None,
                ));
            }
            ProxyAccess::NO_PROXY_SERVER => return Ok(Self::Direct),
            ProxyAccess::WIN_HTTP_CONFIG => true,
            ProxyAccess::IE_CONFIG | ProxyAccess::AUTO_DETECT => false,
            other => {
                let what = format!("invalid proxy access 0x{:X}", other.bits());
                return Err(Error::argument(what, Some("use exactly one value of ProxyAccess")));
            }
        };
        Ok(Self::Discover { machine, sign_in })
    }

    /// Returns the proxy for an endpoint, if there is one.
    pub(crate) fn find(self, endpoint: &Endpoint) -> Result<Option<Proxy>, Error> {
        let (machine, sign_in) = match self {
            Self::Direct => return Ok(None),
            Self::Fixed(proxy) => return Ok(Some(*proxy)),
            Self::Discover { machine, sign_in } => (machine, sign_in),
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
                Some("set https_proxy and http_proxy, such as http://proxy:3128"),
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
        (None, Some(_)) => {
            Err(Error::argument("credentials for the proxy need an authentication scheme", None))
        }
        (Some(ProxyAuthentication::USE_BASIC | ProxyAuthentication::USE_DIGEST), None) => {
            Err(Error::argument(
                "Basic and Digest need credentials for the proxy",
                Some("specify user name and password"),
            ))
        }
        (Some(other), _) => {
            Err(Error::argument(format!("invalid proxy authentication 0x{:X}", other.bits()), None))
        }
    }
}
