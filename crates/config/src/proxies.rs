//! Proxy settings from the environment variables `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`.

use std::io::Read as _;
use std::net::IpAddr;
use std::{fs, io};

/// Proxies and exceptions, as environment variables give them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    exceptions: Vec<String>,
}

/// Transport between the client and the service behind the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// HTTP.
    No,
    /// HTTPS.
    Yes,
}

impl Proxies {
    /// File in which Linux keeps environment variables for the programs of all users.
    pub const MACHINE_FILE: &str = "/etc/environment";

    /// PolicyKind the variables of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    /// PolicyKind the variables in [`Self::MACHINE_FILE`]; a missing file sets none.
    ///
    /// # Errors
    /// The I/O error if the file cannot be read.
    pub fn of_machine() -> io::Result<Self> {
        let mut text = String::new();
        let read = fs::File::open(Self::MACHINE_FILE)
            .and_then(|file| file.take(LONGEST_ENVIRONMENT).read_to_string(&mut text));
        match read {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Self::read(|name| value_in(&text, name))),
        }
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let exceptions = first_non_empty(&variable, &["no_proxy", "NO_PROXY"]).unwrap_or_default();
        let exceptions = exceptions.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty());
        Self {
            // HTTP_PROXY in capitals is ignored: a CGI server may derive it from the `Proxy` field of a request.
            http: first_non_empty(&variable, &["http_proxy", "all_proxy", "ALL_PROXY"]),
            https: first_non_empty(&variable, &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            exceptions: exceptions.map(str::to_owned).collect(),
        }
    }

    /// Returns the address of the proxy for a host as the variable gives it, or `None` if there is none or the host
    /// is excepted.
    #[must_use]
    pub fn find(&self, tls: Tls, host: &str, port: u16) -> Option<&str> {
        if self.exceptions.iter().any(|exception| matches_exception(exception, host, port)) {
            return None;
        }
        match tls {
            Tls::No => self.http.as_deref(),
            Tls::Yes => self.https.as_deref(),
        }
    }
}

/// Returns the first of the named variables that is set to more than white space.
fn first_non_empty(variable: impl Fn(&str) -> Option<String>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| variable(name).filter(|value| !value.trim().is_empty()))
}

/// Returns whether an entry of `no_proxy` matches a host. An entry is `*`, a name, the end of a name, an address or
/// `ADDRESS/BITS`; a name may be followed by a port.
fn matches_exception(exception: &str, host: &str, port: u16) -> bool {
    let host = host.split('%').next().unwrap_or(host);
    if exception == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return match exception.split_once('/') {
            Some((network, bits)) => bits.parse().is_ok_and(|bits| is_in_network(address, network, bits)),
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

fn is_in_network(address: IpAddr, network: &str, bits: u32) -> bool {
    match (address, network.parse()) {
        (IpAddr::V4(address), Ok(IpAddr::V4(network))) => {
            let shift = 32_u32.checked_sub(bits);
            shift.is_some_and(|shift| has_same_prefix(address.to_bits(), network.to_bits(), shift))
        }
        (IpAddr::V6(address), Ok(IpAddr::V6(network))) => {
            let shift = 128_u32.checked_sub(bits);
            shift.is_some_and(|shift| has_same_prefix(address.to_bits(), network.to_bits(), shift))
        }
        _ => false,
    }
}

/// Returns whether two addresses are equal without their last `shift` bits.
fn has_same_prefix<N: Into<u128>>(left: N, right: N, shift: u32) -> bool {
    let (left, right): (u128, u128) = (left.into(), right.into());
    left.checked_shr(shift).unwrap_or(0) == right.checked_shr(shift).unwrap_or(0)
}

/// Returns the value of a variable in the text of [`Proxies::MACHINE_FILE`]: lines `NAME=VALUE`, optionally with
/// `export` and quotes (pam_env(7)). The last one wins.
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

const LONGEST_ENVIRONMENT: u64 = 1_024 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    fn settings(variables: &[(&str, &str)]) -> Proxies {
        Proxies::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn each_transport_has_its_proxy() {
        let both = settings(&[("http_proxy", "a:1"), ("HTTPS_PROXY", "b:2"), ("HTTP_PROXY", "evil:3")]);
        assert_eq!(both.find(Tls::No, "node7", 5985), Some("a:1"));
        assert_eq!(both.find(Tls::Yes, "node7", 5986), Some("b:2"));
        assert_eq!(settings(&[("HTTP_PROXY", "evil:3")]).find(Tls::No, "node7", 5985), None);
        assert_eq!(settings(&[("all_proxy", "c:4")]).find(Tls::Yes, "node7", 5986), Some("c:4"));
        assert_eq!(settings(&[("https_proxy", " ")]).find(Tls::Yes, "node7", 5986), None);
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
            ("fd00::/8", "fd00::7", true),
            ("::1", "::1", true),
            ("10.2.3.4", "10.2.3.4", true),
            ("4", "10.2.3.4", false),
            ("", "node7", false),
        ] {
            let settings = settings(&[("http_proxy", "a:1"), ("no_proxy", exceptions)]);
            assert_eq!(settings.find(Tls::No, host, 5985).is_none(), is_excepted, "{exceptions} {host}");
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
