//! Lists of hosts as people write them: names, ranges, networks, and files of them.
//!
//! `winrm -hosts` and `telarch ipmi -H` read the same lists.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::Ipv4Addr;

/// Why a text is no list of hosts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostListError {
    /// There is none in it.
    #[error("no host is named")]
    Empty,
    /// One is there twice.
    #[error("{host} is listed twice")]
    Twice {
        /// Which.
        host: String,
    },
    /// There are too many.
    #[error("more than {MOST_HOSTS} hosts at once")]
    TooMany,
    /// A range or network that is none.
    #[error("{word:?}: {range} is no range such as [01-20] or [1,3,7-9]")]
    Range {
        /// Where it stands.
        word: String,
        /// What it is.
        range: String,
    },
    /// A network that is none, or that is larger than anybody means.
    #[error("{word:?} is no network of 16 to 32 bits, such as 10.0.7.0/24")]
    Network {
        /// What it is.
        word: String,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Its path.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// The hosts of a list, in its order.
///
/// Names are separated by commas; `bmc[01-20]` and `rack[1,3]-[1-40]` are ranges, `10.0.7.0/24` is every address that
/// a host of that network can have, and `@FILE` is a file with such a list, where lines separate, too, and `#` begins
/// a comment. What stands in brackets and has a colon is an address of IPv6.
///
/// # Errors
/// When it names nobody, somebody twice, or more than 100000; and when the file cannot be read.
pub fn parse(text: &str) -> Result<Vec<String>, HostListError> {
    let mut hosts = Vec::new();
    match text.strip_prefix('@') {
        None => gather(text, &mut hosts)?,
        Some(path) => {
            let mut list = String::new();
            let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut list));
            read.map_err(|source| HostListError::Unreadable { path: path.to_owned(), source })?;
            for line in list.lines() {
                gather(line.split('#').next().unwrap_or_default(), &mut hosts)?;
            }
        }
    }
    each_once(hosts.iter().cloned())?;
    if hosts.is_empty() { Err(HostListError::Empty) } else { Ok(hosts) }
}

/// Whether each is named once: who is named twice would be told twice to do the same.
///
/// # Errors
/// When one is there again, however it is written.
pub fn each_once(hosts: impl IntoIterator<Item = String>) -> Result<(), HostListError> {
    let mut known = HashSet::new();
    for host in hosts {
        if !known.insert(host.to_ascii_lowercase()) {
            return Err(HostListError::Twice { host });
        }
    }
    Ok(())
}

fn gather(text: &str, hosts: &mut Vec<String>) -> Result<(), HostListError> {
    for word in words(text) {
        let named = match network(&word) {
            Some(named) => named?,
            None => expanded(&word)?,
        };
        if hosts.len() + named.len() > MOST_HOSTS {
            return Err(HostListError::TooMany);
        }
        hosts.extend(named);
    }
    Ok(())
}

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
    words.into_iter().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

/// The hosts of a network; none if the word is no address with a slash behind it.
fn network(word: &str) -> Option<Result<Vec<String>, HostListError>> {
    let (address, bits) = word.split_once('/')?;
    let address: Ipv4Addr = address.parse().ok()?;
    let wrong = || HostListError::Network { word: word.to_owned() };
    let Some(bits) = bits.parse::<u32>().ok().filter(|bits| (16..=32).contains(bits)) else {
        return Some(Err(wrong()));
    };
    let size = 1_u32 << (32 - bits);
    let first = u32::from(address) & !(size - 1);
    // The first is the network itself and the last is everybody, unless there are one or two only (RFC 3021).
    let (skipped, last) = if size > 2 { (1, size - 1) } else { (0, size) };
    Some(Ok((skipped..last).map(|number| Ipv4Addr::from(first + number).to_string()).collect()))
}

/// A name with its ranges written out.
fn expanded(word: &str) -> Result<Vec<String>, HostListError> {
    let range = word.match_indices('[').find_map(|(place, _)| {
        let (before, rest) = (word.get(..place)?, word.get(place + 1..)?);
        let (inside, after) = rest.split_once(']')?;
        (!inside.contains(':')).then_some((before, inside, after))
    });
    let Some((before, inside, after)) = range else { return Ok(vec![word.to_owned()]) };
    let wrong = || HostListError::Range { word: word.to_owned(), range: format!("[{inside}]") };
    let tails = expanded(after)?;
    let mut names = Vec::new();
    for part in inside.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (low, high): (usize, usize) =
            (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
        if high < low {
            return Err(wrong());
        }
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

/// More than any list of hosts that somebody wrote, in octets.
const LARGEST: u64 = 16 * 1_024 * 1_024;
const MOST_HOSTS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn ranges_are_written_out() {
        assert_eq!(read("a, b:99"), ["a", "b:99"]);
        assert_eq!(read("n[08-10].x:7"), ["n08.x:7", "n09.x:7", "n10.x:7"]);
        assert_eq!(read("r[1,3]n[1-2],z"), ["r1n1", "r1n2", "r3n1", "r3n2", "z"]);
        assert_eq!(read("[2001:db8::1]:99,[::1],fe80::1"), ["[2001:db8::1]:99", "[::1]", "fe80::1"]);
        assert_eq!(read("[2001:db8::1]:9[0-1]"), ["[2001:db8::1]:90", "[2001:db8::1]:91"]);
        assert_eq!(read("http://n[1-2]:5985/wsman"), ["http://n1:5985/wsman", "http://n2:5985/wsman"]);
    }

    #[test]
    fn networks_are_the_hosts_they_have() {
        assert_eq!(read("10.0.7.5/30"), ["10.0.7.5", "10.0.7.6"]);
        assert_eq!(read("10.0.7.5/31"), ["10.0.7.4", "10.0.7.5"]);
        assert_eq!(read("10.0.7.5/32"), ["10.0.7.5"]);
        assert_eq!(read("10.0.0.0/16").len(), 65_534);
        assert_eq!(read("255.255.255.255/24").len(), 254);
    }

    #[test]
    fn files_have_lists_in_lines() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "# rack 1\na[1-2], b # the old one\n\nc\n").expect("written");
        assert_eq!(read(&format!("@{}", file.path().display())), ["a1", "a2", "b", "c"]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for (text, part) in [
            ("", "no host"),
            (",", "no host"),
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
