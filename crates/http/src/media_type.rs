use std::borrow::Cow;

use crate::ValueError;
use crate::grammar::{BLANKS, has_control, is_token, quoted_string};

/// The value of a `Content-Type` header, such as `application/soap+xml;charset=UTF-8`.
///
/// White space is accepted around `;` and `=`, and an unquoted value may contain characters that a token may
/// not, because peers send `protocol=application/HTTP-SPNEGO-session-encrypted`.
///
/// ```
/// use telarch_http::MediaType;
///
/// let sealed = r#"multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary""#;
/// let media_type = MediaType::parse(sealed)?;
/// assert!(media_type.is("multipart/encrypted"));
/// assert_eq!(media_type.parameter("boundary"), Some("Encrypted Boundary"));
/// # Ok::<(), telarch_http::ValueError>(())
/// ```
///
/// RFC 9110 8.3.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType<'v> {
    /// Type and subtype in lower case.
    essence: Cow<'v, str>,
    /// Parameters, with names in lower case.
    parameters: Vec<(Cow<'v, str>, Cow<'v, str>)>,
}

impl<'v> MediaType<'v> {
    /// Parses the value of a `Content-Type` header, of at most 8192 bytes and 16 parameters.
    ///
    /// # Errors
    ///
    /// [`ValueError`], also if a parameter is repeated, because it would be ambiguous which one applies.
    pub fn parse(value: &'v str) -> Result<Self, ValueError> {
        if value.len() > LENGTH {
            return Err(ValueError::TooLong { limit: LENGTH });
        }
        let (essence, mut rest) =
            value.split_at_checked(value.find(';').unwrap_or(value.len())).unwrap_or((value, ""));
        let essence = lower_case(essence.trim_matches(BLANKS));
        match essence.split_once('/') {
            Some((kind, subtype)) if is_token(kind.as_bytes()) && is_token(subtype.as_bytes()) => {}
            _ => return Err(ValueError::MediaType),
        }
        let mut media_type = Self { essence, parameters: Vec::new() };
        while let Some(parameter) = rest.strip_prefix(';') {
            rest = media_type.read_parameter(parameter.trim_start_matches(BLANKS))?;
        }
        if rest.is_empty() { Ok(media_type) } else { Err(ValueError::Parameter) }
    }

    /// Returns type and subtype in lower case: `application/soap+xml`.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// Returns whether type and subtype equal `essence`, case-insensitive.
    pub fn is(&self, essence: &str) -> bool {
        self.essence.eq_ignore_ascii_case(essence)
    }

    /// Returns the value of a parameter without its quotes. The name is case-insensitive.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns names (in lower case) and values of all parameters, in the order received.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns the parameter `charset` as written; compare it case-insensitively.
    pub fn charset(&self) -> Option<&str> {
        self.parameter("charset")
    }

    /// Parses one parameter, if there is one before the next semicolon, and returns the rest of the input.
    fn read_parameter(&mut self, input: &'v str) -> Result<&'v str, ValueError> {
        if input.is_empty() || input.starts_with(';') {
            return Ok(input);
        }
        let (name, value) = input.split_once('=').ok_or(ValueError::Parameter)?;
        let name = lower_case(name.trim_end_matches(BLANKS));
        if !is_token(name.as_bytes()) {
            return Err(ValueError::Parameter);
        }
        if self.parameter(&name).is_some() {
            return Err(ValueError::RepeatedParameter);
        }
        if self.parameters.len() == PARAMETERS {
            return Err(ValueError::TooManyParts { limit: PARAMETERS });
        }
        let value = value.trim_start_matches(BLANKS);
        let (value, rest) = match value.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted)?,
            None => {
                let end = value.find(';').unwrap_or(value.len());
                let (value, rest) = value.split_at_checked(end).unwrap_or((value, ""));
                let value = value.trim_end_matches(BLANKS);
                if value.is_empty() || value.contains('"') || has_control(value.as_bytes()) {
                    return Err(ValueError::Parameter);
                }
                (value.into(), rest)
            }
        };
        self.parameters.push((name, value));
        Ok(rest.trim_start_matches(BLANKS))
    }
}

/// Returns the text in lower case. It is copied only if it contains capital letters.
fn lower_case(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => text.to_ascii_lowercase().into(),
        false => text.into(),
    }
}

