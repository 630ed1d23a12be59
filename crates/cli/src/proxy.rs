//! Proxy selection (`-proxyaccess`).

use client::{Credentials, Proxy, ProxyAuthentication};
use config::{Proxies, Tls};

use crate::connection::{self, ProxyAccess, ProxyCredentials, ProxyLogin, ProxyScheme};
use crate::endpoint::{Endpoint, Transport};
use crate::failure::{Failure, Kind};

/// Returns the proxy for an endpoint, or `None` for a direct connection.
///
/// # Errors
/// A [`Failure`] for an invalid proxy address, or if `-proxyauth` was given but no proxy applies.
pub(crate) fn find(options: &connection::Proxy, endpoint: &Endpoint) -> Result<Option<Proxy>, Failure> {
    let settings = match options.access {
        ProxyAccess::None => return Ok(None),
        // Linux has one source of proxy settings for the programs of a user: the environment.
        ProxyAccess::User | ProxyAccess::AutoDetect => Proxies::of_this_process(),
        ProxyAccess::Machine => Proxies::of_machine().map_err(|error| {
            Failure::here(Kind::Usage, format!("cannot read {}: {error}", Proxies::MACHINE_FILE))
        })?,
    };
    let tls = match endpoint.transport() {
        Transport::Http => Tls::No,
        Transport::Https => Tls::Yes,
    };
    let proxy = match settings.find(tls, endpoint.host(), endpoint.port()) {
        Some(address) => {
            Some(Proxy::parse(address).map_err(|error| proxy_failure(options.access, error.to_string()))?)
        }
        None => None,
    };
    match (&options.login, proxy) {
        (Some(_), None) => {
            let (transport, host) = (endpoint.transport(), endpoint.host());
            let message = format!("-proxyauth was given, but no proxy is set for {transport}://{host}");
            Err(proxy_failure(options.access, message))
        }
        (Some(login), Some(proxy)) => Ok(Some(proxy.authentication(authentication(login)?))),
        (None, proxy) => Ok(proxy),
    }
}

/// Returns a failure with advice on where to set the proxy.
fn proxy_failure(access: ProxyAccess, message: String) -> Failure {
    let source = match access {
        ProxyAccess::Machine => Proxies::MACHINE_FILE,
        _ => "the environment",
    };
    Failure::here(Kind::Usage, message)
        .advise(format!("set https_proxy or http_proxy in {source}, for example to http://proxy:3128"))
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
            Err(Failure::here(Kind::Usage, "-proxyauth:basic and digest require -proxyusername")
                .advise("add -proxyusername:NAME and -proxypassword:PASSWORD"))
        }
    }
}
