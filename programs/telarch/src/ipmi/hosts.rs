//! Names of controllers, with their ports.

use std::fmt;

use cli::host_list;

/// A controller: how it was named, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

impl Host {
    /// Whether it is the controller of this machine, which its driver asks.
    pub(super) fn is_local(&self) -> bool {
        self.name == "local"
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        match (name.contains(':'), *port) {
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
    let port = |text: &str| {
        text.parse().ok().filter(|port| *port != 0).ok_or_else(|| format!("{word:?}: {text:?} is no port"))
    };
    if let Some(rest) = word.strip_prefix('[') {
        let Some((name, rest)) = rest.split_once(']') else { return Err(format!("{word:?}: ] is missing")) };
        let port = match rest.strip_prefix(':') {
            Some(text) => port(text)?,
            None if rest.is_empty() => ipmi::PORT,
            None => return Err(format!("{word:?}: {rest:?} is too much")),
        };
        return Ok(Host { name: name.to_owned(), port });
    }
    if word.contains(['[', ']'])
        || word.contains(|letter: char| letter.is_whitespace() || letter.is_control())
    {
        return Err(format!("{word:?} is no name"));
    }
    match word.split_once(':') {
        // An IPv6 address without brackets.
        Some((_, rest)) if rest.contains(':') => Ok(Host { name: word.to_owned(), port: ipmi::PORT }),
        Some(("", _)) => Err(format!("{word:?} has no name")),
        Some((name, text)) => Ok(Host { name: name.to_owned(), port: port(text)? }),
        None => Ok(Host { name: word.to_owned(), port: ipmi::PORT }),
    }
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
    fn what_is_no_controller_is_refused() {
        for text in ["", "a[1-", "a:0", "a:x", ":5", "[::1]x", "a b", "a\0", "a,a"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
