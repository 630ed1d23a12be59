//! Host lists: names, ranges, networks, and files that contain them.
//!
//! Used by `winrm -hosts` and `telarch ipmi -H`.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::Ipv4Addr;

/// An invalid host list.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostListError {
    /// The list is empty.
    #[error("no hosts specified")]
    Empty,
    /// A host is listed twice.
    #[error("{host} is listed twice")]
    Duplicate {
        /// Host name.
        host: String,
    },
    /// The list has too many hosts.
    #[error("more than {MOST_HOSTS} hosts")]
    TooMany,
    /// An invalid range.
    #[error("'{word}': invalid range {range}; write a range such as [01-20] or [1,3,7-9]")]
    Range {
        /// Entry that contains the range.
        word: String,
        /// Range with its brackets.
        range: String,
    },
    /// An invalid network, or a network with a prefix shorter than 16 bits.
    #[error("invalid network '{word}'; write a network with a prefix of 16 to 32 bits, such as 10.0.7.0/24")]
    Network {
        /// Entry as typed.
        word: String,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Path of the file.
        path: String,
        /// Cause.
        source: io::Error,
    },
}

/// Parses a host list and returns its hosts in order.
///
/// Entries are separated by commas. `bmc[01-20]` and `rack[1,3]-[1-40]` are ranges, and `10.0.7.0/24` includes every
/// host address of the network. `@FILE` reads a list from a file, where line breaks also separate entries and `#`
/// starts a comment. Brackets that contain a colon enclose an IPv6 address.
///
/// # Errors
/// If the list is empty or malformed, contains a host twice or more than 100,000 hosts, or if the file cannot be read.
pub fn parse(text: &str) -> Result<Vec<String>, HostListError> {
    let mut hosts = Vec::new();
    match text.strip_prefix('@') {
        None => add_hosts(text, &mut hosts)?,
        Some(path) => {
            let mut list = String::new();
            let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut list));
            read.map_err(|source| HostListError::Unreadable { path: path.to_owned(), source })?;
            for line in list.lines() {
                add_hosts(line.split('#').next().unwrap_or_default(), &mut hosts)?;
            }
        }
    }
    reject_duplicates(hosts.iter().cloned())?;
    if hosts.is_empty() { Err(HostListError::Empty) } else { Ok(hosts) }
}

/// Checks that every host is listed once, so that no host runs an operation twice. Case is ignored.
///
/// # Errors
/// [`HostListError::Duplicate`] for the first host that is listed again.
pub fn reject_duplicates(hosts: impl IntoIterator<Item = String>) -> Result<(), HostListError> {
    let mut seen = HashSet::new();
    for host in hosts {
        if !seen.insert(host.to_ascii_lowercase()) {
            return Err(HostListError::Duplicate { host });
        }
    }
    Ok(())
}

/// Expands the entries of a text and appends the hosts.
fn add_hosts(text: &str, hosts: &mut Vec<String>) -> Result<(), HostListError> {
    for word in words(text) {
        let expanded = match network(&word) {
            Some(addresses) => addresses?,
            None => expand_ranges(&word)?,
        };
        if hosts.len() + expanded.len() > MOST_HOSTS {
            return Err(HostListError::TooMany);
        }
        hosts.extend(expanded);
    }
    Ok(())
}

/// Splits a text at commas, except commas in brackets.
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
    words.into_iter().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

/// Returns the host addresses of a network, or `None` if the entry is not an IPv4 address followed by a slash.
fn network(word: &str) -> Option<Result<Vec<String>, HostListError>> {
    let (address, bits) = word.split_once('/')?;
    let address: Ipv4Addr = address.parse().ok()?;
    let Some(bits) = bits.parse::<u32>().ok().filter(|bits| (16..=32).contains(bits)) else {
        return Some(Err(HostListError::Network { word: word.to_owned() }));
    };
    let size = 1_u32 << (32 - bits);
    let first = u32::from(address) & !(size - 1);
    // The first address is the network and the last the broadcast address, except in /31 (RFC 3021) and /32.
    let (skipped, last) = if size > 2 { (1, size - 1) } else { (0, size) };
    Some(Ok((skipped..last).map(|number| Ipv4Addr::from(first + number).to_string()).collect()))
}

