//! The few productions of RFC 9110 5.6 that heads and header values are made of.

use std::borrow::Cow;
use std::ops::Range;

use crate::ValueError;

/// `tchar` (RFC 9110 5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
        | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
}

pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

/// Control bytes, which no part of a head may hold, but for the tab within a header value.
pub(crate) const fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

pub(crate) fn has_control(value: &[u8]) -> bool {
    // Without an early exit the compiler looks at many bytes at once; a bad byte is rare.
    value.iter().fold(false, |found, &byte| found | is_control(byte))
}

/// `OWS` (RFC 9110 5.6.3).
pub(crate) const BLANKS: [char; 2] = [' ', '\t'];

pub(crate) fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// A host name, address or bracketed IPv6 address with an optional port (RFC 9110 7.2).
pub(crate) fn is_host(text: &[u8]) -> bool {
    // Of the characters of RFC 3986 3.2.2 the comma is left out, because it joins two Host headers into one.
    let allowed = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b':' | b'[' | b']')
            || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=')
    };
    !text.is_empty() && text.iter().all(allowed)
}

/// Where the path of a target lies, without its query; empty means `/`.
///
/// The target must be a path or an absolute `http` or `https` URI, of printable ASCII and without fragment
/// (RFC 9112 3.2.1 and 3.2.2).
pub(crate) fn path(target: &str) -> Option<Range<usize>> {
    if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return None;
    }
    let rest = if target.starts_with('/') { target } else { after_authority(target)? };
    let start = target.len() - rest.len();
    Some(start..start + rest.find('?').unwrap_or(rest.len()))
}

/// What follows the authority of an absolute URI: nothing, a path or a query.
fn after_authority(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    is_host(authority.as_bytes()).then_some(rest)
}

/// Reads a quoted string after its opening quote: its text, and what follows the closing quote
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
