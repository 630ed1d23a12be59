//! Names of controllers, with their ports.

use std::fmt;
use std::net::Ipv4Addr;

use cli::host_list;
use ipmi::proto::{Destination, Login};

/// A controller: how it was named, where it is, and who signs in, if that is kept.
#[derive(Clone, Debug)]
pub(super) struct Host {
    name: String,
    /// The port that was named.
    port: Option<u16>,
    kept: Option<Kept>,
    /// Whoever is meant behind it.
    pub(super) behind: Destination,
}

/// What `telarch ipmi host` has kept of a controller.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) name: String,
    pub(super) port: u16,
    /// None if somebody else is to sign in.
    pub(super) login: Option<Login>,
}

impl Host {
    /// The one of this name.
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), port: None, kept: None, behind: Destination::CONTROLLER }
    }

    /// Whether it is the controller of this machine, which its driver asks.
    pub(super) fn is_local(&self) -> bool {
        self.name == "local"
    }

    /// What it may be kept under: a name without a port.
    pub(super) fn kept_name(&self) -> Option<&str> {
        (self.port.is_none() && !self.is_local()).then_some(&self.name)
    }

    pub(super) fn keep(&mut self, kept: Kept) {
        self.kept = Some(kept);
    }

    /// Who signs in, if that is kept.
    pub(super) fn kept_login(&self) -> Option<&Login> {
        self.kept.as_ref()?.login.as_ref()
    }

    /// Who signs in, at most at the level of whoever would without what is kept.
    pub(super) fn login(&self, usual: Login) -> Login {
        match self.kept_login() {
            Some(kept) => kept.clone().at_most(usual.level()),
            None => usual,
        }
    }

    /// Its name or address on the network, and its port.
    pub(super) fn location(&self) -> (&str, u16) {
        match &self.kept {
            Some(kept) => (&kept.name, kept.port),
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

/// Reads a list as [`cli::host_list`] has them, such as `a,b:6230,c[01-20].example,[2001:db8::1]:623`.
pub(super) fn parse(text: &str) -> Result<Vec<Host>, String> {
    let named = host_list::parse(text).map_err(|error| error.to_string())?;
    named.iter().map(|word| host(word)).collect()
}

fn host(word: &str) -> Result<Host, String> {
    let host = |name: &str, port| Host { port, ..Host::named(name) };
    let port = |text: &str| {
        text.parse().ok().filter(|port| *port != 0).ok_or_else(|| format!("{word:?}: {text:?} is no port"))
    };
    if let Some(rest) = word.strip_prefix('[') {
        let Some((name, rest)) = rest.split_once(']') else { return Err(format!("{word:?}: ] is missing")) };
        let port = match rest.strip_prefix(':') {
            Some(text) => Some(port(text)?),
            None if rest.is_empty() => None,
            None => return Err(format!("{word:?}: {rest:?} is too much")),
        };
        return Ok(host(name, port));
    }
    if word.contains(['[', ']'])
        || word.contains(|letter: char| letter.is_whitespace() || letter.is_control())
    {
        return Err(format!("{word:?} is no name"));
    }
    if let Some(row) = addresses_in_a_row(word) {
        return Err(format!("{word:?} is no name: addresses in a row are written {row}"));
    }
    match word.split_once(':') {
        // An IPv6 address without brackets.
        Some((_, rest)) if rest.contains(':') => Ok(host(word, None)),
        Some(("", _)) => Err(format!("{word:?} has no name")),
        Some((name, text)) => Ok(host(name, Some(port(text)?))),
        None => Ok(host(word, None)),
    }
}

/// How `10.0.7.1-20`, or `10.0.7.1-10.0.7.20`, is written here.
fn addresses_in_a_row(word: &str) -> Option<String> {
    let (first, last) = word.split_once('-')?;
    let (network, from) = first.rsplit_once('.').filter(|_| first.parse::<Ipv4Addr>().is_ok())?;
    let (last_network, to) = last.rsplit_once('.').unwrap_or((network, last));
    let is_row = last_network == network && to.parse::<u8>().is_ok();
    is_row.then(|| format!("{network}.[{from}-{to}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).iter().map(Host::to_string).collect()
    }

    #[test]
    fn ports_stand_behind_names_and_addresses() {
        assert_eq!(shown("a, b:99"), ["a", "b:99"]);
        assert_eq!(shown("n[08-09].x:7"), ["n08.x:7", "n09.x:7"]);
        assert_eq!(
            shown("[2001:db8::1]:99,[::1],fe80::1,::2"),
            ["[2001:db8::1]:99", "::1", "fe80::1", "::2"]
        );
        assert_eq!(shown("10.0.7.0/30"), ["10.0.7.1", "10.0.7.2"]);
    }

    #[test]
    fn who_is_listed_twice_is_found_however_it_is_written() {
        for (text, twice) in
            [("a,b", None), ("b,a,A:623", Some("A")), ("[::1]:623,::1", Some("::1")), ("a,a:1", None)]
        {
            let hosts = parse(text).expect("a list");
            let refused = host_list::reject_duplicates(hosts.iter().map(Host::to_string)).err();
            let told = twice.map(|twice| format!("{twice} is listed twice"));
            assert_eq!(refused.map(|error| error.to_string()), told, "{text}");
        }
    }

    #[test]
    fn what_is_no_controller_is_refused() {
        for text in ["", "a[1-", "a:0", "a:x", ":5", "[::1]x", "a b", "a\0", "a,a"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_in_a_row_are_shown_as_they_are_written() {
        for word in ["10.0.7.1-20", "10.0.7.1-10.0.7.20"] {
            let refused = parse(word).expect_err(word);
            assert!(refused.ends_with(" are written 10.0.7.[1-20]"), "{refused}");
        }
        for name in ["10.0.7.1-mgmt", "10.0.7.1-10.0.8.2", "bmc-1"] {
            assert_eq!(shown(name), [name]);
        }
    }
}
