//! Names of Kerberos (RFC 4120 6.2), as MIT Kerberos writes them.

use std::fmt::{self, Write as _};

use auth::TicketService;

use crate::KerberosError;

/// A principal in full: `name/instance@REALM`. All parts count, and so does the case of letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal {
    /// INVARIANT: one or more, each not empty and free of control characters.
    components: Vec<String>,
    /// INVARIANT: not empty, free of control characters.
    realm: String,
}

impl Principal {
    /// Reads `name/instance@REALM`, with a backslash before what belongs to a name (krb5_unparse_name).
    ///
    /// # Errors
    /// [`KerberosError::NotAPrincipal`], also for one with control characters, with empty parts, or without a realm:
    /// who `alice` is depends on the machine that asks.
    pub fn parse(text: &str) -> Result<Self, KerberosError> {
        Self::read(text).ok_or_else(|| KerberosError::NotAPrincipal(text.chars().take(MAX_OCTETS).collect()))
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_OCTETS {
            return None;
        }
        let mut parts = vec![String::new()];
        let mut components = None;
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let literal = match character {
                '/' if components.is_none() => {
                    parts.push(String::new());
                    continue;
                }
                '@' if components.is_none() => {
                    components = Some(std::mem::replace(&mut parts, vec![String::new()]));
                    continue;
                }
                '@' => return None,
                // What the backslash makes a control character of is one after all.
                '\\' => characters.next().filter(|next| !"ntb0".contains(*next))?,
                other => other,
            };
            if literal.is_control() {
                return None;
            }
            parts.last_mut()?.push(literal);
        }
        let (components, realm) = (components?, parts.pop()?);
        let is_whole = !realm.is_empty() && components.iter().all(|component| !component.is_empty());
        (is_whole && components.len() <= MAX_COMPONENTS).then_some(Self { components, realm })
    }

    /// The principal of the service that a ticket names; `None` if it cannot be written as one.
    pub(crate) fn of_service(service: &TicketService) -> Option<Self> {
        let (components, realm) = (service.components().to_vec(), service.realm().to_owned());
        let is_name = |text: &String| !text.is_empty() && !text.contains(char::is_control);
        let is_whole = is_name(&realm) && components.iter().all(is_name);
        (is_whole && components.len() <= MAX_COMPONENTS).then_some(Self { components, realm })
    }

    /// The name, if there is no instance.
    #[must_use]
    pub fn single_name(&self) -> Option<&str> {
        match self.components.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }

    /// The parts before the realm: a name and, mostly not, instances.
    #[must_use]
    pub fn components(&self) -> &[String] {
        &self.components
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, component) in self.components.iter().enumerate() {
            if at > 0 {
                f.write_char('/')?;
            }
            write_escaped(f, component, &['/', '@', '\\'])?;
        }
        f.write_char('@')?;
        write_escaped(f, &self.realm, &['@', '\\'])
    }
}

/// Only what must be: no principal is longer written than it was read.
fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str, special: &[char]) -> fmt::Result {
    for character in text.chars() {
        if special.contains(&character) {
            f.write_char('\\')?;
        }
        f.write_char(character)?;
    }
    Ok(())
}

/// Longer names no realm has.
const MAX_OCTETS: usize = 1_024;
const MAX_COMPONENTS: usize = 8;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_its_components_and_its_realm() {
        for (text, components, realm) in [
            ("alice@EXAMPLE.COM", vec!["alice"], "EXAMPLE.COM"),
            ("alice/admin@EXAMPLE.COM", vec!["alice", "admin"], "EXAMPLE.COM"),
            (r"alice\/admin@EXAMPLE.COM", vec!["alice/admin"], "EXAMPLE.COM"),
            (r"alice\@corp.com@EXAMPLE.COM", vec!["alice@corp.com"], "EXAMPLE.COM"),
            (r"a\\b@R", vec![r"a\b"], "R"),
            ("jörg@R", vec!["jörg"], "R"),
        ] {
            let principal = Principal::parse(text).unwrap();
            assert_eq!(principal.components(), components, "{text}");
            assert_eq!(principal.realm(), realm, "{text}");
            assert_eq!(principal.to_string(), text);
            assert_eq!(principal.single_name().is_some(), components.len() == 1, "{text}");
        }
    }

    #[test]
    fn a_slash_in_the_realm_belongs_to_it() {
        let principal = Principal::parse(r"a@R\/X/\@Y").unwrap();
        assert_eq!(principal.realm(), "R/X/@Y");
        assert_eq!(principal.to_string(), r"a@R/X/\@Y");
    }

    #[test]
    fn what_is_not_one_principal_is_refused() {
        let long = format!("{}@R", "a".repeat(2_000));
        for text in [
            "",
            "alice",
            "@R",
            "alice@",
            "/admin@R",
            "alice/@R",
            "a@b@R",
            r"a@R\",
            r"a\n@R",
            r"a\0@R",
            "a\n@R",
            "a@R\0",
            "a/b/c/d/e/f/g/h/i@R",
            &long,
        ] {
            assert!(matches!(Principal::parse(text), Err(KerberosError::NotAPrincipal(_))), "{text:?}");
        }
    }
}
