//! Bindings of sites in the notation of IIS: `http/*:80:shop.example`.

use std::fmt;
use std::str::FromStr;

use cli_command::{Arguments, Failure};
use webserver::{Binding, HostPattern, ListenAddress, ListenHost, Listener, Site};

/// Protocol, address and host name of a site, written as `appcmd` does: `PROTOCOL/ADDRESS:PORT:HOST`.
///
/// The address is `*`, an IPv4 address, an IPv6 address in brackets, a host name, or `unix:PATH` without a port. An empty
/// host stands for every host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SiteBinding {
    tls: bool,
    address: ListenAddress,
    name: Option<HostPattern>,
}

/// Addresses and host names of a site, which serves each name on each address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) listeners: Vec<Listener>,
    pub(super) names: Vec<HostPattern>,
}

/// Returns the bindings of a site.
pub(super) fn bindings_of(site: &Site) -> Vec<SiteBinding> {
    site.bindings().map(|binding| SiteBinding::of(&binding)).collect()
}

/// Parses bindings.
///
/// # Errors
/// A usage error for the first malformed one.
pub(super) fn parse(arguments: &Arguments, texts: &[&str]) -> Result<Vec<SiteBinding>, Failure> {
    let bindings = texts.iter().map(|text| text.parse());
    bindings.collect::<Result<_, String>>().map_err(|error| arguments.usage_error(error))
}

/// Returns bindings as addresses and names. An address that `known` contains keeps its other options.
///
/// # Errors
/// [`Failure`] if the bindings are not each address with each name, because web servers cannot serve them in one site.
pub(super) fn addresses(bindings: &[SiteBinding], known: &[Listener]) -> Result<Addresses, Failure> {
    let mut listeners: Vec<Listener> = Vec::new();
    let mut names: Vec<Option<&HostPattern>> = Vec::new();
    for binding in bindings {
        match listeners.iter().find(|listener| listener.address == binding.address) {
            Some(listener) if listener.tls != binding.tls => {
                return Err(Failure::failed(
                    format!("the address of \"{binding}\" has both protocols, http and https"),
                    "use one protocol for each address and port",
                ));
            }
            Some(_) => {}
            None => listeners.push(binding.listener(known)),
        }
        if !names.contains(&binding.name.as_ref()) {
            names.push(binding.name.as_ref());
        }
    }
    let all =
        listeners.iter().flat_map(|listener| names.iter().map(move |name| Binding { listener, name: *name }));
    let all = all.map(|binding| SiteBinding::of(&binding));
    let missing: Vec<String> =
        all.filter(|binding| !bindings.contains(binding)).map(|binding| binding.to_string()).collect();
    if !missing.is_empty() {
        return Err(Failure::failed(
            "a site serves each of its host names on each of its addresses",
            &format!("add {}, too, or create another site", missing.join(" and ")),
        ));
    }
    let are_mixed = names.len() > 1 && names.contains(&None);
    if are_mixed {
        return Err(Failure::failed(
            "a site either has host names or answers for every host",
            "omit the bindings without a host name, or those with one",
        ));
    }
    Ok(Addresses { listeners, names: names.into_iter().flatten().cloned().collect() })
}

impl SiteBinding {
    fn of(binding: &Binding<'_>) -> Self {
        let Listener { address, tls, .. } = binding.listener;
        Self { tls: *tls, address: address.clone(), name: binding.name.cloned() }
    }

    fn listener(&self, known: &[Listener]) -> Listener {
        let same = known.iter().find(|known| known.address == self.address && known.tls == self.tls);
        same.cloned().unwrap_or_else(|| Listener {
            address: self.address.clone(),
            tls: self.tls,
            http2: false,
            default_site: false,
        })
    }
}

impl fmt::Display for SiteBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "https/" } else { "http/" })?;
        match &self.address {
            ListenAddress::Tcp { host: ListenHost::Any, port } => write!(f, "*:{port}:")?,
            address => write!(f, "{address}:")?,
        }
        self.name.as_ref().map_or(Ok(()), |name| name.fmt(f))
    }
}

