//! Names and addresses of controllers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use cli::host_list;
use ipmi::proto::{Destination, Login};

/// A controller, as it was named on the command line.
#[derive(Clone, Debug)]
pub(super) struct Host {
    name: String,
    /// Port on the command line.
    port: Option<u16>,
    stored: Option<StoredHost>,
    /// Controller behind this one that requests are forwarded to.
    pub(super) behind: Destination,
}

/// A controller that `telarch ipmi host` has stored.
#[derive(Clone, Debug)]
pub(super) struct StoredHost {
    /// Name or address on the network.
    pub(super) name: String,
    pub(super) port: u16,
    /// Stored credentials; `None` if the command line names another user.
    pub(super) login: Option<Login>,
}

impl Host {
    /// A controller without a port.
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), port: None, stored: None, behind: Destination::CONTROLLER }
    }

    /// Returns whether this is the controller of this machine, which is accessed by its driver.
    pub(super) fn is_local(&self) -> bool {
        self.name == "local"
    }

    /// The name under which the controller may be stored: a name without a port.
    pub(super) fn stored_name(&self) -> Option<&str> {
        (self.port.is_none() && !self.is_local()).then_some(&self.name)
    }

    pub(super) fn set_stored(&mut self, stored: StoredHost) {
        self.stored = Some(stored);
    }

    /// The stored credentials.
    pub(super) fn stored_login(&self) -> Option<&Login> {
        self.stored.as_ref()?.login.as_ref()
    }

    /// The stored credentials, restricted to the privilege level of `default`, or else `default`.
    pub(super) fn login(&self, default: Login) -> Login {
        match self.stored_login() {
            Some(stored) => stored.clone().at_most(default.level()),
            None => default,
        }
    }

    /// Returns whether a text names this controller: the same name in any case, or the same address in any notation,
    /// and the same port.
    pub(super) fn is_named(&self, text: &str) -> bool {
        let Ok(other) = host(text) else { return false };
        let is_same_name = match (self.name.parse::<IpAddr>(), other.name.parse::<IpAddr>()) {
            (Ok(own), Ok(other)) => own == other,
            _ => self.name.eq_ignore_ascii_case(&other.name),
        };
        is_same_name && self.port.unwrap_or(ipmi::PORT) == other.port.unwrap_or(ipmi::PORT)
    }

    /// Name or address on the network, and port.
    pub(super) fn location(&self) -> (&str, u16) {
        match &self.stored {
            Some(stored) => (&stored.name, stored.port),
            None => (&self.name, self.port.unwrap_or(ipmi::PORT)),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port, .. } = self;
        match (name.contains(':'), port.unwrap_or(ipmi::PORT)) {
            (_, ipmi::PORT) => f.write_str(name),
            (true, port) => write!(f, "[{name}]:{port}"),
            (false, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// Parses a list of controllers in the syntax of [`cli::host_list`], such as `a,b:6230,c[01-20].example,[2001:db8::1]:623`.
pub(super) fn parse(text: &str) -> Result<Vec<Host>, String> {
    let named = host_list::parse(text).map_err(|error| error.to_string())?;
    named.iter().map(|word| host(word)).collect()
}

fn host(word: &str) -> Result<Host, String> {
    if let Some(rest) = word.strip_prefix('[') {
        let Some((name, rest)) = rest.split_once(']') else { return Err(format!("\"{word}\": missing ]")) };
        let port = match rest.strip_prefix(':') {
            Some(text) => Some(port(word, text)?),
            None if rest.is_empty() => None,
            None => return Err(format!("\"{word}\": unexpected \"{rest}\" after ]")),
        };
        return Ok(Host { port, ..Host::named(name) });
    }
    if word.contains(['[', ']'])
        || word.contains(|letter: char| letter.is_whitespace() || letter.is_control())
    {
        return Err(format!("\"{word}\" is not a valid host name"));
    }
    if let Some(range) = address_range(word) {
        return Err(format!("\"{word}\" is not a valid host name; a range of addresses is written {range}"));
    }
    match word.split_once(':') {
        // An IPv6 address without brackets.
        Some((_, rest)) if rest.contains(':') => Ok(Host::named(word)),
        Some(("", _)) => Err(format!("\"{word}\": missing host name")),
        Some((name, text)) => Ok(Host { port: Some(port(word, text)?), ..Host::named(name) }),
        None => Ok(Host::named(word)),
    }
}

fn port(word: &str, text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| format!("\"{word}\": \"{text}\" is not a port number"))
}

/// Returns the accepted spelling of a range such as `10.0.7.1-20` or `10.0.7.1-10.0.7.20`.
fn address_range(word: &str) -> Option<String> {
    let (first, last) = word.split_once('-')?;
    let (network, from) = first.rsplit_once('.').filter(|_| first.parse::<Ipv4Addr>().is_ok())?;
    let (last_network, to) = last.rsplit_once('.').unwrap_or((network, last));
    let is_range = last_network == network && to.parse::<u8>().is_ok();
    is_range.then(|| format!("{network}.[{from}-{to}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).iter().map(Host::to_string).collect()
    }

    #[test]
    fn ports_follow_names_and_addresses() {
        assert_eq!(shown("a, b:99"), ["a", "b:99"]);
        assert_eq!(shown("n[08-09].x:7"), ["n08.x:7", "n09.x:7"]);
        assert_eq!(
            shown("[2001:db8::1]:99,[::1],fe80::1,::2"),
            ["[2001:db8::1]:99", "::1", "fe80::1", "::2"]
        );
        assert_eq!(shown("10.0.7.0/30"), ["10.0.7.1", "10.0.7.2"]);
    }

    #[test]
    fn a_controller_is_named_in_any_notation() {
        let listed = parse("10.0.7.0/30,BMC[01-02].example:99,[2001:db8::1]").expect("valid");
        let finds = |text: &str| listed.iter().find(|host| host.is_named(text)).map(Host::to_string);
        for (text, expected) in [
            ("10.0.7.2", Some("10.0.7.2")),
            ("10.0.7.2:623", Some("10.0.7.2")),
            ("bmc02.Example:99", Some("BMC02.example:99")),
            ("2001:0db8:0::1", Some("2001:db8::1")),
            ("[2001:DB8::1]:623", Some("2001:db8::1")),
            ("10.0.7.2:99", None),
            ("10.0.7.4", None),
            ("bmc02.example", None),
            ("[", None),
            ("", None),
        ] {
            assert_eq!(finds(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn duplicates_are_found_in_any_spelling() {
        for (text, twice) in
            [("a,b", None), ("b,a,A:623", Some("A")), ("[::1]:623,::1", Some("::1")), ("a,a:1", None)]
        {
            let hosts = parse(text).expect("a list");
            let rejected = host_list::reject_duplicates(hosts.iter().map(Host::to_string)).err();
            let expected = twice.map(|twice| format!("{twice} is listed twice"));
            assert_eq!(rejected.map(|error| error.to_string()), expected, "{text}");
        }
    }

    #[test]
    fn invalid_hosts_are_rejected() {
        for text in ["", "a[1-", "a:0", "a:x", ":5", "[::1]x", "a b", "a\0", "a,a"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_accepted_spelling_of_a_range_is_suggested() {
        for word in ["10.0.7.1-20", "10.0.7.1-10.0.7.20"] {
            let rejected = parse(word).expect_err(word);
            assert!(rejected.ends_with(" is written 10.0.7.[1-20]"), "{rejected}");
        }
        for name in ["10.0.7.1-mgmt", "10.0.7.1-10.0.8.2", "bmc-1"] {
            assert_eq!(shown(name), [name]);
        }
    }
}
