//! Parser for `/etc/os-release` (os-release(5)).

use crate::Machine;

/// Fields that describe the distribution.
#[derive(Debug, Default)]
pub struct OsRelease(Vec<(String, String)>);

impl OsRelease {
    /// Reads the file; empty if it does not exist.
    pub fn of(machine: &Machine) -> Self {
        let text = machine.text("etc/os-release").or_else(|_| machine.text("usr/lib/os-release"));
        text.map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// Returns the value of a field, without quotes; `None` if it is missing or empty.
    pub fn field(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().rev().find(|(field, _)| field == name)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// Returns the descriptive name of the distribution; `Linux` by default, as in os-release(5).
    pub fn pretty_name(&self) -> &str {
        self.field("PRETTY_NAME").or_else(|| self.field("NAME")).unwrap_or("Linux")
    }

    /// Parses the content of an os-release file.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let fields = lines.filter_map(|line| line.split_once('='));
        Self(fields.map(|(name, value)| (name.to_owned(), unquoted(value))).collect())
    }
}

/// Decodes a value as a shell would: removes quotes and backslash escapes.
fn unquoted(value: &str) -> String {
    let (inner, escapes) = match value.as_bytes() {
        [b'\'', .., b'\''] => (value.trim_matches('\''), false),
        [b'"', .., b'"'] => (value.get(1..value.len().saturating_sub(1)).unwrap_or_default(), true),
        _ => (value, true),
    };
    if !escapes {
        return inner.to_owned();
    }
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_unquoted_like_a_shell() {
        let release = OsRelease::parse(
            "# comment\nID=debian\nPRETTY_NAME=\"A \\\"fine\\\" system\"\nNAME='It'\nVERSION=\nID=other\n",
        );
        assert_eq!(release.field("ID"), Some("other"), "the last one counts");
        assert_eq!(release.field("PRETTY_NAME"), Some("A \"fine\" system"));
        assert_eq!(release.pretty_name(), "A \"fine\" system");
        assert_eq!(OsRelease::parse("NAME='It'\n").pretty_name(), "It");
        assert_eq!(OsRelease::parse("").pretty_name(), "Linux");
        assert_eq!(release.field("NAME"), Some("It"));
        assert_eq!(release.field("VERSION"), None);
        assert_eq!(release.field("BUILD_ID"), None);
    }
}
