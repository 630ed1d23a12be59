//! XML of an event, repaired if necessary.

use std::borrow::Cow;

use xml::{Bounds, Document, Element, Reason};

use super::Event;
use crate::encoding;
use crate::error::{WinEventError, quote};

/// Maximum length of an event in bytes of UTF-8: twice the largest message of Windows (512000 bytes).
pub const MAX_EVENT: usize = 1 << 20;

pub(super) const BOUNDS: Bounds =
    Bounds { octets: MAX_EVENT, depth: 48, nodes: 50_000, attributes: 64, namespaces: 128 };

/// XML of one event, well-formed and with the root element `Event`.
#[derive(Debug)]
pub struct Record {
    document: Document,
    repairs: Repairs,
}

/// Changes of the XML that were necessary to read an event.
///
/// Strings of Windows may contain any 16-bit units, and Windows writes them into XML unchanged; and it cuts
/// texts that exceed a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Number of characters that XML does not allow; each is replaced by U+FFFD.
    pub replaced: usize,
    /// Whether `RenderingInfo` was cut and has been removed.
    pub is_rendering_cut: bool,
}

impl Repairs {
    /// Returns whether the text differs from what was received.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        *self != Self::default()
    }
}

impl Record {
    /// Parses the XML of an event. Characters that XML does not allow are replaced, and a cut
    /// `RenderingInfo` is removed.
    ///
    /// # Errors
    /// [`WinEventError`] if the text exceeds [`MAX_EVENT`] or a bound of the reader, if it is not well-formed
    /// in spite of repairs, or if the root element is not `Event`.
    pub fn parse(text: &str) -> Result<Self, WinEventError> {
        if text.len() > MAX_EVENT {
            return Err(WinEventError::Limit { bound: "bytes of an event", maximum: MAX_EVENT });
        }
        let mut repairs = Repairs::default();
        let document = match Document::parse(text, &BOUNDS) {
            Ok(document) => document,
            Err(error) if matches!(error.reason, Reason::TooLarge(_)) => return Err(error.into()),
            Err(error) => repair(text, &mut repairs).ok_or(error)?,
        };
        let root = document.root();
        if root.name() != "Event" || !matches!(root.namespace(), super::NAMESPACE | "") {
            return Err(WinEventError::WrongRoot { expected: "Event", found: quote(root.name()) });
        }
        Ok(Self { document, repairs })
    }

    /// Parses bytes in UTF-16 or UTF-8 as [`Record::parse`] does; units that are not valid are replaced.
    ///
    /// # Errors
    /// As for [`Record::parse`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WinEventError> {
        if bytes.len() > MAX_EVENT.saturating_mul(2) {
            return Err(WinEventError::Limit { bound: "bytes of an event", maximum: MAX_EVENT });
        }
        let decoded = encoding::decode(bytes);
        let mut record = Self::parse(&decoded.text)?;
        record.repairs.replaced += decoded.replaced;
        Ok(record)
    }

    /// Returns the typed content.
    ///
    /// # Errors
    /// [`WinEventError`] if a property of `System` that every event has is missing, or a value is not of its
    /// type.
    pub fn event(&self) -> Result<Event<'_>, WinEventError> {
        Event::read(self.document.root())
    }

    /// Returns the XML, after repairs.
    #[must_use]
    pub fn source(&self) -> &str {
        self.document.source()
    }

    /// Returns the repairs.
    #[must_use]
    pub fn repairs(&self) -> Repairs {
        self.repairs
    }

    /// Returns the element `Event`.
    #[must_use]
    pub fn root(&self) -> Element<'_> {
        self.document.root()
    }

    /// Returns the text of `System/Channel`, without reading the other properties.
    #[must_use]
    pub fn channel(&self) -> Option<Cow<'_, str>> {
        let system = self.root().children().find(|child| child.name() == "System")?;
        Some(system.children().find(|child| child.name() == "Channel")?.text())
    }
}

