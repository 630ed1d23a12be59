//! Key/value input on the command line: `@{KEY="VALUE";KEY2=$null}`, or the same without `@`.

use crate::error::Error;

/// Keys with their values, in command-line order. Every key is unique.
///
/// Keys are case-sensitive because they become names of XML elements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyValues(Vec<(String, Value)>);

/// Value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string, possibly empty.
    Text(String),
    /// `$null`: no value (`xsi:nil`).
    Null,
}

impl KeyValues {
    /// Parses `@{...}` as received from the shell.
    ///
    /// # Errors
    /// [`Error::InputUnterminated`] or [`Error::BracesExpanded`] if the shell changed the argument, otherwise as
    /// [`KeyValues::parse`].
    pub fn parse_input(text: &str) -> Result<Self, Error> {
        let Some(braced) = text.strip_prefix('@').filter(|braced| braced.starts_with('{')) else {
            return Err(Error::BracesExpanded { text: text.to_owned() });
        };
        if !braced.trim_end().ends_with('}') {
            return Err(Error::InputUnterminated { text: text.to_owned() });
        }
        Self::parse(braced)
    }

    /// Parses `{KEY="VALUE";KEY2=$null}`.
    ///
    /// Values are enclosed in double quotes and have no escapes. Unquoted values are also accepted, because
    /// most shells remove the quotes; they end at the next `;`.
    ///
    /// # Errors
    /// [`Error::InputSyntax`], [`Error::DuplicateKey`] or [`Error::BareValueEmpty`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let inner = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let mut rest = inner.ok_or(Error::InputSyntax)?.trim();
        let mut pairs = Self::default();
        while !rest.is_empty() {
            let (key, behind) = rest.split_once('=').ok_or(Error::InputSyntax)?;
            let key = Key::parse(key.trim()).ok_or(Error::InputSyntax)?;
            let (value, behind) = value(key, behind.trim_start())?;
            pairs.add(key, value)?;
            rest = match behind.trim_start().strip_prefix(';') {
                Some(next) if !next.trim().is_empty() => next.trim_start(),
                None if behind.trim().is_empty() => "",
                _ => return Err(Error::InputSyntax),
            };
        }
        Ok(pairs)
    }

    /// Adds `KEY=VALUE` from a `-set:` switch. The value is not quoted; `$null` means no value.
    ///
    /// # Errors
    /// [`Error::InputSyntax`] or [`Error::DuplicateKey`].
    pub fn set(&mut self, text: &str) -> Result<(), Error> {
        let (key, value) = text.split_once('=').ok_or(Error::InputSyntax)?;
        let key = Key::parse(key.trim()).ok_or(Error::InputSyntax)?;
        let value = if is_null(value) { Value::Null } else { Value::Text(value.to_owned()) };
        self.add(key, value)
    }

    /// Adds every pair of another set.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`] for a key in both sets.
    pub fn extend(&mut self, other: Self) -> Result<(), Error> {
        other.0.into_iter().try_for_each(|(key, value)| self.add(Key(&key), value))
    }

    /// Returns keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Returns whether the set has no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, Key(key): Key<'_>, value: Value) -> Result<(), Error> {
        if self.0.iter().any(|(other, _)| other == key) {
            return Err(Error::DuplicateKey { key: key.to_owned() });
        }
        self.0.push((key.to_owned(), value));
        Ok(())
    }
}

/// A non-empty string of ASCII letters, digits, `_` and `:`.
#[derive(Clone, Copy)]
struct Key<'t>(&'t str);

impl<'t> Key<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let is_key =
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
        is_key.then_some(Self(text))
    }
}

/// Parses one value at the start of the text and returns it with the remaining text.
fn value<'t>(key: Key<'_>, text: &'t str) -> Result<(Value, &'t str), Error> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, behind) = quoted.split_once('"').ok_or(Error::InputSyntax)?;
        return Ok((Value::Text(value.to_owned()), behind));
    }
    let (bare, behind) = text.split_at(text.find(';').unwrap_or(text.len()));
    let bare = bare.trim_end();
    if is_null(bare) {
        return Ok((Value::Null, behind));
    }
    // After shell expansion, `"$null"`, `""` and an empty variable all look like this, with different meanings.
    if bare.is_empty() {
        return Err(Error::BareValueEmpty { key: key.0.to_owned() });
    }
    if bare.starts_with('\'') || bare.contains(['"', '{', '}']) || has_pair_behind_comma(bare) {
        return Err(Error::InputSyntax);
    }
    Ok((Value::Text(bare.to_owned()), behind))
}

