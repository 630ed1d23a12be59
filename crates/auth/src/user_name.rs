//! User names with an optional domain: `DOMAIN\user`, `user@REALM`, `.\user`, `user`.

use std::fmt;

/// A user name, and the domain of the user's account.
///
/// Each part may be in any script, contains no control characters and has at most 256 bytes. The spelling is kept;
/// account stores decide whether case matters.
///
/// ```
/// use telarch_auth::{UserName, UserDomain};
///
/// let name = UserName::parse(r"CORP\ann")?;
/// assert_eq!((name.user(), name.domain()), ("ann", &UserDomain::Domain("CORP".to_owned())));
/// assert_eq!(name.to_string(), r"CORP\ann");
/// # Ok::<(), telarch_auth::UserNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserName {
    /// INVARIANT: not empty, no control characters, no backslash.
    user: String,
    domain: UserDomain,
}

/// Domain of a user's account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UserDomain {
    /// Not specified: `user`, or `\user` as some dialogs write it.
    Unspecified,
    /// The machine on which the name is used: `.\user`.
    ThisMachine,
    /// A domain or a machine: `DOMAIN\user`, which does not tell which of the two.
    Domain(String),
    /// A Kerberos realm or a UPN suffix of a domain: `user@REALM`.
    Realm(String),
}

/// Reason why a text is not a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserNameError {
    /// The user name is empty.
    #[error("user name is empty\n  write USER, DOMAIN\\USER, USER@REALM or .\\USER")]
    Empty,
    /// A backslash or an `@` without a domain or realm.
    #[error("domain or realm of the user name is empty\n  write USER, DOMAIN\\USER, USER@REALM or .\\USER")]
    NoDomain,
    /// More than one backslash, control characters, white space around a part, or an `@` in a domain.
    #[error("user name or domain contains a forbidden character")]
    Character,
    /// A part exceeds the maximum length.
    #[error("user name or domain exceeds {MAX_LENGTH} bytes")]
    TooLong,
}

impl UserName {
    /// Parses a user name. The domain precedes the first backslash; without a backslash, the realm follows the last
    /// `@`.
    ///
    /// # Errors
    /// [`UserNameError`] if a part is empty, too long or contains forbidden characters.
    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        let (user, domain) = match (text.split_once('\\'), text.rsplit_once('@')) {
            (Some(("", user)), _) => (user, UserDomain::Unspecified),
            (Some((".", user)), _) => (user, UserDomain::ThisMachine),
            (Some((domain, user)), _) => (user, UserDomain::Domain(part(domain)?)),
            (None, Some((_, ""))) => return Err(UserNameError::NoDomain),
            (None, Some((user, realm))) => (user, UserDomain::Realm(part(realm)?)),
            (None, None) => (text, UserDomain::Unspecified),
        };
        if matches!(&domain, UserDomain::Domain(domain) if domain.contains('@')) {
            return Err(UserNameError::Character);
        }
        Ok(Self { user: part(user)?, domain })
    }

    /// Combines the two fields of an NTLM message; an empty domain means none (MS-NLMP 2.2.1.3).
    ///
    /// # Errors
    /// [`UserNameError`] as for [`parse`](Self::parse).
    pub fn from_ntlm(domain: &str, user: &str) -> Result<Self, UserNameError> {
        match domain {
            // Without a domain, clients may send a user principal name in this field.
            "" if !user.contains('\\') => Self::parse(user).or_else(|_| Self::parse(&format!("\\{user}"))),
            _ => Self::parse(&format!("{domain}\\{user}")),
        }
    }

    /// User name without domain.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Domain of the user's account.
    #[must_use]
    pub fn domain(&self) -> &UserDomain {
        &self.domain
    }

    /// Returns domain and user as an NTLM client sends them (MS-NLMP 2.2.1.3).
    ///
    /// A realm remains part of the user name, and `.` refers to the accounts of the other end; both are sent without a
    /// domain.
    #[must_use]
    pub fn ntlm(&self) -> (&str, String) {
        match &self.domain {
            UserDomain::Domain(domain) => (domain, self.user.clone()),
            UserDomain::Unspecified | UserDomain::ThisMachine => ("", self.user.clone()),
            UserDomain::Realm(realm) => ("", format!("{}@{realm}", self.user)),
        }
    }

    /// Returns the user name if it refers to an account of this machine: without a domain, with `.`, or with one of the
    /// machine's own names, compared without case.
    ///
    /// A name of another domain never refers to a local account.
    #[must_use]
    pub fn local(&self, names_of_this_machine: &[&str]) -> Option<&str> {
        let is_here = match &self.domain {
            UserDomain::Unspecified | UserDomain::ThisMachine => true,
            UserDomain::Domain(name) | UserDomain::Realm(name) => {
                names_of_this_machine.iter().any(|own| own.to_lowercase() == name.to_lowercase())
            }
        };
        is_here.then_some(self.user.as_str())
    }
}

/// Formats the name so that it parses to the same value.
impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = &self.user;
        match &self.domain {
            UserDomain::Unspecified if user.contains('@') => write!(f, "\\{user}"),
            UserDomain::Unspecified => f.write_str(user),
            UserDomain::ThisMachine => write!(f, ".\\{user}"),
            UserDomain::Domain(domain) => write!(f, "{domain}\\{user}"),
            UserDomain::Realm(realm) => write!(f, "{user}@{realm}"),
        }
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