/// Returns every name that an entry with ranges denotes.
fn expand_ranges(word: &str) -> Result<Vec<String>, HostListError> {
    let range = word.match_indices('[').find_map(|(place, _)| {
        let (before, rest) = (word.get(..place)?, word.get(place + 1..)?);
        let (inside, after) = rest.split_once(']')?;
        (!inside.contains(':')).then_some((before, inside, after))
    });
    let Some((before, inside, after)) = range else { return Ok(vec![word.to_owned()]) };
    let tails = expand_ranges(after)?;
    let mut names = Vec::new();
    for part in inside.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let bounds = first.parse().ok().zip(last.parse().ok());
        let Some((low, high)) = bounds.filter(|(low, high): &(usize, usize)| low <= high) else {
            return Err(HostListError::Range { word: word.to_owned(), range: format!("[{inside}]") });
        };
        let more = (high - low).saturating_add(1).saturating_mul(tails.len());
        if names.len().saturating_add(more) > MOST_HOSTS {
            return Err(HostListError::TooMany);
        }
        let width = first.len();
        for number in low..=high {
            names.extend(tails.iter().map(|tail| format!("{before}{number:0width$}{tail}")));
        }
    }
    Ok(names)
}

/// Maximum size of a host list file in bytes.
const LARGEST: u64 = 16 * 1_024 * 1_024;
const MOST_HOSTS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn ranges_are_expanded() {
        assert_eq!(read("a, b:99"), ["a", "b:99"]);
        assert_eq!(read("n[08-10].x:7"), ["n08.x:7", "n09.x:7", "n10.x:7"]);
        assert_eq!(read("r[1,3]n[1-2],z"), ["r1n1", "r1n2", "r3n1", "r3n2", "z"]);
        assert_eq!(read("[2001:db8::1]:99,[::1],fe80::1"), ["[2001:db8::1]:99", "[::1]", "fe80::1"]);
        assert_eq!(read("[2001:db8::1]:9[0-1]"), ["[2001:db8::1]:90", "[2001:db8::1]:91"]);
        assert_eq!(read("http://n[1-2]:5985/wsman"), ["http://n1:5985/wsman", "http://n2:5985/wsman"]);
    }

    #[test]
    fn networks_are_expanded_to_host_addresses() {
        assert_eq!(read("10.0.7.5/30"), ["10.0.7.5", "10.0.7.6"]);
        assert_eq!(read("10.0.7.5/31"), ["10.0.7.4", "10.0.7.5"]);
        assert_eq!(read("10.0.7.5/32"), ["10.0.7.5"]);
        assert_eq!(read("10.0.0.0/16").len(), 65_534);
        assert_eq!(read("255.255.255.255/24").len(), 254);
    }

    #[test]
    fn files_contain_lists_on_several_lines() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "# rack 1\na[1-2], b # the old one\n\nc\n").expect("written");
        assert_eq!(read(&format!("@{}", file.path().display())), ["a1", "a2", "b", "c"]);
    }

    #[test]
    fn invalid_lists_are_rejected() {
        for (text, part) in [
            ("", "no hosts"),
            (",", "no hosts"),
            ("a[2-1]", "[2-1]"),
            ("a[x]", "[x]"),
            ("a[]", "[]"),
            ("a,A", "A is listed twice"),
            ("a[1-2],a2", "a2 is listed twice"),
            ("a[0-99999999999]", "more than 100000"),
            ("a[1-999][1-999]", "more than 100000"),
            ("10.0.0.0/8", "network"),
            ("10.0.0.0/x", "network"),
            ("@/nonexistent", "cannot read /nonexistent: "),
        ] {
            let error = parse(text).map(|hosts| hosts.len()).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
