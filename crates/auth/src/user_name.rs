//! The names that people and clients sign in with: `DOMAIN\user`, `user@REALM`, `.\user`, `user`.

use std::fmt;

/// The name of a user, and where the user's account is.
///
/// Parts may be in any script, have no control characters and at most 256 octets each.
/// Names are kept as they were written; the case of letters is the account store's business.
///
/// ```
/// use telarch_auth::{UserName, Whose};
///
/// let name = UserName::parse(r"CORP\ann")?;
/// assert_eq!((name.user(), name.whose()), ("ann", &Whose::Domain("CORP".to_owned())));
/// assert_eq!(name.to_string(), r"CORP\ann");
/// # Ok::<(), telarch_auth::UserNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserName {
    /// INVARIANT: not empty, no control characters, no backslash.
    user: String,
    whose: Whose,
}

/// Where the account of a user is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Not said: `user`, or `\user` as some dialogs give it.
    Unsaid,
    /// On the machine where the name is used: `.\user`.
    ThisMachine,
    /// In a domain or on a machine; from `DOMAIN\user` alone nobody can tell which.
    Domain(String),
    /// In a realm of Kerberos, or behind a suffix that a domain has chosen: `user@REALM`.
    Realm(String),
}

/// Why a text is not the name of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserNameError {
    /// No name at all.
    #[error("the name of the user is empty\n  write USER, DOMAIN\\USER, USER@REALM or .\\USER")]
    Empty,
    /// A backslash or an `@` with nothing beside it.
    #[error(
        "a domain or realm is announced and not there\n  write USER, DOMAIN\\USER, USER@REALM or .\\USER"
    )]
    NoDomain,
    /// More than one backslash, control characters, white space around a part, or an `@` in a domain.
    #[error("the name of the user or its domain has a character that it cannot have")]
    Character,
    /// A part that no store of accounts could hold.
    #[error("the name of the user or its domain is longer than {MAX_OCTETS} octets")]
    TooLong,
}

impl UserName {
    /// Reads a name as people write it. What stands before the first backslash is a domain, and without one what
    /// stands behind the last `@` is a realm.
    ///
    /// # Errors
    /// [`UserNameError`].
    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        let (user, whose) = match (text.split_once('\\'), text.rsplit_once('@')) {
            (Some(("", user)), _) => (user, Whose::Unsaid),
            (Some((".", user)), _) => (user, Whose::ThisMachine),
            (Some((domain, user)), _) => (user, Whose::Domain(part(domain)?)),
            (None, Some((_, ""))) => return Err(UserNameError::NoDomain),
            (None, Some((user, realm))) => (user, Whose::Realm(part(realm)?)),
            (None, None) => (text, Whose::Unsaid),
        };
        if matches!(&whose, Whose::Domain(domain) if domain.contains('@')) {
            return Err(UserNameError::Character);
        }
        Ok(Self { user: part(user)?, whose })
    }

    /// Puts the two fields of an NTLM message together; an empty domain is none (MS-NLMP 2.2.1.3).
    ///
    /// # Errors
    /// [`UserNameError`].
    pub fn from_ntlm(domain: &str, user: &str) -> Result<Self, UserNameError> {
        match domain {
            // Here clients put a user principal name when they know no domain.
            "" if !user.contains('\\') => Self::parse(user).or_else(|_| Self::parse(&format!("\\{user}"))),
            _ => Self::parse(&format!("{domain}\\{user}")),
        }
    }

    /// The user alone.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Where the user's account is.
    #[must_use]
    pub fn whose(&self) -> &Whose {
        &self.whose
    }

    /// Domain and user as an NTLM client sends them (MS-NLMP 2.2.1.3).
    ///
    /// A realm stays with the user, and `.` is the other end's own accounts: both without a domain.
    #[must_use]
    pub fn ntlm(&self) -> (&str, String) {
        match &self.whose {
            Whose::Domain(domain) => (domain, self.user.clone()),
            Whose::Unsaid | Whose::ThisMachine => ("", self.user.clone()),
            Whose::Realm(realm) => ("", format!("{}@{realm}", self.user)),
        }
    }

    /// The user's name on this machine, if it is an account of this machine that is meant: without a domain, with
    /// `.`, or with one of the machine's own names, in any case of letters.
    ///
    /// The name of another domain is never taken for a local one.
    #[must_use]
    pub fn local(&self, names_of_this_machine: &[&str]) -> Option<&str> {
        let is_here = match &self.whose {
            Whose::Unsaid | Whose::ThisMachine => true,
            Whose::Domain(name) | Whose::Realm(name) => {
                names_of_this_machine.iter().any(|own| own.to_lowercase() == name.to_lowercase())
            }
        };
        is_here.then_some(self.user.as_str())
    }
}

