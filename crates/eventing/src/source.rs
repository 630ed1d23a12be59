//! Event sources: their authenticated identities.

use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sddl::Token;
use sha2::{Digest as _, Sha256};
use winevent::subscription::Thumbprint;

use crate::identity::is_same_host;

/// Event source, identified by what it has proven, never by what its messages say.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name of the source: that of its certificate, or that of its account. In lower case.
    pub name: String,
    /// Proof of the name.
    pub kind: SourceKind,
    /// Address of the connection; `None` if the collector has connected to the source by its name.
    pub address: Option<IpAddr>,
}

/// Proof of a source's name.
#[derive(Clone, Debug)]
pub enum SourceKind {
    /// A certificate of an authority that is trusted for events.
    Certificate {
        /// Authority directly above the certificate.
        issuer: Thumbprint,
        /// All names in the certificate that may match a list of subjects.
        subjects: Vec<String>,
    },
    /// The address to which the collector has connected.
    Address,
    /// An account, by Kerberos or another scheme.
    Account {
        /// SIDs of the account.
        token: Box<Token>,
        /// Whether the account is that of a computer, whose name ends with `$`.
        is_computer: bool,
    },
}

impl Source {
    /// Returns the source of a computer account or user account. The `$` at the end of computer accounts and the realm
    /// are not part of the name.
    #[must_use]
    pub fn of_account(account: &str, token: Token, address: IpAddr) -> Self {
        let name = account.split('@').next().unwrap_or(account);
        let is_computer = name.ends_with('$') || name.starts_with("host/");
        let kind = SourceKind::Account { token: Box::new(token), is_computer };
        Self { name: host_of(account), kind, address: Some(address) }
    }

    /// Returns the source to which the collector connects at this host name or address.
    #[must_use]
    pub fn of_address(address: &str) -> Self {
        let name = address.trim().to_ascii_lowercase();
        let address = name.trim_matches(['[', ']']).parse().ok();
        Self { name, kind: SourceKind::Address, address }
    }

    /// Returns whether events of a computer may be those of this source itself. An IP address does not tell the name of
    /// the computer.
    #[must_use]
    pub(crate) fn may_be(&self, computer: &str) -> bool {
        let is_nameless = self.address.is_some() || self.name == "localhost";
        (matches!(self.kind, SourceKind::Address) && is_nameless) || is_same_host(&self.name, computer)
    }

    /// Returns the address for reports: that of the connection, or the name to which the collector connects.
    #[must_use]
    pub(crate) fn remote(&self) -> String {
        self.address.map_or_else(|| self.name.clone(), |address| address.to_string())
    }

    /// Returns the source of a certificate with these names, the first of which identifies it; `None` without a name.
    #[must_use]
    pub fn of_certificate(subjects: Vec<String>, issuer: Thumbprint, address: IpAddr) -> Option<Self> {
        let name = subjects.first().map(|name| name.trim().to_ascii_lowercase())?;
        let is_usable = !name.is_empty() && name.len() <= MAX_NAME && !name.contains(char::is_control);
        let kind = SourceKind::Certificate { issuer, subjects };
        is_usable.then_some(Self { name, kind, address: Some(address) })
    }

    /// Identifier in the store, which includes the kind of the proof.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}:{}", self.proof(), self.name)
    }

    /// Kind of the proof in the store.
    #[must_use]
    pub fn proof(&self) -> &'static str {
        match self.kind {
            SourceKind::Certificate { .. } => "certificate",
            SourceKind::Address => "address",
            SourceKind::Account { .. } => "account",
        }
    }

    /// Returns a file name for the source, at most 255 bytes long: its name, in which characters that file systems or
    /// programs interpret are percent-encoded. Different sources have different file names.
    #[must_use]
    pub fn file_name(&self) -> String {
        let name = file_name_of(&self.name);
        match self.kind {
            SourceKind::Certificate { .. } => format!("{name}.tls"),
            SourceKind::Address => format!("{name}.address"),
            SourceKind::Account { .. } => format!("{name}.account"),
        }
    }
}

/// Returns a name as part of a file name; the end of a long one is replaced by its hash.
pub(crate) fn file_name_of(name: &str) -> String {
    let mut encoded = utf8_percent_encode(name, FILE_NAME).to_string();
    if encoded.starts_with('.') {
        // A file whose name begins with a dot is hidden.
        encoded.replace_range(..1, "%2E");
    }
    if encoded.len() > LONGEST_NAME {
        let digest = Sha256::digest(name);
        encoded.truncate(LONGEST_NAME - 2 * digest.len());
        encoded.extend(digest.iter().map(|byte| format!("{byte:02X}")));
    }
    encoded
}

/// Characters that a file name encodes.
const FILE_NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
/// Maximum length of the encoded name in bytes; file names have at most 255, and hidden files beside them need some.
const LONGEST_NAME: usize = 240;

fn host_of(account: &str) -> String {
    let name = account.rsplit('\\').next().unwrap_or(account);
    let name = name.split('@').next().unwrap_or(name);
    let name = name.strip_prefix("host/").unwrap_or(name);
    name.trim_end_matches('$').to_ascii_lowercase()
}

/// Maximum length of the name of a source in bytes.
const MAX_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_of_computers_are_named_like_the_computer() {
        for (account, name) in [
            ("WIN10$", "win10"),
            ("CORP\\WIN10$", "win10"),
            ("WIN10$@CORP.EXAMPLE", "win10"),
            ("host/win10.corp.example@CORP.EXAMPLE", "win10.corp.example"),
            ("ada", "ada"),
        ] {
            assert_eq!(host_of(account), name, "{account}");
        }
    }

    #[test]
    fn a_computer_is_compared_with_the_name_of_a_source_and_not_with_its_address() {
        let named = Source::of_address("Web1.Example");
        assert!(named.may_be("WEB1") && !named.may_be("web2"));
        assert_eq!((named.id().as_str(), named.remote().as_str()), ("address:web1.example", "web1.example"));
        for address in ["192.0.2.7", "[2001:db8::1]", "localhost"] {
            assert!(Source::of_address(address).may_be("web2"), "{address}");
        }
        assert_eq!(Source::of_address("[2001:DB8::1]").remote(), "2001:db8::1");
        assert_eq!(Source::of_address("web1").file_name(), "web1.address");
    }

    #[test]
    fn file_names_cannot_leave_their_folder() {
        let of = |name: &str| {
            let issuer = Thumbprint::new([0; 20]);
            Source::of_certificate(vec![name.to_owned()], issuer, [127, 0, 0, 1].into())
                .map(|s| s.file_name())
        };
        let expected = [
            ("../etc/x", "%2E.%2Fetc%2Fx.tls"),
            ("a.b-c", "a.b-c.tls"),
            ("A b", "a%20b.tls"),
            ("a_b", "a_b.tls"),
        ];
        for (name, expected) in expected {
            assert_eq!(of(name).unwrap(), expected);
        }
        let long = "ö".repeat(120);
        let (one, other) = (of(&long).unwrap(), of(&format!("{long}x")).unwrap());
        assert!(one.len() <= 255 && other.len() <= 255 && one != other, "{one} {other}");
        assert_eq!(of(" "), None);
    }
}