fn part(text: &str) -> Result<String, UserNameError> {
    if text.is_empty() {
        return Err(UserNameError::Empty);
    }
    if text.len() > MAX_LENGTH {
        return Err(UserNameError::TooLong);
    }
    if text.trim() != text || text.chars().any(|c| c.is_control() || c == '\\') {
        return Err(UserNameError::Character);
    }
    Ok(text.to_owned())
}

const MAX_LENGTH: usize = 256;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn domain(name: &str) -> UserDomain {
        UserDomain::Domain(name.to_owned())
    }

    fn realm(name: &str) -> UserDomain {
        UserDomain::Realm(name.to_owned())
    }

    #[test]
    fn all_forms_are_parsed_and_formatted() {
        for (text, user, domain, written) in [
            ("ann", "ann", UserDomain::Unspecified, "ann"),
            ("\\ann", "ann", UserDomain::Unspecified, "ann"),
            (".\\ann", "ann", UserDomain::ThisMachine, ".\\ann"),
            ("CORP\\ann", "ann", domain("CORP"), "CORP\\ann"),
            (
                "node7.example.com\\Ann Lee",
                "Ann Lee",
                domain("node7.example.com"),
                "node7.example.com\\Ann Lee",
            ),
            ("ann@CORP.EXAMPLE", "ann", realm("CORP.EXAMPLE"), "ann@CORP.EXAMPLE"),
            ("ann@mail.example@CORP", "ann@mail.example", realm("CORP"), "ann@mail.example@CORP"),
            ("CORP\\ann@mail.example", "ann@mail.example", domain("CORP"), "CORP\\ann@mail.example"),
            ("\\ann@mail.example", "ann@mail.example", UserDomain::Unspecified, "\\ann@mail.example"),
            (".\\ann@mail", "ann@mail", UserDomain::ThisMachine, ".\\ann@mail"),
            ("ann/admin@CORP", "ann/admin", realm("CORP"), "ann/admin@CORP"),
            ("BÜRO\\jürgen", "jürgen", domain("BÜRO"), "BÜRO\\jürgen"),
        ] {
            let name = UserName::parse(text).unwrap();
            assert_eq!((name.user(), name.domain()), (user, &domain), "{text}");
            assert_eq!(name.to_string(), written);
            assert_eq!(UserName::parse(written).unwrap(), name, "{text}");
        }
    }

    #[test]
    fn malformed_names_are_rejected() {
        let long = "x".repeat(257);
        for (text, error) in [
            ("", UserNameError::Empty),
            ("CORP\\", UserNameError::Empty),
            (".\\", UserNameError::Empty),
            ("\\", UserNameError::Empty),
            ("@CORP", UserNameError::Empty),
            ("ann@", UserNameError::NoDomain),
            ("@", UserNameError::NoDomain),
            ("A\\B\\ann", UserNameError::Character),
            ("CORP@x\\ann", UserNameError::Character),
            (" ann", UserNameError::Character),
            ("CORP\\ ann", UserNameError::Character),
            ("CORP \\ann", UserNameError::Character),
            ("ann\n", UserNameError::Character),
            ("a\0nn@CORP", UserNameError::Character),
            (&long, UserNameError::TooLong),
            (&format!("{long}\\ann"), UserNameError::TooLong),
        ] {
            assert_eq!(UserName::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn ntlm_fields_round_trip() {
        for (text, sent) in [
            ("ann", ("", "ann")),
            (".\\ann", ("", "ann")),
            ("CORP\\ann", ("CORP", "ann")),
            ("ann@CORP.EXAMPLE", ("", "ann@CORP.EXAMPLE")),
        ] {
            let name = UserName::parse(text).unwrap();
            let (domain, user) = name.ntlm();
            assert_eq!((domain, user.as_str()), sent, "{text}");
            let received = UserName::from_ntlm(domain, &user).unwrap();
            assert_eq!(received.ntlm(), name.ntlm(), "{text}");
        }
        assert_eq!(UserName::from_ntlm(".", "ann").unwrap().domain(), &UserDomain::ThisMachine);
        assert_eq!(UserName::from_ntlm("", "ann@").unwrap().domain(), &UserDomain::Unspecified);
        assert_eq!(UserName::from_ntlm("", "CORP\\ann"), Err(UserNameError::Character));
        assert_eq!(UserName::from_ntlm("CORP", "x\\ann"), Err(UserNameError::Character));
        assert_eq!(UserName::from_ntlm("CORP\\x", "ann"), Err(UserNameError::Character));
        assert_eq!(UserName::from_ntlm("", ""), Err(UserNameError::Empty));
    }

    #[test]
    fn only_names_of_this_machine_are_local() {
        let own = ["NODE7", "node7.example.com"];
        for text in
            ["ann", "\\ann", ".\\ann", "node7\\ann", "NODE7.EXAMPLE.COM\\ann", "ann@node7.example.com"]
        {
            assert_eq!(UserName::parse(text).unwrap().local(&own), Some("ann"), "{text}");
        }
        for text in ["CORP\\ann", "node8\\ann", "ann@example.com", "node7.\\ann", "ann@x@CORP"] {
            assert_eq!(UserName::parse(text).unwrap().local(&own), None, "{text}");
        }
    }
}