/// The name so that it reads back the same.
impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = &self.user;
        match &self.whose {
            Whose::Unsaid if user.contains('@') => write!(f, "\\{user}"),
            Whose::Unsaid => f.write_str(user),
            Whose::ThisMachine => write!(f, ".\\{user}"),
            Whose::Domain(domain) => write!(f, "{domain}\\{user}"),
            Whose::Realm(realm) => write!(f, "{user}@{realm}"),
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
    if text.len() > MAX_OCTETS {
        return Err(UserNameError::TooLong);
    }
    if text.trim() != text || text.chars().any(|c| c.is_control() || c == '\\') {
        return Err(UserNameError::Character);
    }
    Ok(text.to_owned())
}

const MAX_OCTETS: usize = 256;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn domain(name: &str) -> Whose {
        Whose::Domain(name.to_owned())
    }

    fn realm(name: &str) -> Whose {
        Whose::Realm(name.to_owned())
    }

    #[test]
    fn every_spelling_is_understood_and_written_again() {
        for (text, user, whose, written) in [
            ("ann", "ann", Whose::Unsaid, "ann"),
            ("\\ann", "ann", Whose::Unsaid, "ann"),
            (".\\ann", "ann", Whose::ThisMachine, ".\\ann"),
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
            ("\\ann@mail.example", "ann@mail.example", Whose::Unsaid, "\\ann@mail.example"),
            (".\\ann@mail", "ann@mail", Whose::ThisMachine, ".\\ann@mail"),
            ("ann/admin@CORP", "ann/admin", realm("CORP"), "ann/admin@CORP"),
            ("BÜRO\\jürgen", "jürgen", domain("BÜRO"), "BÜRO\\jürgen"),
        ] {
            let name = UserName::parse(text).unwrap();
            assert_eq!((name.user(), name.whose()), (user, &whose), "{text}");
            assert_eq!(name.to_string(), written);
            assert_eq!(UserName::parse(written).unwrap(), name, "{text}");
        }
    }

    #[test]
    fn what_names_nobody_is_refused() {
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
    fn ntlm_carries_domain_and_user_apart_and_both_come_back() {
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
        assert_eq!(UserName::from_ntlm(".", "ann").unwrap().whose(), &Whose::ThisMachine);
        assert_eq!(UserName::from_ntlm("", "ann@").unwrap().whose(), &Whose::Unsaid);
        assert_eq!(UserName::from_ntlm("", "CORP\\ann"), Err(UserNameError::Character));
        assert_eq!(UserName::from_ntlm("CORP", "x\\ann"), Err(UserNameError::Character));
        assert_eq!(UserName::from_ntlm("CORP\\x", "ann"), Err(UserNameError::Character));
        assert_eq!(UserName::from_ntlm("", ""), Err(UserNameError::Empty));
    }

    #[test]
    fn only_names_of_this_machine_are_local() {
        let own = ["NODE7", "node7.example.com"];
        let local = |text: &str| UserName::parse(text).unwrap().local(&own).map(str::to_owned);
        for text in
            ["ann", "\\ann", ".\\ann", "node7\\ann", "NODE7.EXAMPLE.COM\\ann", "ann@node7.example.com"]
        {
            assert_eq!(local(text).as_deref(), Some("ann"), "{text}");
        }
        for text in ["CORP\\ann", "node8\\ann", "ann@example.com", "node7.\\ann", "ann@x@CORP"] {
            assert_eq!(local(text), None, "{text}");
        }
    }
}
