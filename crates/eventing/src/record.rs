//! Events of a delivery, and their forms for the outputs.
//!
//! Nearly all events are as Windows writes them. They are checked without a tree of elements, and written from the text
//! of their batch. All others are parsed completely, which also decides whether an event is malformed.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use winevent::WinEventError;
use winevent::event::{Event, Record, computer_in_usual_xml, json};

/// Facts about a delivery that the collector adds to its events.
pub(crate) struct Receipt<'a> {
    /// Authenticated name of the source.
    source: &'a str,
    /// Time of the receipt, as a member of a JSON object.
    time: String,
    /// Members of a JSON object for the source and the subscription.
    origin: String,
}

impl<'a> Receipt<'a> {
    /// Returns the receipt of a delivery. `time` is in RFC 3339.
    pub(crate) fn new(source: &'a str, subscription: &str, time: &str) -> Self {
        let text = |text: &str| Value::String(text.to_owned()).to_string();
        Self {
            source,
            time: format!(",\"Received\":{}", text(time)),
            origin: format!(",\"Source\":{},\"Subscription\":{}}}", text(source), text(subscription)),
        }
    }
}

/// Well-formed event.
pub(crate) struct Accepted<'i> {
    /// XML, after repairs.
    xml: Cow<'i, str>,
    /// Name of the computer; empty if the event has none.
    computer: Cow<'i, str>,
    is_repaired: bool,
    /// Typed content, if it was read at once.
    event: Option<Event<'i>>,
    record: OnceCell<Option<Record>>,
}

impl<'i> Accepted<'i> {
    /// Checks an event. `is_typed` says whether its typed content will be needed.
    pub(crate) fn parse(xml: &'i str, is_typed: bool) -> Result<Self, WinEventError> {
        let event = if is_typed { Event::from_usual_xml(xml) } else { None };
        let computer = match &event {
            Some(event) => Some(trimmed(event.system.computer.clone())),
            None if is_typed => None,
            None => computer_in_usual_xml(xml),
        };
        if let Some(computer) = computer {
            let record = OnceCell::new();
            return Ok(Self { xml: Cow::Borrowed(xml), computer, is_repaired: false, event, record });
        }
        let record = Record::parse(xml)?;
        let is_repaired = record.repairs().is_changed();
        let xml = match is_repaired {
            true => Cow::Owned(record.source().to_owned()),
            false => Cow::Borrowed(xml),
        };
        let computer = Cow::Owned(computer_of(&record));
        Ok(Self { xml, computer, is_repaired, event: None, record: OnceCell::from(Some(record)) })
    }

    /// Returns the `Computer` of the event; empty if it has none.
    pub(crate) fn computer(&self) -> &str {
        &self.computer
    }

    /// Returns the elements of the event, which are parsed when they are needed for the first time.
    pub(crate) fn record(&self) -> Option<&Record> {
        self.record.get_or_init(|| Record::parse(&self.xml).ok()).as_ref()
    }

    /// Appends the event in one line of XML. Line breaks become character references, as Windows writes them.
    pub(crate) fn write_xml(&self, out: &mut Vec<u8>) {
        let mut rest = self.xml.trim().as_bytes();
        while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
            let Some((before, [end, after @ ..])) = rest.split_at_checked(at) else { break };
            out.extend_from_slice(before);
            out.extend_from_slice(if *end == b'\n' { b"&#10;" } else { b"&#13;" });
            rest = after;
        }
        out.extend_from_slice(rest);
        out.push(b'\n');
    }

    /// Appends the event in one line of JSON, with the receipt in the field `Collector`. An event whose values are not
    /// of their types is written as XML in one string.
    pub(crate) fn write_json(&self, receipt: &Receipt<'_>, is_foreign: bool, out: &mut String) {
        out.push_str("{\"Collector\":{\"EventId\":\"");
        let parsed = match &self.event {
            Some(_) => None,
            None => self.record().and_then(|record| record.event().ok()),
        };
        let event = self.event.as_ref().or(parsed.as_ref());
        let channel = match &self.event {
            Some(event) => event.system.channel.clone(),
            None => self.record().and_then(Record::channel),
        };
        write_event_id(self.xml.trim(), event, channel.as_deref(), receipt.source, out);
        out.push('"');
        if is_foreign {
            out.push_str(",\"IdentityMismatch\":true");
        }
        out.push_str(&receipt.time);
        if self.is_repaired {
            out.push_str(",\"Repaired\":true");
        }
        out.push_str(&receipt.origin);
        match event {
            Some(event) => json::append_structured(event, out),
            None => json::append_raw(&self.xml, out),
        }
        out.push('\n');
    }
}

