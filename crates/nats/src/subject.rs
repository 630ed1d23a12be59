//! Subjects of published messages.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use crate::error::NatsError;

/// Subject with placeholders `{source}`, `{channel}` and `{subscription}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectTemplate {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Source,
    Channel,
    Subscription,
}

/// Values of the placeholders.
#[derive(Clone, Copy, Debug, Default)]
pub struct SubjectValues<'a> {
    /// Name of the event source.
    pub source: &'a str,
    /// Channel of the event.
    pub channel: &'a str,
    /// Name of the subscription.
    pub subscription: &'a str,
}

impl SubjectTemplate {
    /// Parses a subject with placeholders.
    ///
    /// # Errors
    /// [`NatsError::Subject`] if it has empty tokens, wildcards, unknown placeholders, characters other than printable
    /// ASCII, or a prefix that the server uses itself.
    pub fn parse(text: &str) -> Result<Self, NatsError> {
        parse(text).map_err(|reason| NatsError::Subject { subject: text.chars().take(64).collect(), reason })
    }

    /// Returns the subject of an event. The value of a placeholder is part of one token: unusual characters, also
    /// periods, are percent-encoded; an empty value is `-`, and the end of a long one is replaced by its hash.
    #[must_use]
    pub fn subject(&self, values: &SubjectValues<'_>) -> String {
        let mut subject = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => subject.push_str(text),
                Part::Source => subject.push_str(&token(values.source)),
                Part::Channel => subject.push_str(&token(values.channel)),
                Part::Subscription => subject.push_str(&token(values.subscription)),
            }
        }
        subject
    }
}

fn parse(text: &str) -> Result<SubjectTemplate, &'static str> {
    if text.len() > MAX_TEMPLATE {
        return Err("it is longer than 256 bytes");
    }
    if text.split('.').any(str::is_empty) {
        return Err("tokens between periods must not be empty");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("only printable ASCII characters without spaces are permitted");
    }
    if text.contains(['*', '>']) {
        return Err("events cannot be published to wildcards");
    }
    if text.starts_with('$') || text.starts_with("_INBOX") {
        return Err("subjects that begin with $ or _INBOX belong to the server");
    }
    if text.matches('{').count() > MAX_PLACEHOLDERS {
        return Err("it has more than 8 placeholders");
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['{', '}']) {
        let (before, placeholder) = rest.split_at(start);
        let (name, after) = match placeholder.split_once('}') {
            Some((name, after)) => (Some(name), after),
            None => (None, ""),
        };
        let part = match name {
            Some("{source") => Part::Source,
            Some("{channel") => Part::Channel,
            Some("{subscription") => Part::Subscription,
            _ => return Err("the placeholders are {source}, {channel} and {subscription}"),
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(part);
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(SubjectTemplate { parts })
}

fn token(value: &str) -> String {
    if value.is_empty() {
        return "-".to_owned();
    }
    let mut encoded = utf8_percent_encode(value, TOKEN).to_string();
    if encoded.len() > LONGEST_TOKEN {
        let digest = Sha256::digest(value);
        encoded.truncate(LONGEST_TOKEN - 2 * digest.len());
        encoded.extend(digest.iter().map(|byte| format!("{byte:02X}")));
    }
    encoded
}

/// Characters that a token encodes.
const TOKEN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');
/// Maximum length of a value in bytes. A line of the protocol has at most 4096 bytes.
const LONGEST_TOKEN: usize = 240;
/// Maximum number of placeholders.
const MAX_PLACEHOLDERS: usize = 8;
/// Maximum length of a template in bytes.
const MAX_TEMPLATE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_within_their_token() {
        let template = SubjectTemplate::parse("wef.{subscription}.x-{channel}.{source}").unwrap();
        let values = SubjectValues {
            source: "win10.example",
            channel: "Microsoft-Windows-Sysmon/Operational",
            subscription: "a > b*ü",
        };
        let subject = template.subject(&values);
        assert_eq!(
            subject,
            "wef.a%20%3E%20b%2A%C3%BC.x-Microsoft-Windows-Sysmon%2FOperational.win10%2Eexample"
        );
        assert_eq!(template.subject(&SubjectValues::default()), "wef.-.x--.-");
        let long = "ö".repeat(300);
        let one = template.subject(&SubjectValues { source: &long, ..values });
        let other = template.subject(&SubjectValues { source: &format!("{long}x"), ..values });
        assert!(one != other && one.len() < 400, "{one}");
    }

    #[test]
    fn invalid_subjects_are_refused_with_the_reason() {
        for (text, part) in [
            ("", "empty"),
            ("a..b", "empty"),
            ("a.", "empty"),
            ("a.*", "wildcards"),
            ("a.>", "wildcards"),
            ("a b", "printable"),
            ("a.\u{e4}", "printable"),
            ("$JS.API.x", "server"),
            ("_INBOX.x", "server"),
            ("a.{host}", "placeholders"),
            ("a.{source", "placeholders"),
            ("a.source}", "placeholders"),
            ("a.{{source}}", "placeholders"),
        ] {
            let error = SubjectTemplate::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(SubjectTemplate::parse(&"x".repeat(257)).is_err());
        assert!(SubjectTemplate::parse(&"{source}".repeat(9)).is_err());
    }
}
