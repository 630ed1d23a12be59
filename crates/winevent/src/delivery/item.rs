//! Events in the body of a delivery, found by searching for their markup.

use std::borrow::Cow;

use memchr::memmem;

use super::error::DeliveryError;

/// Item of a delivery: an event, or a report of dropped events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<'t> {
    /// `Action` of the item; empty if it has none.
    pub action: &'t str,
    /// Markup of the event. It may be malformed, and is empty if the item is empty.
    pub xml: Cow<'t, str>,
}

/// Action of an item that reports dropped events instead of an event (DSP0226 10.9).
pub const DROPPED_EVENTS: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/DroppedEvents";

/// Returns the items of a list. `list` begins behind the start tag of the list, and `prefix` is that of its elements,
/// with the colon.
pub(super) fn items<'t>(list: &'t str, prefix: &str, maximum: usize) -> Result<Vec<Item<'t>>, DeliveryError> {
    let (open, close) = (format!("<{prefix}Event"), format!("</{prefix}Event"));
    let end = format!("</{prefix}Events");
    let mut found = Vec::new();
    let mut rest = list;
    loop {
        let at = memchr::memchr(b'<', rest.as_bytes()).ok_or(DeliveryError::Truncated)?;
        rest = rest.get(at..).unwrap_or_default();
        if starts_with_tag(rest, &end) {
            return Ok(found);
        }
        if !starts_with_tag(rest, &open) {
            // Something else between the events, such as a comment.
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        if found.len() == maximum {
            return Err(DeliveryError::TooManyEvents(maximum));
        }
        let (tag, after) = split_tag(rest).ok_or(DeliveryError::Truncated)?;
        let action = attribute(tag, "Action").unwrap_or_default();
        if tag.ends_with("/>") {
            found.push(Item { action, xml: Cow::Borrowed("") });
            rest = after;
            continue;
        }
        let (xml, after) = match after.trim_start().strip_prefix(CDATA) {
            Some(content) => character_data(content, &close)?,
            None => inline(after, &open, &close)?,
        };
        found.push(Item { action, xml });
        rest = after;
    }
}

/// Returns the event that is the content of a body, with or without the element `w:Event` around it, as the modes Push and
/// PushWithAck send it (DSP0226 10.2.9.2). `body` begins with the start tag of the body.
pub(super) fn single<'t>(body: &'t str, action: &'t str) -> Result<Item<'t>, DeliveryError> {
    let (_, inside) = split_tag(body).ok_or(DeliveryError::Truncated)?;
    let inside = inside.trim_start();
    let (tag, after) = split_tag(inside).ok_or(DeliveryError::Truncated)?;
    let name = tag.trim_start_matches('<').trim_end_matches(['/', '>']);
    let name = name.split([' ', '\t', '\n', '\r']).next().unwrap_or_default();
    if name.is_empty() || name.starts_with(['/', '!', '?']) {
        return Err(DeliveryError::WrongBody("w:Event"));
    }
    let (open, close) = (format!("<{name}"), format!("</{name}"));
    let is_empty = tag.ends_with("/>");
    let has_text = after.trim_start().starts_with(CDATA);
    let is_wrapper =
        name.rsplit(':').next() == Some("Event") && (has_text || attribute(tag, "Action").is_some());
    if is_wrapper {
        let action = attribute(tag, "Action").unwrap_or(action);
        let xml = match after.trim_start().strip_prefix(CDATA) {
            _ if is_empty => Cow::Borrowed(""),
            Some(content) => character_data(content, &close)?.0,
            None => inline(after, &open, &close)?.0,
        };
        return Ok(Item { action, xml });
    }
    let rest = if is_empty { after } else { inline(after, &open, &close)?.1 };
    let length = inside.len().saturating_sub(rest.len());
    Ok(Item { action, xml: Cow::Borrowed(inside.get(..length).unwrap_or_default()) })
}

/// Returns the content of one or several adjacent CDATA sections, and the rest behind the end tag of the item.
fn character_data<'t>(content: &'t str, close: &str) -> Result<(Cow<'t, str>, &'t str), DeliveryError> {
    let (first, mut rest) = split_at_end(content).ok_or(DeliveryError::Truncated)?;
    let mut xml = Cow::Borrowed(first);
    // A CDATA section cannot contain its own end, so a text with it consists of two sections.
    while let Some(content) = rest.strip_prefix(CDATA) {
        let (more, after) = split_at_end(content).ok_or(DeliveryError::Truncated)?;
        xml.to_mut().push_str(more);
        rest = after;
    }
    let at = match starts_with_tag(rest, close) {
        true => 0,
        false => find_tag(rest, close).ok_or(DeliveryError::Truncated)?,
    };
    let (_, after) = split_tag(rest.get(at..).unwrap_or_default()).ok_or(DeliveryError::Truncated)?;
    Ok((xml, after))
}

/// Returns the markup inside an item, and the rest behind its end tag. Elements of the same name may be nested.
fn inline<'t>(content: &'t str, open: &str, close: &str) -> Result<(Cow<'t, str>, &'t str), DeliveryError> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        let rest = content.get(at..).unwrap_or_default();
        let next = memchr::memchr(b'<', rest.as_bytes()).ok_or(DeliveryError::Truncated)?;
        let here = rest.get(next..).unwrap_or_default();
        let mut length = 1;
        if starts_with_tag(here, close) {
            let (tag, after) = split_tag(here).ok_or(DeliveryError::Truncated)?;
            if depth == 0 {
                let xml = content.get(..at + next).unwrap_or_default().trim();
                return Ok((Cow::Borrowed(xml), after));
            }
            depth -= 1;
            length = tag.len();
        } else if starts_with_tag(here, open) {
            let (tag, _) = split_tag(here).ok_or(DeliveryError::Truncated)?;
            depth += usize::from(!tag.ends_with("/>"));
            length = tag.len();
        }
        at += next + length;
    }
}

/// Returns whether a text begins with a tag of this name, and not with a longer name.
pub(super) fn starts_with_tag(text: &str, tag: &str) -> bool {
    let after = text.strip_prefix(tag).and_then(|rest| rest.bytes().next());
    matches!(after, Some(b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r'))
}

/// Returns the position of the first tag of this name.
pub(super) fn find_tag(text: &str, tag: &str) -> Option<usize> {
    let mut found = memmem::find_iter(text.as_bytes(), tag.as_bytes());
    found.find(|at| text.get(*at..).is_some_and(|here| starts_with_tag(here, tag)))
}

/// Splits a text behind the tag at its start. A `>` in an attribute value does not end the tag.
pub(super) fn split_tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return text.split_at_checked(at + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if byte == open => quote = None,
            _ => {}
        }
    }
    None
}

/// Returns the value of an attribute in a tag, without resolving references.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let at = memmem::find(tag.as_bytes(), name.as_bytes())?;
    let value = tag.get(at..)?.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value.get(1..)?.split(quote).next()
}

/// Splits a text at the end of a CDATA section. Brackets are rare in events.
fn split_at_end(text: &str) -> Option<(&str, &str)> {
    let mut brackets = memchr::memchr_iter(b']', text.as_bytes());
    let at = brackets.find(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(CDATA_END)))?;
    Some((text.get(..at)?, text.get(at + CDATA_END.len()..)?))
}

const CDATA: &str = "<![CDATA[";
const CDATA_END: &str = "]]>";