/// Returns the `Computer` of an event; empty if it has none.
fn computer_of(record: &Record) -> String {
    let system = record.root().children().find(|child| child.name() == "System");
    let computer = system.and_then(|system| system.children().find(|child| child.name() == "Computer"));
    computer.map(|computer| computer.text().trim().to_owned()).unwrap_or_default()
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// Appends an identifier that is the same whenever the source delivers the event: a hash of source, channel, record
/// number and time, or of the text of an event without them.
fn write_event_id(
    xml: &str,
    event: Option<&Event<'_>>,
    channel: Option<&str>,
    source: &str,
    out: &mut String,
) {
    let mut digest = Sha256::new();
    digest.update(source);
    digest.update([0]);
    let system = event.map(|event| &event.system);
    let number = system.and_then(|system| system.record_id);
    let time = system.and_then(|system| system.time_created.as_ref());
    match (number, time) {
        (Some(number), Some(time)) => {
            digest.update(channel.unwrap_or_default());
            let _ = write!(DigestText(&mut digest), "\0{number}\0{time}");
        }
        _ => digest.update(xml),
    }
    for byte in digest.finalize().iter().take(16) {
        for digit in [byte >> 4, byte & 0xF] {
            out.extend(char::from_digit(digit.into(), 16));
        }
    }
}

/// Digest as a receiver of text.
struct DigestText<'d>(&'d mut Sha256);

impl std::fmt::Write for DigestText<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
        <Provider Name='p'/><EventID>7</EventID><Computer>win10</Computer></System><EventData><Data Name='a'>x\r\ny\
        </Data></EventData></Event>";

    fn json_of(accepted: &Accepted<'_>) -> String {
        let mut out = String::new();
        accepted.write_json(&Receipt::new("win\"10", "s", "now"), true, &mut out);
        out
    }

    #[test]
    fn an_event_is_one_line_in_either_form() {
        let accepted = Accepted::parse(EVENT, true).unwrap();
        assert_eq!(accepted.computer(), "win10");
        let mut out = Vec::new();
        accepted.write_xml(&mut out);
        let line = String::from_utf8(out).unwrap();
        assert!(line.contains("x&#13;&#10;y") && line.ends_with("</Event>\n"), "{line}");
        let line = json_of(&accepted);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["System"]["EventID"], 7, "{line}");
        assert_eq!(value["Collector"]["Source"], "win\"10");
        assert_eq!(value["Collector"]["IdentityMismatch"], true);
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn an_event_is_the_same_with_and_without_a_tree() {
        let unusual = format!("<!-- a comment -->{EVENT}");
        let wrong = EVENT.replace("<EventID>7<", "<EventID>x<");
        for xml in [EVENT, &unusual, &wrong, &EVENT.replace("</Event>", "<RenderingInfo><Message>cut")] {
            let (with, without) = (Accepted::parse(xml, true).unwrap(), Accepted::parse(xml, false).unwrap());
            assert_eq!((with.computer(), json_of(&with)), (without.computer(), json_of(&without)), "{xml}");
            let (mut one, mut other) = (Vec::new(), Vec::new());
            with.write_xml(&mut one);
            without.write_xml(&mut other);
            assert_eq!(one, other);
        }
        let raw = Accepted::parse(&wrong, true).unwrap();
        assert!(json_of(&raw).contains("},\"Event\":\"<Event "), "{}", json_of(&raw));
    }
}
