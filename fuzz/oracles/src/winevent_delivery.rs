//! Messages of event sources (`winevent::delivery`).

use winevent::delivery::{Bounds, Content, DeliveryError, Message, TextBuffer, decode};
use winevent::event::Record;

/// Checks any body of a message.
///
/// The text contains only characters of XML, so decoding it again changes nothing. The number of events is limited. The
/// text of an event without line ends or sections of its own can be delivered again unchanged. A bookmark is
/// well-formed.
///
/// # Panics
/// If one of these properties does not hold.
pub fn message(data: &[u8]) {
    let (text, _) = decode(data);
    decompressed(data);
    assert_eq!(text, by_characters(data), "a character differs");
    let unmarked = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    assert_eq!(decode(text.as_bytes()).0, unmarked, "decoded text changed");
    let few = Bounds { events: 2 };
    let Ok(message) = Message::parse(&text, &Bounds::default()) else { return };
    if let Some(bookmark) = &message.head.bookmark {
        assert!(xml::Document::parse(bookmark.as_str(), &xml::Bounds::default()).is_ok(), "{bookmark}");
    }
    assert!(!message.head.message_id.is_empty());
    let Content::Events(items) = message.content else { return };
    let limited = Message::parse(&text, &few);
    match items.len() {
        0..=2 => assert!(limited.is_ok()),
        _ => assert_eq!(limited.unwrap_err(), DeliveryError::TooManyEvents(2)),
    }
    let delivered: String = items.iter().map(|item| item_of(&item.xml)).collect();
    let again = format!("{HEAD}{delivered}</w:Events></s:Body></s:Envelope>");
    let Content::Events(repeated) = Message::parse(&again, &Bounds::default()).unwrap().content else {
        panic!("another content");
    };
    assert_eq!(repeated.len(), items.len());
    for (item, repeated) in items.iter().zip(&repeated) {
        assert_eq!(item.xml, repeated.xml, "an event changed");
        let _ = Record::parse(&item.xml);
    }
}

/// Returns an item with this event. A section cannot contain its own end, so the event is divided there.
fn item_of(event: &str) -> String {
    let sections = event.replace("]]>", "]]]]><![CDATA[>");
    format!("<w:Event><![CDATA[{sections}]]></w:Event>")
}

const HEAD: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
    xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
    xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header>\
    <a:Action>http://schemas.dmtf.org/wbem/wsman/1/wsman/Events</a:Action><a:MessageID>1</a:MessageID>\
    </s:Header><s:Body><w:Events>";

/// Checks any text as the answer of a collector: errors are short, and every offered subscription has a version and an
/// address.
///
/// # Panics
/// If one of these properties does not hold.
pub fn answer(data: &[u8]) {
    let (text, _) = winevent::delivery::decode(data);
    match winevent::delivery::CollectorAnswer::parse(&text, "1") {
        Ok(winevent::delivery::CollectorAnswer::Subscriptions(page)) => {
            for offer in page.offers.into_iter().flatten() {
                assert!(!offer.version.is_empty() && !offer.notify_to.url.is_empty());
            }
        }
        Ok(_) => {}
        Err(error) => assert!(error.to_string().len() < 2_048),
    }
}

/// Checks that decompression and conversion in one pass have the result of both, also beyond the window.
fn decompressed(data: &[u8]) {
    let mut long = data.to_vec();
    // Compression takes long, so that only some inputs are repeated until they exceed the window.
    while data.len() % 61 == 1 && long.len() < 150_000 {
        long.extend_from_slice(data);
    }
    let mut buffer = TextBuffer::default();
    for data in [data, &long] {
        let compressed = winevent::sldc::encode(data).expect("short data");
        let form = buffer.decompress(&compressed, data.len()).expect("compressed data");
        let (text, expected) = decode(data);
        assert_eq!((buffer.text(), form), (text.as_str(), expected), "the text differs in one pass");
        if let Some(maximum) = data.len().checked_sub(1) {
            assert!(buffer.decompress(&compressed, maximum).is_err(), "more bytes than the maximum");
        }
    }
    let twice = winevent::sldc::decode(data, 1 << 20).map(|plain| decode(&plain));
    let once = buffer.decompress(data, 1 << 20).map(|form| (buffer.text().to_owned(), form));
    assert_eq!(once.ok(), twice.ok(), "compressed bytes are read differently in one pass");
}

/// Converts a body to text, one character after the other.
fn by_characters(data: &[u8]) -> String {
    let units = |order: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let (units, odd) = bytes.as_chunks::<2>();
        let decoded = char::decode_utf16(units.iter().map(|unit| order(*unit)));
        let odd = odd.iter().map(|_| char::REPLACEMENT_CHARACTER);
        decoded.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).chain(odd).map(legal).collect::<String>()
    };
    match data {
        [0xFF, 0xFE, rest @ ..] => units(u16::from_le_bytes, rest),
        [0xFE, 0xFF, rest @ ..] => units(u16::from_be_bytes, rest),
        [1..0x80, 0, ..] => units(u16::from_le_bytes, data),
        [0, 1..0x80, ..] => units(u16::from_be_bytes, data),
        _ => {
            let bytes = data.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(data);
            String::from_utf8_lossy(bytes).chars().map(legal).collect()
        }
    }
}

fn legal(c: char) -> char {
    let is_legal = matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..);
    if is_legal { c } else { char::REPLACEMENT_CHARACTER }
}