/// Returns whether a comma was used in place of `;`, as in `1,b=2`.
fn has_pair_behind_comma(bare: &str) -> bool {
    let mut parts = bare.split(',').skip(1);
    parts.any(|part| part.split_once('=').is_some_and(|(key, _)| Key::parse(key.trim()).is_some()))
}

fn is_null(text: &str) -> bool {
    text.eq_ignore_ascii_case("$null")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Result<Vec<(String, Value)>, Error> {
        KeyValues::parse_input(text).map(|pairs| pairs.0)
    }

    fn text(key: &str, value: &str) -> (String, Value) {
        (key.to_owned(), Value::Text(value.to_owned()))
    }

    #[test]
    fn input_accepted_by_windows_is_accepted() {
        for (input, expected) in [
            ("@{}", vec![]),
            ("@{ }", vec![]),
            (r#"@{K="V"}"#, vec![text("K", "V")]),
            (r#"@{cfg:Foo="V"}"#, vec![text("cfg:Foo", "V")]),
            (r#"@{K="V";K2=$null}"#, vec![text("K", "V"), ("K2".to_owned(), Value::Null)]),
            (r#"@{ K = "V" ; K2 = "W" }"#, vec![text("K", "V"), text("K2", "W")]),
            (r#"@{K="a;b=c}d"}"#, vec![text("K", "a;b=c}d")]),
            (r#"@{K="C:\new\"}"#, vec![text("K", r"C:\new\")]),
            (r#"@{K=""}"#, vec![text("K", "")]),
            (r#"@{K="$null"}"#, vec![text("K", "$null")]),
            (r#"@{a="1";A="2"}"#, vec![text("a", "1"), text("A", "2")]),
        ] {
            assert_eq!(pairs(input), Ok(expected), "of {input}");
        }
    }

    #[test]
    fn input_rejected_by_windows_is_a_syntax_error() {
        for input in [
            r#"@{K="V";}"#,
            r#"@{a="1",b="2"}"#,
            "@{K='V'}",
            r#"@{A-B="V"}"#,
            r#"@{="V"}"#,
            r#"@{K}"#,
            r#"@{K="V" "W"}"#,
            r#"@{K="V}"#,
            r#"@{K="a"b"}"#,
            r#"@{;}"#,
            "@{a=1,b=2}",
            "@{a={b}}",
        ] {
            assert_eq!(pairs(input), Err(Error::InputSyntax), "of {input}");
        }
        assert_eq!(
            Error::InputSyntax.to_string(),
            r#"Syntax Error: input must be of the form {KEY="VALUE"[;KEY="VALUE"]}"#
        );
    }

    #[test]
    fn duplicate_keys_are_rejected() {
        assert_eq!(pairs(r#"@{a="1";a="2"}"#), Err(Error::DuplicateKey { key: "a".to_owned() }));
    }

    #[test]
    fn values_without_quotes_are_accepted() {
        for (input, expected) in [
            ("@{Basic=true}", vec![text("Basic", "true")]),
            ("@{TrustedHosts=a.example,b.example}", vec![text("TrustedHosts", "a.example,b.example")]),
            ("@{a=two words ;b=$NULL}", vec![text("a", "two words"), ("b".to_owned(), Value::Null)]),
        ] {
            assert_eq!(pairs(input), Ok(expected), "of {input}");
        }
    }

    #[test]
    fn arguments_changed_by_the_shell_are_reported() {
        assert_eq!(pairs("@{K=V"), Err(Error::InputUnterminated { text: "@{K=V".to_owned() }));
        assert_eq!(pairs("@a=1"), Err(Error::BracesExpanded { text: "@a=1".to_owned() }));
        assert_eq!(pairs("@{K=}"), Err(Error::BareValueEmpty { key: "K".to_owned() }));
        let way_out = Error::InputUnterminated { text: "@{K=V".to_owned() }.way_out();
        assert!(way_out.is_some_and(|text| text.contains("single quotes")));
    }

    #[test]
    fn set_does_not_parse_quotation_marks() {
        let mut pairs = KeyValues::default();
        pairs.set("Subject=CN=web,O=Example; \"quoted\"").unwrap();
        pairs.set("Hostname=").unwrap();
        pairs.set("CertificateThumbprint=$null").unwrap();
        let expected = vec![
            text("Subject", "CN=web,O=Example; \"quoted\""),
            text("Hostname", ""),
            ("CertificateThumbprint".to_owned(), Value::Null),
        ];
        assert_eq!(pairs.0, expected);
        assert_eq!(pairs.set("Hostname=x"), Err(Error::DuplicateKey { key: "Hostname".to_owned() }));
        assert_eq!(pairs.set("Hostname"), Err(Error::InputSyntax));
    }
}
