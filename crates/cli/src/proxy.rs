//! Which proxy lies between this machine and a host, as `-proxyaccess` asks.

use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};

use client::{Credentials, Proxy, ProxyAuthentication};

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
        ProxyAccess::User | ProxyAccess::AutoDetect => Settings::read(|name| std::env::var(name).ok()),
        ProxyAccess::Machine => {
            let text = machine_environment()?;
            Settings::read(|name| value_in(&text, name))
        }
    };
    let wrong = |message: String| {
        let source = match asked.access {
            ProxyAccess::Machine => MACHINE_ENVIRONMENT,
            _ => "the environment",
        };
        Failure::here(Kind::Usage, message)
            .advise(format!("https_proxy and http_proxy come from {source}, such as http://proxy:3128"))
    };
    let proxy = match settings.proxy_for(endpoint) {
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

/// What an environment says about proxies, in the words that most programs know.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settings {
    http: Option<String>,
    https: Option<String>,
    exceptions: Vec<String>,
}

impl Settings {
    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| {
            names.iter().find_map(|name| variable(name).filter(|value| !value.trim().is_empty()))
        };
        let exceptions = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        let exceptions = exceptions.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty());
        Self {
            // HTTP_PROXY in capitals may come from a request to a CGI program, so that nobody reads it.
            http: first(&["http_proxy", "all_proxy", "ALL_PROXY"]),
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            exceptions: exceptions.map(str::to_owned).collect(),
        }
    }

    fn proxy_for(&self, endpoint: &Endpoint) -> Option<&str> {
        if self.exceptions.iter().any(|exception| excepts(exception, endpoint.host(), endpoint.port())) {
            return None;
        }
        match endpoint.transport() {
            Transport::Http => self.http.as_deref(),
            Transport::Https => self.https.as_deref(),
        }
    }
}

/// Whether an entry of `no_proxy` names a host: `*`, a name, what names end with, an address, or `ADDRESS/BITS`;
/// a port may follow a name.
fn excepts(exception: &str, host: &str, port: u16) -> bool {
    let host = host.split('%').next().unwrap_or(host);
    if exception == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return match exception.split_once('/') {
            Some((network, bits)) => bits.parse().is_ok_and(|bits| lies_in(address, network, bits)),
            None => exception.trim_matches(['[', ']']).parse() == Ok(address),
        };
    }
    let name = match exception.rsplit_once(':') {
        Some((name, digits)) if digits.parse() == Ok(port) => name,
        Some(_) => return false,
        None => exception,
    };
    let name = name.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase();
    let host = host.to_ascii_lowercase();
    let rest = host.strip_suffix(&name);
    !name.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn lies_in(address: IpAddr, network: &str, bits: u32) -> bool {
    let first_bits = |value: u128, width: u32| {
        (bits <= width).then(|| if bits == 0 { 0 } else { value >> (width - bits) })
    };
    let number = |address: Ipv4Addr| u128::from(address.to_bits());
    match (address, network.parse()) {
        (IpAddr::V4(address), Ok(IpAddr::V4(network))) => {
            let prefix = first_bits(number(network), 32);
            prefix.is_some() && prefix == first_bits(number(address), 32)
        }
        (IpAddr::V6(address), Ok(IpAddr::V6(network))) => {
            let prefix = first_bits(network.to_bits(), 128);
            prefix.is_some() && prefix == first_bits(address.to_bits(), 128)
        }
        _ => false,
    }
}

/// The settings of the machine; none if there is no such file.
fn machine_environment() -> Result<String, Failure> {
    let mut text = String::new();
    let read = fs::File::open(MACHINE_ENVIRONMENT)
        .and_then(|file| file.take(LONGEST_ENVIRONMENT).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Failure::here(Kind::Usage, format!("cannot read {MACHINE_ENVIRONMENT}: {error}"))),
    }
}

/// A variable in the file of the machine: `NAME=VALUE` lines, perhaps with `export` and quotes (pam_env(7)).
fn value_in(text: &str, name: &str) -> Option<String> {
    let lines = text.lines().map(str::trim).map(|line| line.strip_prefix("export ").unwrap_or(line));
    let mut values = lines.filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        let value = value.trim();
        let quoted = ['"', '\''].into_iter().find_map(|q| value.strip_prefix(q)?.strip_suffix(q));
        (key.trim() == name).then(|| quoted.unwrap_or(value).to_owned())
    });
    values.next_back()
}

/// Where Linux keeps variables for the programs of every user.
const MACHINE_ENVIRONMENT: &str = "/etc/environment";
const LONGEST_ENVIRONMENT: u64 = 1_024 * 1_024;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::endpoint::Address;

    fn endpoint(text: &str) -> Endpoint {
        Address::parse(text).unwrap().complete(Transport::Http, None)
    }

    fn settings(variables: &[(&str, &str)]) -> Settings {
        Settings::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn each_transport_has_its_proxy() {
        let both = settings(&[("http_proxy", "a:1"), ("HTTPS_PROXY", "b:2"), ("HTTP_PROXY", "evil:3")]);
        assert_eq!(both.proxy_for(&endpoint("node7")), Some("a:1"));
        assert_eq!(both.proxy_for(&endpoint("https://node7")), Some("b:2"));
        assert_eq!(settings(&[("HTTP_PROXY", "evil:3")]).proxy_for(&endpoint("node7")), None);
        assert_eq!(settings(&[("all_proxy", "c:4")]).proxy_for(&endpoint("https://node7")), Some("c:4"));
        assert_eq!(settings(&[("https_proxy", " ")]).proxy_for(&endpoint("https://node7")), None);
    }

    #[test]
    fn no_proxy_names_hosts_domains_and_networks() {
        for (exceptions, host, is_excepted) in [
            ("*", "node7", true),
            ("node7", "NODE7", true),
            ("example.com", "node7.example.com", true),
            (".example.com", "node7.example.com", true),
            ("*.example.com", "node7.example.com", true),
            ("example.com", "example.com", true),
            ("example.com", "badexample.com", false),
            ("node7:5985", "node7", true),
            ("node7:80", "node7", false),
            ("a, node7", "node7", true),
            ("10.0.0.0/8", "10.2.3.4", true),
            ("10.0.0.0/8", "11.2.3.4", false),
            ("10.0.0.0/99", "10.2.3.4", false),
            ("0.0.0.0/0", "10.2.3.4", true),
            ("fd00::/8", "[fd00::7]", true),
            ("::1", "[::1]", true),
            ("10.2.3.4", "10.2.3.4", true),
            ("4", "10.2.3.4", false),
            ("", "node7", false),
        ] {
            let settings = settings(&[("http_proxy", "a:1"), ("no_proxy", exceptions)]);
            assert_eq!(settings.proxy_for(&endpoint(host)).is_none(), is_excepted, "{exceptions} {host}");
        }
    }

    #[test]
    fn the_file_of_the_machine_is_read_as_pam_reads_it() {
        let text = "# http_proxy=x\nexport https_proxy=\"http://p:3128\"\nhttp_proxy='q:1'\nhttp_proxy=q:2\n";
        assert_eq!(value_in(text, "https_proxy").as_deref(), Some("http://p:3128"));
        assert_eq!(value_in(text, "http_proxy").as_deref(), Some("q:2"));
        assert_eq!(value_in(text, "proxy"), None);
    }
}
