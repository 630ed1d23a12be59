//! Grammar productions of RFC 9110 5.6 used in heads and header values.

use std::borrow::Cow;
use std::ops::Range;

use crate::ValueError;

/// Returns whether the byte is a `tchar` (RFC 9110 5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
        | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
}

pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

/// Returns whether the byte is a control byte. No part of a head may contain one, except a tab in a header
/// value.
pub(crate) const fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

pub(crate) fn has_control(value: &[u8]) -> bool {
    // Without an early exit the compiler can vectorise the loop; a bad byte is rare.
    value.iter().fold(false, |found, &byte| found | is_control(byte))
}

/// Characters of `OWS` (RFC 9110 5.6.3).
pub(crate) const BLANKS: [char; 2] = [' ', '\t'];

pub(crate) fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Returns whether the text is a host name, address or bracketed IPv6 address with an optional port (RFC 9110
/// 7.2).
pub(crate) fn is_host(text: &[u8]) -> bool {
    // RFC 3986 3.2.2 also allows a comma. It is rejected because it joins two Host headers into one.
    !text.is_empty()
        && text.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b':' | b'[' | b']')
                || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=')
        })
}

/// Returns the range of the path in a request target, without the query; an empty range means `/`.
///
/// The target must be a path or an absolute `http` or `https` URI, in printable ASCII and without fragment
/// (RFC 9112 3.2.1 and 3.2.2). Otherwise the result is `None`.
pub(crate) fn path(target: &str) -> Option<Range<usize>> {
    if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return None;
    }
    let rest = if target.starts_with('/') { target } else { after_authority(target)? };
    let start = target.len() - rest.len();
    Some(start..start + rest.find('?').unwrap_or(rest.len()))
}

/// Returns the part after the authority of an absolute URI: nothing, a path or a query.
fn after_authority(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    is_host(authority.as_bytes()).then_some(rest)
}

/// Parses a quoted string after its opening quote and returns its text and the rest after the closing quote
/// (RFC 9110 5.6.4).
pub(crate) fn quoted_string(input: &str) -> Result<(Cow<'_, str>, &str), ValueError> {
    let mut text = Cow::Borrowed("");
    let mut rest = input;
    loop {
        let end = rest.find(['"', '\\']).ok_or(ValueError::QuotedString)?;
        let (plain, special) = rest.split_at_checked(end).ok_or(ValueError::QuotedString)?;
        if has_control(plain.as_bytes()) {
            return Err(ValueError::QuotedString);
        }
        if text.is_empty() {
            text = Cow::Borrowed(plain);
        } else {
            text.to_mut().push_str(plain);
        }
        if let Some(rest) = special.strip_prefix('"') {
            return Ok((text, rest));
        }
        let mut escaped = special.chars();
        let character = escaped.nth(1).filter(|&c| c == '\t' || !c.is_control());
        text.to_mut().push(character.ok_or(ValueError::QuotedString)?);
        rest = escaped.as_str();
    }
}
