//! Which proxy lies between this machine and a host, as `-proxyaccess` asks.

use client::{Credentials, Proxy, ProxyAuthentication};
use config::{Proxies, Tls};

use crate::connection::{self, ProxyAccess, ProxyCredentials, ProxyLogin, ProxyScheme};
use crate::endpoint::{Endpoint, Transport};
use crate::failure::{Failure, Kind};

/// The proxy to an endpoint, if there is one.
///
/// # Errors
/// A [`Failure`] for an address that is none, and where somebody was named for a proxy that there is not.
pub(crate) fn find(asked: &connection::Proxy, endpoint: &Endpoint) -> Result<Option<Proxy>, Failure> {
    let settings = match asked.access {
        ProxyAccess::None => return Ok(None),
        // There is one place on Linux where the programs of a user look.
        ProxyAccess::User | ProxyAccess::AutoDetect => Proxies::of_this_process(),
        ProxyAccess::Machine => Proxies::of_machine().map_err(|error| {
            Failure::here(Kind::Usage, format!("cannot read {}: {error}", Proxies::MACHINE_FILE))
        })?,
    };
    let tls = match endpoint.transport() {
        Transport::Http => Tls::No,
        Transport::Https => Tls::Yes,
    };
    let wrong = |message: String| {
        let source = match asked.access {
            ProxyAccess::Machine => Proxies::MACHINE_FILE,
            _ => "the environment",
        };
        Failure::here(Kind::Usage, message)
            .advise(format!("https_proxy and http_proxy come from {source}, such as http://proxy:3128"))
    };
    let proxy = match settings.find(tls, endpoint.host(), endpoint.port()) {
        Some(address) => Some(Proxy::parse(address).map_err(|error| wrong(error.to_string()))?),
        None => None,
    };
    match (&asked.login, proxy) {
        (Some(_), None) => Err(wrong(format!(
            "-proxyauth was given, and there is no proxy to {}://{}",
            endpoint.transport(),
            endpoint.host()
        ))),
        (Some(login), Some(proxy)) => Ok(Some(proxy.authentication(authentication(login)?))),
        (None, proxy) => Ok(proxy),
    }
}

fn authentication(login: &ProxyLogin) -> Result<ProxyAuthentication, Failure> {
    let credentials = login.credentials.as_ref().map(|ProxyCredentials { user, password }| Credentials {
        user: user.clone(),
        password: password.clone(),
    });
    match (login.scheme, credentials) {
        (ProxyScheme::Negotiate, credentials) => Ok(ProxyAuthentication::Negotiate(credentials)),
        (ProxyScheme::Basic, Some(credentials)) => Ok(ProxyAuthentication::Basic(credentials)),
        (ProxyScheme::Digest, Some(credentials)) => Ok(ProxyAuthentication::Digest(credentials)),
        (ProxyScheme::Basic | ProxyScheme::Digest, None) => {
            Err(Failure::here(Kind::Usage, "-proxyauth:basic and digest need a user")
                .advise("add -proxyusername:NAME and -proxypassword:PASSWORD"))
        }
    }
}
