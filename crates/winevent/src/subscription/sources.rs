//! Sources of a subscription.

use std::fmt;

use zeroize::Zeroizing;

use crate::WinEventError;

/// Default of [`crate::Subscription::domain_sources`]: domain computers, and the network service.
pub const DEFAULT_DOMAIN_SOURCES: &str = "O:NSG:NSD:(A;;GA;;;DC)(A;;GA;;;NS)";
/// Maximum number of sources, of certificate authorities and of subjects in one list.
pub const MAX_SOURCES: usize = 20_000;
/// Maximum length of an address, a name or a pattern in bytes.
const MAX_NAME: usize = 1_024;

/// Source to which the collector connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSource {
    /// Host name or address.
    pub address: String,
    /// Whether the collector connects to the source.
    pub enabled: bool,
    /// User name for the source; `None` means the common credentials.
    pub user_name: Option<String>,
    /// Password of that user.
    pub password: Option<Password>,
}

impl EventSource {
    /// Returns an enabled source without credentials of its own.
    ///
    /// # Errors
    /// [`WinEventError`] if the address is empty, too long, or contains white space or control characters.
    pub fn new(address: &str) -> Result<Self, WinEventError> {
        let address = address.trim();
        if address.is_empty() {
            return Err(WinEventError::Missing { field: "Address" });
        }
        if address.len() > MAX_NAME || address.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(WinEventError::value("Address", address, "a host name or an IP address"));
        }
        Ok(Self { address: address.to_owned(), enabled: true, user_name: None, password: None })
    }

    /// Parses a user name, such as `CORP\\ada`.
    ///
    /// # Errors
    /// [`WinEventError::Value`] if it is empty, too long, or contains control characters.
    pub fn parse_user_name(field: &'static str, text: &str) -> Result<String, WinEventError> {
        let text = text.trim();
        if text.is_empty() || text.len() > MAX_NAME || text.contains(char::is_control) {
            return Err(WinEventError::value(field, text, "a user name without control characters"));
        }
        Ok(text.to_owned())
    }
}

/// Password of a source. It is overwritten when dropped and hidden in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Maximum length of a password in bytes.
    pub const MAX: usize = 4_096;

    /// Wraps a password.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the password.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Rules for sources that sign in with certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NonDomainSources {
    /// Certificate authorities whose certificates are accepted.
    pub issuers: Vec<Thumbprint>,
    /// Subjects that may subscribe.
    pub allowed: Vec<SubjectPattern>,
    /// Subjects that may not subscribe, even if they are allowed by a pattern.
    pub denied: Vec<SubjectPattern>,
}

impl NonDomainSources {
    /// Returns whether a source with this name in its certificate may subscribe: an allowed pattern matches
    /// and no denied one.
    #[must_use]
    pub fn is_allowed(&self, name: &str) -> bool {
        self.allowed.iter().any(|pattern| pattern.matches(name))
            && !self.denied.iter().any(|pattern| pattern.matches(name))
    }
}

/// SHA-1 thumbprint of a certificate authority.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint([u8; 20]);

impl Thumbprint {
    /// Wraps a SHA-1 hash.
    #[must_use]
    pub fn new(hash: [u8; 20]) -> Self {
        Self(hash)
    }

    /// Parses 40 hexadecimal digits. White space and colons between them are ignored, as is the mark that the
    /// certificate dialogue of Windows puts in front (U+200E).
    ///
    /// # Errors
    /// [`WinEventError::Value`] for any other text.
    pub fn parse(text: &str) -> Result<Self, WinEventError> {
        let wrong = || WinEventError::value("IssuerCA", text, "a SHA-1 thumbprint of 40 hexadecimal digits");
        let mut digits = text.chars().filter(|c| !is_separator(*c)).map(|c| c.to_digit(16));
        let mut hash = [0; 20];
        for byte in &mut hash {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return Err(wrong());
            };
            *byte = u8::try_from(high * 16 + low).map_err(|_| wrong())?;
        }
        if digits.next().is_some() { Err(wrong()) } else { Ok(Self(hash)) }
    }

    /// Returns the hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

/// Pattern for the names of sources: DNS names in which `*` matches any number of characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubjectPattern(
    /// INVARIANT: not empty, at most [`MAX_NAME`] bytes, no control characters.
    String,
);

impl SubjectPattern {
    /// Parses a pattern; white space at both ends is removed.
    ///
    /// # Errors
    /// [`WinEventError`] for an empty or too long pattern, or one with control characters.
    pub fn parse(text: &str) -> Result<Self, WinEventError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(WinEventError::Missing { field: "Subject" });
        }
        if text.len() > MAX_NAME || text.contains(char::is_control) {
            return Err(WinEventError::value("Subject", text, "a name, with * for any characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether a name matches, without regard to the case of ASCII letters.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| strip_prefix(name, first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // The leftmost match of each part leaves most of the name for the others.
        for part in parts {
            let Some(after) = after_first(rest, part) else { return false };
            rest = after;
        }
        let start = rest.len().checked_sub(last.len());
        start.and_then(|start| rest.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(last))
    }
}

fn strip_prefix<'n>(name: &'n str, prefix: &str) -> Option<&'n str> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn after_first<'n>(name: &'n str, part: &str) -> Option<&'n str> {
    let starts = name.char_indices().map(|(at, _)| at).chain([name.len()]);
    starts.filter_map(|at| name.get(at..)).find_map(|rest| strip_prefix(rest, part))
}

/// Returns whether the character may stand between the digits of a thumbprint.
fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, ':' | '\u{200e}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_without_regard_to_case() {
        let matches = |pattern: &str, name: &str| SubjectPattern::parse(pattern).unwrap().matches(name);
        assert!(matches("*.contoso.com", "Web1.CONTOSO.com"));
        assert!(matches("*", ""));
        assert!(matches("web*.contoso.*", "web12.contoso.org"));
        assert!(matches("a*b*b", "abb"));
        assert!(matches("host", "HOST"));
        assert!(!matches("a*b*b", "ab"));
        assert!(!matches("ab*ba", "aba"));
        assert!(!matches("*.contoso.com", "contoso.com"));
        assert!(!matches("host", "host2"));
    }

    #[test]
    fn denied_subjects_override_allowed_ones() {
        let list = |text: &str| vec![SubjectPattern::parse(text).unwrap()];
        let rules = NonDomainSources { issuers: vec![], allowed: list("*.a"), denied: list("x.*") };
        assert!(rules.is_allowed("y.a"));
        assert!(!rules.is_allowed("x.a"));
        assert!(!NonDomainSources::default().is_allowed("x.a"));
    }

    #[test]
    fn thumbprints_are_read_in_every_layout() {
        let text = "00 11:22 33 44 55 66 77 88 99 aa bb cc dd ee ff 00 11 22 33";
        let thumbprint = Thumbprint::parse(text).unwrap();
        assert_eq!(thumbprint.to_string(), "00112233445566778899AABBCCDDEEFF00112233");
        assert_eq!(Thumbprint::parse(&thumbprint.to_string()), Ok(thumbprint));
        for wrong in ["", "0011", "zz112233445566778899AABBCCDDEEFF00112233", &format!("{text}0")] {
            assert!(Thumbprint::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