const LENGTH: usize = 8 * 1024;
const PARAMETERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &str) -> Vec<(String, String)> {
        let media_type = MediaType::parse(value).expect("a media type");
        media_type.parameters().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_media_type_of_a_soap_request_is_read() {
        let value = r#"Application/SOAP+XML; Charset=UTF-8; action="http://schemas.xmlsoap.org/ws/2004/09/transfer/Get""#;
        let media_type = MediaType::parse(value).expect("a media type");
        assert_eq!(media_type.essence(), "application/soap+xml");
        assert_eq!(media_type.charset(), Some("UTF-8"));
        assert_eq!(
            media_type.parameter("Action"),
            Some("http://schemas.xmlsoap.org/ws/2004/09/transfer/Get")
        );
        assert_eq!(media_type.parameter("boundary"), None);
    }

    #[test]
    fn media_types_of_sealed_bodies_allow_quotes_and_spaces() {
        let expected = [
            ("protocol".to_owned(), "application/HTTP-SPNEGO-session-encrypted".to_owned()),
            ("boundary".to_owned(), "Encrypted Boundary".to_owned()),
        ];
        for value in [
            r#"multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary""#,
            r#"multipart/encrypted ; protocol = "application/HTTP-SPNEGO-session-encrypted" ; boundary = "Encrypted Boundary" ;"#,
            "multipart/encrypted; protocol=application/HTTP-SPNEGO-session-encrypted;; boundary=Encrypted Boundary",
            "multipart/encrypted;\tprotocol=application/HTTP-SPNEGO-session-encrypted;\tboundary=\"Encrypted\\ Boundary\"",
        ] {
            assert_eq!(parsed(value), expected, "{value}");
        }
    }

    #[test]
    fn a_quoted_value_may_hold_separators_escapes_and_text_beyond_ascii() {
        assert_eq!(
            parsed(r#"a/b;c="d;e=\"f\\\"";g="ü""#),
            [("c".to_owned(), r#"d;e="f\""#.to_owned()), ("g".to_owned(), "ü".to_owned())]
        );
    }

    #[test]
    fn a_media_type_without_type_and_subtype_is_refused() {
        for value in ["", "text", "/", "a/", "/b", "a/b/c", "a b/c", "a/b c", "a/b, c/d", "*/*,", "ä/b"] {
            assert_eq!(MediaType::parse(value), Err(ValueError::MediaType), "{value}");
        }
    }

    #[test]
    fn a_malformed_parameter_is_refused() {
        for value in [
            "a/b;c",
            "a/b;=c",
            "a/b;c=",
            "a/b;c= ;",
            "a/b;c d=e",
            "a/b;c=d\"e\"",
            "a/b;c=\"d\"e",
            "a/b;c=d\u{1}",
        ] {
            assert_eq!(MediaType::parse(value), Err(ValueError::Parameter), "{value}");
        }
    }

    #[test]
    fn a_quoted_string_without_end_or_with_a_control_character_is_refused() {
        for value in
            ["a/b;c=\"", "a/b;c=\"d", "a/b;c=\"d\\", "a/b;c=\"d\\\"", "a/b;c=\"\u{0}\"", "a/b;c=\"\\\u{7f}\""]
        {
            assert_eq!(MediaType::parse(value), Err(ValueError::QuotedString), "{value}");
        }
    }

    #[test]
    fn a_repeated_parameter_is_refused() {
        assert_eq!(MediaType::parse("a/b;charset=UTF-8;CHARSET=UTF-16"), Err(ValueError::RepeatedParameter));
    }

    #[test]
    fn a_media_type_is_bounded_in_length_and_parameters() {
        let many = |count| (0..count).fold("a/b".to_owned(), |value, index| format!("{value};p{index}=x"));
        assert_eq!(parsed(&many(16)).len(), 16);
        assert_eq!(MediaType::parse(&many(17)), Err(ValueError::TooManyParts { limit: 16 }));
        let long = |length: usize| format!("a/b;c={}", "x".repeat(length - 6));
        assert_eq!(parsed(&long(8192)).len(), 1);
        assert_eq!(MediaType::parse(&long(8193)), Err(ValueError::TooLong { limit: 8192 }));
    }
}
