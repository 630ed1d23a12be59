//! Mailboxes of senders and recipients (RFC 5322 3.4), in their usual form: an address with or without a
//! name.

use super::encoded_word::encoded;

/// A mailbox; cannot contain characters that end a line or a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    name: String,
    /// INVARIANT: a dot-atom, `@` and a domain, all in ASCII.
    address: String,
}

/// Maximum length of a path that every server accepts, without its brackets (RFC 5321 4.5.3.1.3).
const LONGEST: usize = 254;

impl Mailbox {
    /// Parses `alice@example.com` or `Alice <alice@example.com>`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>') {
            Some(rest) => rest.rsplit_once('<')?,
            None => ("", text),
        };
        let name = name.trim().trim_matches('"');
        let (local, domain) = address.rsplit_once('@')?;
        let is_right = is_dot_atom(local) && local.len() <= 64 && is_domain(domain);
        let is_whole = is_right && address.len() <= LONGEST && !name.contains(['<', '>', '"']);
        (is_whole && !name.chars().any(char::is_control))
            .then(|| Self { name: name.to_owned(), address: address.to_owned() })
    }

    /// Returns the address without the name.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the mailbox as written in a header.
    pub(super) fn header(&self) -> String {
        if self.name.is_empty() {
            return self.address.clone();
        }
        // Encoded words contain only characters of atoms.
        let is_plain =
            self.name.len() <= 60 && self.name.split(' ').all(is_atom) && !self.name.contains("=?");
        let name = if is_plain { self.name.clone() } else { encoded(&self.name) };
        format!("{name}\r\n <{}>", self.address)
    }
}

/// Returns whether the text is a DNS name, or an address in brackets (RFC 5321 4.1.2).
pub(super) fn is_domain(text: &str) -> bool {
    if let Some(literal) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let version_6 = literal.strip_prefix("IPv6:");
        return version_6.map_or_else(
            || literal.parse::<std::net::Ipv4Addr>().is_ok(),
            |literal| literal.parse::<std::net::Ipv6Addr>().is_ok(),
        );
    }
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(is_atom)
}

/// Returns whether the text is an atom (RFC 5322 3.2.3).
fn is_atom(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_mailboxes_are_parsed() {
        let header =
            |text| Mailbox::parse(text).map(|mailbox| (mailbox.address().to_owned(), mailbox.header()));
        let both = |address: &str, header: &str| Some((address.to_owned(), header.to_owned()));
        assert_eq!(header(" a.b+c@example.com "), both("a.b+c@example.com", "a.b+c@example.com"));
        assert_eq!(header("Alice B <a@[192.0.2.1]>"), both("a@[192.0.2.1]", "Alice B\r\n <a@[192.0.2.1]>"));
        assert_eq!(header("\"Müller\" <a@b>"), both("a@b", "=?UTF-8?B?TcO8bGxlcg==?=\r\n <a@b>"));
        assert_eq!(
            header("=?UTF-8?Q?Boss?= <a@b>"),
            both("a@b", "=?UTF-8?B?PT9VVEYtOD9RP0Jvc3M/PQ==?=\r\n <a@b>"),
            "an encoded word in the name is not decoded by mail programs"
        );
        for wrong in [
            "",
            "a",
            "@b",
            "a@",
            "a@b c",
            "a@b,c@d",
            "a@b\r\nRCPT TO:<c@d>",
            "<a@b> x",
            "a@b>",
            "x\r\nBcc: c@d <a@b>",
            "a..b@c",
            "ä@b",
            "a@-b",
            "a@[::1]",
            "a<b@c>d <e@f>",
        ] {
            assert_eq!(header(wrong), None, "{wrong:?}");
        }
        assert_eq!(header(&format!("{}@b", "a".repeat(65))), None);
    }
}
