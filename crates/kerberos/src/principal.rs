//! Principal names (RFC 4120 6.2), in the notation of MIT Kerberos.

use std::fmt::{self, Write as _};

use auth::TicketService;

use crate::KerberosError;

/// A complete principal: `name/instance@REALM`, compared case-sensitively.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal {
    /// INVARIANT: one or more, each not empty and without control characters.
    components: Vec<String>,
    /// INVARIANT: not empty, without control characters.
    realm: String,
}

impl Principal {
    /// Parses `name/instance@REALM`; special characters in a part are escaped with a backslash (krb5_unparse_name).
    ///
    /// # Errors
    /// [`KerberosError::NotAPrincipal`], also for control characters, empty parts, or a missing realm: a name without a
    /// realm would depend on the machine that parses it.
    pub fn parse(text: &str) -> Result<Self, KerberosError> {
        Self::read(text).ok_or_else(|| KerberosError::NotAPrincipal(text.chars().take(MAX_LENGTH).collect()))
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
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
                // Escapes of control characters are rejected, as the characters themselves are.
                '\\' => characters.next().filter(|next| !"ntb0".contains(*next))?,
                other => other,
            };
            if literal.is_control() {
                return None;
            }
            parts.last_mut()?.push(literal);
        }
        let (components, realm) = (components?, parts.pop()?);
        let is_valid = !realm.is_empty() && components.iter().all(|component| !component.is_empty());
        (is_valid && components.len() <= MAX_COMPONENTS).then_some(Self { components, realm })
    }

    /// Returns the principal of the service that a ticket names; `None` if it is not a valid principal.
    pub(crate) fn of_service(service: &TicketService) -> Option<Self> {
        Self::of_parts(service.components().to_vec(), service.realm().to_owned())
    }

    /// Returns the principal with these components; `None` if it is not a valid principal.
    pub(crate) fn of_parts(components: Vec<String>, realm: String) -> Option<Self> {
        let is_valid = is_name(&realm) && components.iter().all(|component| is_name(component));
        let has_components = !components.is_empty() && components.len() <= MAX_COMPONENTS;
        (is_valid && has_components).then_some(Self { components, realm })
    }

    /// Name, if there is no instance.
    #[must_use]
    pub fn single_name(&self) -> Option<&str> {
        match self.components.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }

    /// Components before the realm: a name, rarely followed by instances.
    #[must_use]
    pub fn components(&self) -> &[String] {
        &self.components
    }

    /// Realm.
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

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}

/// Escapes only what is necessary, so that no principal is formatted longer than it was parsed.
fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str, special: &[char]) -> fmt::Result {
    for character in text.chars() {
        if special.contains(&character) {
            f.write_char('\\')?;
        }
        f.write_char(character)?;
    }
    Ok(())
}

/// Maximum length in bytes.
const MAX_LENGTH: usize = 1_024;
const MAX_COMPONENTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_are_parsed_into_components_and_realm() {
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
    fn a_realm_may_contain_slashes() {
        let principal = Principal::parse(r"a@R\/X/\@Y").unwrap();
        assert_eq!(principal.realm(), "R/X/@Y");
        assert_eq!(principal.to_string(), r"a@R/X/\@Y");
    }

    #[test]
    fn malformed_principals_are_rejected() {
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
