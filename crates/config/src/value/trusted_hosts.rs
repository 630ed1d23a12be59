use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;
use std::sync::Arc;

use super::{Kind, Value, malformed};
use crate::Reason;

/// Hosts that clients may connect to without verifying the identity of the host.
///
/// `*` means every host. Otherwise names and addresses separated by commas: a name may begin or end with `*`,
/// `<local>` means every name without a dot that is not a number, and IPv6 addresses are enclosed in brackets. Case
/// is ignored. At most 10 000 entries of 255 characters.
#[derive(Clone, Default)]
pub struct TrustedHosts {
    /// Unchanged, because clients compare the text they read with the text they wrote.
    text: Arc<str>,
    patterns: Arc<[Pattern]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    Local,
    Exact(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Address(Ipv6Addr),
}

impl TrustedHosts {
    const MAX_ENTRIES: usize = 10_000;
    const MAX_LENGTH: usize = 255;

    /// Returns whether the list contains the host, a name or an address with or without brackets.
    #[must_use]
    pub fn trusts(&self, host: &str) -> bool {
        let host = bare(host).to_ascii_lowercase();
        let address = host.parse::<Ipv6Addr>().ok();
        self.patterns.iter().any(|pattern| match pattern {
            Pattern::Any => true,
            Pattern::Local => !host.is_empty() && !host.contains(['.', ':']) && !is_number(&host),
            Pattern::Exact(name) => host == *name,
            Pattern::StartsWith(head) => host.starts_with(head),
            Pattern::EndsWith(tail) => host.ends_with(tail),
            Pattern::Contains(part) => host.contains(part),
            Pattern::Address(listed) => address == Some(*listed),
        })
    }

    /// Returns whether no host is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

impl Value for TrustedHosts {
    const KIND: Kind = Kind::Text {
        expected: "a list of hosts separated by commas, each a name with * only first or last, \
                   an address (IPv6 in brackets), or <local>",
    };

    fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let mut patterns = Vec::new();
        for entry in text.split(',') {
            if patterns.len() == Self::MAX_ENTRIES {
                return Err(malformed(text, "a list of at most 10000 hosts"));
            }
            let entry = entry.trim();
            patterns.push(Pattern::parse(entry).ok_or_else(|| malformed(entry, Self::KIND.expected()))?);
        }
        Ok(Self { text: text.into(), patterns: patterns.into() })
    }

    fn show(&self) -> Cow<'_, str> {
        (*self.text).into()
    }
}

impl Pattern {
    fn parse(entry: &str) -> Option<Self> {
        if entry.len() > TrustedHosts::MAX_LENGTH {
            return None;
        }
        if entry == "*" {
            return Some(Self::Any);
        }
        if entry.eq_ignore_ascii_case("<local>") {
            return Some(Self::Local);
        }
        if entry.starts_with('[') {
            let inside = bare(entry);
            return if inside == entry { None } else { inside.parse().ok().map(Self::Address) };
        }
        let entry = entry.to_ascii_lowercase();
        let (leading, rest) = entry.strip_prefix('*').map_or((false, entry.as_str()), |rest| (true, rest));
        let (trailing, part) = rest.strip_suffix('*').map_or((false, rest), |rest| (true, rest));
        let fits =
            !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
        let part = fits.then(|| part.to_owned())?;
        Some(match (leading, trailing) {
            (false, false) => Self::Exact(part),
            (false, true) => Self::StartsWith(part),
            (true, false) => Self::EndsWith(part),
            (true, true) => Self::Contains(part),
        })
    }
}

/// Returns whether resolvers interpret a name as an IPv4 address: `0x0a000001` is 10.0.0.1 (inet_aton(3)).
fn is_number(host: &str) -> bool {
    match host.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|c| c.is_ascii_hexdigit()),
        None => host.bytes().all(|c| c.is_ascii_digit()),
    }
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

impl PartialEq for TrustedHosts {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TrustedHosts {}

impl fmt::Display for TrustedHosts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for TrustedHosts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> TrustedHosts {
        <TrustedHosts as Value>::parse(text).unwrap()
    }

    #[test]
    fn no_host_is_trusted_by_default() {
        assert!(TrustedHosts::default().is_empty());
        assert!(!hosts("").trusts("server"));
    }

    #[test]
    fn each_form_of_entry_matches_only_its_hosts() {
        let list = hosts("server01, *.Contoso.com ,10.1.*,*lab*,[0:0:0:0:0:0:0:1]");
        for trusted in ["SERVER01", "a.contoso.com", "10.1.2.3", "mylab7", "::1", "[::1]"] {
            assert!(list.trusts(trusted), "{trusted}");
        }
        for stranger in ["server011", "contoso.com", "a.contoso.com.evil", "110.1.2.3", "::2", ""] {
            assert!(!list.trusts(stranger), "{stranger}");
        }
        assert!(hosts("*").trusts("anything.at.all"));
    }

    #[test]
    fn local_matches_names_without_a_dot_and_no_addresses() {
        let list = hosts("<LOCAL>");
        assert!(list.trusts("server"));
        for stranger in ["", "server.contoso.com", "server.", "10.0.0.1", "fe80::1", "[fe80::1]"] {
            assert!(!list.trusts(stranger), "{stranger}");
        }
        for address in ["167772161", "0x0a000001", "0X0A000001", "0"] {
            assert!(!list.trusts(address), "{address} is an address to a resolver");
        }
        for name in ["localhost", "0xbeer", "node7", "7node", "face"] {
            assert!(list.trusts(name), "{name}");
        }
    }

    #[test]
    fn lists_match_hosts_as_in_the_table() {
        for (list, host, trusted) in [
            ("*", "", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.10", false),
            ("10.0.0.*", "10.0.0.255", true),
            ("10.0.0.*", "10.0.1.1", false),
            ("*.corp.example", ".corp.example", true),
            ("*.corp.example", "corp.example", false),
            ("*.corp.example", "evilcorp.example", false),
            ("web*", "WEB-7.corp.example", true),
            ("web*", "aweb", false),
            ("[fe80::1]", "fe80:0::0:1", true),
            ("[FE80::1]", "[fe80::1]", true),
            ("[fe80::1]", "fe80::1%eth0", false),
            ("[::1]", "::ffff:127.0.0.1", false),
            ("[fe80::1]", "fe80", false),
            ("a,<local>,[::2]", "b", true),
            ("a,<local>,[::2]", "b.c", false),
            ("a,<local>,[::2]", "[::2]", true),
            ("bücher.example", "Bücher.EXAMPLE", true),
        ] {
            assert_eq!(hosts(list).trusts(host), trusted, "{list} {host}");
        }
    }

    #[test]
    fn the_original_list_is_kept() {
        assert_eq!(hosts(" A*, *b ").show(), "A*, *b");
    }

    #[test]
    fn invalid_entries_are_rejected() {
        for wrong in
            ["a,,b", "a b", "a*b", "**", "http://server", "server:5985", "[server]", "[::1", "<other>", ","]
        {
            assert!(<TrustedHosts as Value>::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
