//! Values and lines of files in TOML.

use std::borrow::Cow;
use std::ops::Range;

use toml_edit::Item;

use crate::Reason;
use crate::value::{excerpt, malformed};

/// Returns the value as text, for the parsers of settings.
pub(crate) fn scalar(item: &Item) -> Result<Cow<'_, str>, Reason> {
    match item.as_value() {
        Some(toml_edit::Value::String(text)) => Ok(Cow::Borrowed(text.value())),
        Some(toml_edit::Value::Integer(number)) => Ok(Cow::Owned(number.value().to_string())),
        Some(toml_edit::Value::Boolean(switch)) => Ok(Cow::Owned(switch.value().to_string())),
        _ => Err(malformed(&shown(item), "true, false, an integer or a quoted string")),
    }
}

pub(crate) fn shown(item: &Item) -> String {
    match item.as_value() {
        Some(toml_edit::Value::String(text)) => excerpt(text.value()),
        Some(value) => excerpt(value.to_string().trim()),
        None => format!("a {}", item.type_name()),
    }
}

/// Returns the line number of a span, counted from 1; without a span, 1.
pub(crate) fn line(text: &str, span: Option<Range<usize>>) -> usize {
    let before = span.and_then(|span| text.as_bytes().get(..span.start)).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}