impl FromStr for SiteBinding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (protocol, rest) =
            text.split_once('/').ok_or_else(|| invalid(text, "the protocol is missing"))?;
        let tls = match protocol {
            "http" => false,
            "https" => true,
            _ => return Err(invalid(text, "the protocol is neither http nor https")),
        };
        let (address, name) = split_host(rest).ok_or_else(|| invalid(text, "the port is missing"))?;
        let address = ListenAddress::parse(address).map_err(|error| invalid(text, &error.to_string()))?;
        let name = (!name.is_empty()).then(|| HostPattern::parse(name)).transpose();
        let name = name.map_err(|error| invalid(text, &error.to_string()))?;
        Ok(Self { tls, address, name })
    }
}

fn invalid(text: &str, reason: &str) -> String {
    format!(
        "invalid binding \"{text}\": {reason}; expected PROTOCOL/ADDRESS:PORT:HOST, such as http/*:80:shop.example"
    )
}

/// Divides a binding without its protocol into the address with its port, and the host name.
fn split_host(text: &str) -> Option<(&str, &str)> {
    let port = if text.starts_with("unix:") {
        "unix:".len()
    } else {
        // The colons of an IPv6 address are in brackets.
        let bracket = text.find(']').unwrap_or_default();
        bracket + text.get(bracket..)?.find(':')? + 1
    };
    match text.get(port..)?.find(':') {
        Some(end) => Some((text.get(..port + end)?, text.get(port + end + 1..)?)),
        None => Some((text, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(texts: &[&str]) -> Vec<SiteBinding> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn bindings_are_printed_as_they_were_read() {
        for text in [
            "http/*:80:",
            "http/*:80:shop.example",
            "https/127.0.0.1:8443:*.example",
            "https/[::]:443:shop.example",
            "http/localhost:8080:",
            "http/unix:/run/shop.sock:shop.example",
            r"http/*:80:~^www\d+:x$",
        ] {
            let binding: SiteBinding = text.parse().unwrap();
            assert_eq!(binding.to_string(), text);
            assert_eq!(text.trim_end_matches(':').parse(), Ok(binding), "{text}");
        }
    }

    #[test]
    fn malformed_bindings_are_refused_with_an_example() {
        for text in [
            "",
            "*:80:",
            "ftp/*:21:",
            "http/*",
            "http/*:0:a",
            "http/*:80:a b",
            "http/[::1:80:",
            "http/1.2.3:x:",
        ] {
            let error = text.parse::<SiteBinding>().unwrap_err();
            assert!(
                error.contains(&format!("\"{text}\"")) && error.contains("http/*:80:shop.example"),
                "{error}"
            );
        }
    }

    #[test]
    fn each_name_needs_each_address() {
        let known = [Listener {
            address: ListenAddress::parse("443").unwrap(),
            tls: true,
            http2: true,
            default_site: true,
        }];
        let whole = parsed(&["http/*:80:a", "http/*:80:b", "https/*:443:a", "https/*:443:b"]);
        let found = addresses(&whole, &known).unwrap();
        assert_eq!(found.listeners.len(), 2);
        assert_eq!(found.listeners.last(), known.first(), "other options stay");
        assert_eq!(found.names, ["a", "b"].map(|name| HostPattern::parse(name).unwrap()));

        let remedy = addresses(whole.get(..3).unwrap(), &[]).unwrap_err().to_string();
        assert!(remedy.contains("add https/*:443:b, too"), "{remedy}");
        for mixed in [&["http/*:80:", "http/*:80:a"], &["http/*:80:a", "https/*:80:a"]] {
            assert!(addresses(&parsed(mixed), &[]).is_err(), "{mixed:?}");
        }
        assert_eq!(addresses(&parsed(&["http/*:80:"]), &[]).unwrap().names, []);
    }
}
