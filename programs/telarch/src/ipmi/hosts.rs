//! Names of controllers, with ranges.

use std::fmt;

/// A controller: how it was named, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
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

/// Reads `a,b:6230,c[01-20].example,[2001:db8::1]:623`.
pub(super) fn parse(text: &str) -> Result<Vec<Host>, String> {
    let mut hosts = Vec::new();
    for word in words(text) {
        for name in expanded(&word)? {
            hosts.push(host(&name)?);
            if hosts.len() > MOST_HOSTS {
                return Err(format!("these are more than {MOST_HOSTS} controllers"));
            }
        }
    }
    if hosts.is_empty() { Err("no controller is named".to_owned()) } else { Ok(hosts) }
}

/// More would hardly be meant.
const MOST_HOSTS: usize = 65_536;

/// What stands between commas, but for those in brackets.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut depth) = (vec![String::new()], 0_u32);
    for letter in text.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                words.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(word) = words.last_mut() {
            word.push(letter);
        }
    }
    words.retain(|word| !word.trim().is_empty());
    words
}

/// A name with its first range written out; what is in brackets and has a colon is an address.
fn expanded(word: &str) -> Result<Vec<String>, String> {
    let word = word.trim();
    let range = word.split_once('[').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once(']')?;
        (!inside.contains(':')).then_some((before, inside, after))
    });
    let Some((before, inside, after)) = range else { return Ok(vec![word.to_owned()]) };
    let wrong = || format!("{word:?}: [{inside}] is no range such as [01-20] or [1,3,7-9]");
    let mut names = Vec::new();
    for part in inside.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (low, high): (usize, usize) =
            (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
        if high < low || high - low >= MOST_HOSTS || names.len() > MOST_HOSTS {
            return Err(wrong());
        }
        let width = first.len();
        names.extend((low..=high).map(|number| format!("{before}{number:0width$}{after}")));
    }
    // A second range, if there is one.
    let mut all = Vec::new();
    for name in names {
        all.extend(expanded(&name)?);
        if all.len() > MOST_HOSTS {
            return Err(format!("{word:?} is more than {MOST_HOSTS} controllers"));
        }
    }
    Ok(all)
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
    if word.contains(['[', ']']) || word.contains(char::is_whitespace) {
        return Err(format!("{word:?} is no name"));
    }
    match word.split_once(':') {
        Some(("", _)) => Err(format!("{word:?} has no name")),
        // An IPv6 address without brackets.
        Some((_, rest)) if rest.contains(':') => Ok(Host { name: word.to_owned(), port: ipmi::PORT }),
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
    fn ranges_are_written_out() {
        assert_eq!(shown("a, b:99"), ["a", "b:99"]);
        assert_eq!(shown("n[08-10].x:7"), ["n08.x:7", "n09.x:7", "n10.x:7"]);
        assert_eq!(shown("r[1,3]n[1-2],z"), ["r1n1", "r1n2", "r3n1", "r3n2", "z"]);
        assert_eq!(shown("[2001:db8::1]:99,[::1],fe80::1"), ["[2001:db8::1]:99", "::1", "fe80::1"]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            ",",
            "a[1-",
            "a[2-1]",
            "a[x]",
            "a:0",
            "a:x",
            ":5",
            "a[0-99999999]",
            "[::1]x",
            "a[1-999][1-999]",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
