//! Content types: that of the sealed body, and the original one in the line `OriginalContent`.

use super::{Protocol, SealedBodyError};

/// Number of parts: one or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    One,
    Several,
}

impl Form {
    /// Returns the form that a content type announces.
    pub(super) fn of(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim_matches(BLANKS);
        [Self::One, Self::Several].into_iter().find(|form| form.essence().eq_ignore_ascii_case(essence))
    }

    fn essence(self) -> &'static str {
        match self {
            Self::One => "multipart/encrypted",
            Self::Several => "multipart/x-multi-encrypted",
        }
    }

    /// Returns the header value that we send.
    pub(super) fn content_type(self, protocol: Protocol) -> &'static str {
        macro_rules! value {
            ($form:literal, $protocol:literal) => {
                concat!(
                    "multipart/",
                    $form,
                    ";protocol=\"application/HTTP-",
                    $protocol,
                    "-session-encrypted\";boundary=\"Encrypted Boundary\""
                )
            };
        }
        match (self, protocol) {
            (Self::One, Protocol::Spnego) => value!("encrypted", "SPNEGO"),
            (Self::One, Protocol::Kerberos) => value!("encrypted", "Kerberos"),
            (Self::One, Protocol::CredSsp) => value!("encrypted", "CredSSP"),
            (Self::Several, Protocol::Spnego) => value!("x-multi-encrypted", "SPNEGO"),
            (Self::Several, Protocol::Kerberos) => value!("x-multi-encrypted", "Kerberos"),
            (Self::Several, Protocol::CredSsp) => value!("x-multi-encrypted", "CredSSP"),
        }
    }
}

/// Parsed `Content-Type` of a sealed body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrapping {
    pub(super) form: Form,
    pub(super) protocol: String,
    /// INVARIANT: 1 to 70 bytes without control characters (RFC 2046 5.1.1).
    pub(super) boundary: String,
}

impl Wrapping {
    pub(super) fn parse(content_type: &str) -> Result<Self, SealedBodyError> {
        Self::read(content_type).ok_or(SealedBodyError::ContentType)
    }

    fn read(content_type: &str) -> Option<Self> {
        if content_type.len() > MAX_HEADER {
            return None;
        }
        let form = Form::of(content_type)?;
        let parameters = parameters(content_type.split_once(';')?.1)?;
        let boundary = value_of(&parameters, "boundary")?;
        if !(1..=MAX_BOUNDARY).contains(&boundary.len()) || boundary.chars().any(char::is_control) {
            return None;
        }
        let protocol = value_of(&parameters, "protocol")?.to_owned();
        Some(Self { form, protocol, boundary: boundary.to_owned() })
    }
}

/// Parsed line `OriginalContent`, without the length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Original {
    pub(super) content_type: String,
    pub(super) is_utf8: bool,
}

impl Original {
    /// Parses `type=application/soap+xml;charset=UTF-8;Length=1547` into the type and the length in bytes.
    pub(super) fn parse(value: &str) -> Option<(Self, usize)> {
        let parameters = parameters(value)?;
        let length = value_of(&parameters, "Length")?;
        let is_number = (1..=10).contains(&length.len()) && length.bytes().all(|c| c.is_ascii_digit());
        let length = if is_number { length.parse().ok()? } else { return None };

        let is_utf8 =
            value_of(&parameters, "charset").is_some_and(|charset| charset.eq_ignore_ascii_case("UTF-8"));
        let mut content_type = value_of(&parameters, "type")?.to_owned();
        for (name, value) in &parameters {
            if !["type", "Length"].iter().any(|known| known.eq_ignore_ascii_case(name)) {
                push_parameter(&mut content_type, name, value);
            }
        }
        Some((Self { content_type, is_utf8 }, length))
    }
}

/// Returns `true` if a content type can be written to the line `OriginalContent` and parses to the same value.
pub(super) fn is_valid(content_type: &str) -> bool {
    content_type.len() <= MAX_TYPE
        && !content_type.chars().any(char::is_control)
        && Original::parse(&format!("type={content_type};Length=0")).is_some()
}

/// Parses names and unquoted values separated by semicolons: at most 16, without duplicates.
///
/// White space around separators and values without quotes are accepted, because some clients write them.
fn parameters(mut text: &str) -> Option<Vec<(&str, String)>> {
    let mut found: Vec<(&str, String)> = Vec::new();
    loop {
        text = text.trim_start_matches([' ', '\t', ';']);
        if text.is_empty() {
            return Some(found);
        }
        let (name, rest) = text.split_once('=')?;
        let name = name.trim_end_matches(BLANKS);
        let is_name = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
        if !is_name || value_of(&found, name).is_some() || found.len() == MAX_PARAMETERS {
            return None;
        }
        let (value, rest) = value(rest.trim_start_matches(BLANKS))?;
        found.push((name, value));
        text = rest.trim_start_matches(BLANKS);
        if !text.is_empty() && !text.starts_with(';') {
            return None;
        }
    }
}

/// Parses a value with or without quotes; returns it with the remaining text.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at_checked(text.find(';').unwrap_or(text.len()))?;
        let value = value.trim_end_matches(BLANKS);
        return (!value.is_empty() && !value.contains('"')).then(|| (value.to_owned(), rest));
    };
    let (mut value, mut characters) = (String::new(), quoted.chars());
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            other => value.push(other),
        }
    }
}

fn value_of<'p>(parameters: &'p [(&str, String)], name: &str) -> Option<&'p str> {
    parameters.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn push_parameter(text: &mut String, name: &str, value: &str) {
    text.push(';');
    text.push_str(name);
    text.push('=');
    let is_plain =
        !value.is_empty() && value.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._+/".contains(&c));
    if is_plain {
        text.push_str(value);
        return;
    }
    text.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

const BLANKS: [char; 2] = [' ', '\t'];
const MAX_PARAMETERS: usize = 16;
const MAX_BOUNDARY: usize = 70;
const MAX_HEADER: usize = 1_024;
const MAX_TYPE: usize = 512;
