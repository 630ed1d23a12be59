//! Event sources: their authenticated identities.

use std::net::IpAddr;

use sddl::Token;
use winevent::subscription::Thumbprint;

/// Event source, identified by what it has proven, never by what its messages say.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name of the source: that of its certificate, or that of its account. In lower case.
    pub name: String,
    /// Proof of the name.
    pub kind: SourceKind,
    /// Address of the connection.
    pub address: IpAddr,
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
        Self { name: host_of(account), kind, address }
    }

    /// Returns the source of a certificate with these names, the first of which identifies it; `None` without a name.
    #[must_use]
    pub fn of_certificate(subjects: Vec<String>, issuer: Thumbprint, address: IpAddr) -> Option<Self> {
        let name = subjects.first().map(|name| name.trim().to_ascii_lowercase())?;
        let is_usable = !name.is_empty() && name.len() <= MAX_NAME && !name.contains(char::is_control);
        is_usable.then_some(Self { name, kind: SourceKind::Certificate { issuer, subjects }, address })
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
            SourceKind::Account { .. } => "account",
        }
    }

    /// Returns a file name for the source: its name with `_` in place of characters that file systems or programs
    /// interpret. Names of different proofs differ.
    #[must_use]
    pub fn file_name(&self) -> String {
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' };
        let name: String = self.name.chars().map(safe).collect();
        match self.kind {
            SourceKind::Certificate { .. } => format!("{}.tls", name.trim_start_matches('.')),
            SourceKind::Account { .. } => format!("{}.account", name.trim_start_matches('.')),
        }
    }
}

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
    fn file_names_cannot_leave_their_folder() {
        let issuer = Thumbprint::new([0; 20]);
        for (name, expected) in [("../etc/x", "_etc_x.tls"), ("a.b-c", "a.b-c.tls"), ("A b", "a_b.tls")] {
            let source =
                Source::of_certificate(vec![name.to_owned()], issuer, [127, 0, 0, 1].into()).unwrap();
            assert_eq!(source.file_name(), expected);
        }
        assert!(Source::of_certificate(vec![" ".to_owned()], issuer, [127, 0, 0, 1].into()).is_none());
    }
}
