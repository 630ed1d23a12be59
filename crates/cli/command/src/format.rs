//! Output formats.

use cli::Keyword;

use crate::table::{Opt, Value};

/// Format of the results of a command. Each command accepts some of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    #[default]
    Text,
    /// A table with a column for each property.
    Table,
    /// A line for each property.
    List,
    /// JSON for programs.
    Json,
    /// Comma-separated values (RFC 4180).
    Csv,
    /// Metrics for Prometheus.
    Prometheus,
}

impl Keyword for Format {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("text", Self::Text),
        ("table", Self::Table),
        ("list", Self::List),
        ("json", Self::Json),
        ("csv", Self::Csv),
        ("prometheus", Self::Prometheus),
    ];
}

impl Format {
    /// Returns the words for the formats that a command accepts, for [`Value::OneOf`].
    #[must_use]
    pub fn words(accepted: &[Self]) -> Vec<&'static str> {
        let words = Self::WORDS.iter().filter(|(_, format)| accepted.contains(format));
        words.map(|(word, _)| *word).collect()
    }
}

/// Option of commands that print text for people or JSON for programs.
pub const TEXT_OR_JSON: Opt = Opt::new(
    "format",
    Value::OneOf("FORMAT", || Format::words(&[Format::Text, Format::Json])),
    "text or json (default: text)",
);

/// Quotes text as a field of CSV (RFC 4180, section 2).
#[must_use]
pub fn csv_cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
