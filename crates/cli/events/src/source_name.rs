//! Names of sources.

use eventing::StoredSource;

/// Returns whether a name is that of the source, or its first label. Accounts of computers may end with `$`.
pub(crate) fn is_named(source: &StoredSource, name: &str) -> bool {
    let wanted = name.trim_end_matches('$').to_ascii_lowercase();
    let known = source.name.to_ascii_lowercase();
    known == wanted || known.split('.').next() == Some(wanted.as_str())
}

/// Returns a text without control characters, because sources choose some of them.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