fn repair(text: &str, repairs: &mut Repairs) -> Option<Document> {
    let (clean, replaced) = replace_illegal(text);
    repairs.replaced = replaced;
    if replaced > 0
        && let Ok(document) = Document::parse(clean.as_ref(), &BOUNDS)
    {
        return Some(document);
    }
    // RenderingInfo is the last and by far the longest part.
    let start = clean.rfind("<RenderingInfo")?;
    let mut salvaged = clean.get(..start)?.to_owned();
    salvaged.push_str("</Event>");
    repairs.is_rendering_cut = true;
    Document::parse(salvaged, &BOUNDS).ok()
}

/// Replaces characters that XML does not allow, and references to them, by U+FFFD. Returns their number.
fn replace_illegal(text: &str) -> (Cow<'_, str>, usize) {
    let mut clean = String::new();
    let (mut copied, mut replaced, mut at) = (0, 0, 0);
    while let Some(rest) = text.get(at..)
        && let Some(c) = rest.chars().next()
    {
        let length = match c {
            '&' => illegal_reference(rest),
            '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'.. => None,
            _ => Some(c.len_utf8()),
        };
        let Some(length) = length else {
            at += c.len_utf8();
            continue;
        };
        clean.push_str(text.get(copied..at).unwrap_or_default());
        clean.push(char::REPLACEMENT_CHARACTER);
        replaced += 1;
        at += length;
        copied = at;
    }
    if replaced == 0 {
        return (Cow::Borrowed(text), 0);
    }
    clean.push_str(text.get(copied..).unwrap_or_default());
    (Cow::Owned(clean), replaced)
}

/// Returns the length of a character reference at the start of the text if XML does not allow the character.
fn illegal_reference(text: &str) -> Option<usize> {
    let end = text.bytes().take(12).position(|byte| byte == b';')?;
    let number = text.get(1..end)?.strip_prefix('#')?;
    let value = match number.strip_prefix('x') {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => number.parse().ok()?,
    };
    let is_legal = matches!(value, 0x9 | 0xA | 0xD | 0x20..=0xD7FF | 0xE000..=0xFFFD | 0x1_0000..=0x10_FFFF);
    (!is_legal).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
        <Provider Name='P'/><EventID>1</EventID><Computer>c</Computer></System>";

    #[test]
    fn illegal_characters_are_replaced_and_counted() {
        let text =
            format!("{START}<EventData><Data>a\u{1}b&#x1F;c&#0;\u{FFFE}&#xD800;</Data></EventData></Event>");
        let record = Record::parse(&text).unwrap();
        assert_eq!(record.repairs(), Repairs { replaced: 5, is_rendering_cut: false });
        assert!(record.source().contains("a\u{FFFD}b\u{FFFD}c\u{FFFD}\u{FFFD}\u{FFFD}</Data>"));
    }

    #[test]
    fn a_cut_rendering_is_removed() {
        let whole = format!("{START}<RenderingInfo Culture='en-US'><Message>long & text");
        for length in START.len() + "<RenderingInfo".len()..whole.len() {
            let record = Record::parse(&whole[..length]).unwrap();
            assert!(record.repairs().is_rendering_cut);
            assert_eq!(record.event().unwrap().rendering, None);
        }
        assert!(Record::parse(&START[..START.len() - 4]).is_err());
    }

    #[test]
    fn a_lone_surrogate_in_utf_16_is_replaced() {
        let mut units: Vec<u16> = START.encode_utf16().collect();
        units.extend("<EventData><Data>".encode_utf16());
        units.push(0xD800);
        units.extend("</Data></EventData></Event>".encode_utf16());
        let bytes: Vec<u8> = units.into_iter().flat_map(u16::to_le_bytes).collect();
        assert_eq!(Record::decode(&bytes).unwrap().repairs().replaced, 1);
    }

    #[test]
    fn bounds_are_named_and_hostile_markup_is_rejected() {
        let deep = format!("{}{}", START, "<a>".repeat(100));
        assert!(Record::parse(&deep).unwrap_err().to_string().contains("depth"));
        let long = format!("{START}<a>{}</a></Event>", "x".repeat(MAX_EVENT));
        assert!(matches!(Record::parse(&long), Err(WinEventError::Limit { .. })));
        for text in [
            "",
            "<Event",
            "<Other/>",
            "<!DOCTYPE Event [<!ENTITY a 'b'>]><Event>&a;</Event>",
            "<Event>&a;</Event>",
        ] {
            assert!(Record::parse(text).is_err(), "{text}");
        }
    }
}
