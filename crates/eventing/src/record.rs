//! Events of a delivery in the forms of the outputs.

use std::borrow::Cow;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use winevent::event::{Event, Record, json};

/// Facts about an event that the collector adds to it.
pub(crate) struct Receipt<'a> {
    /// Authenticated name of the source.
    pub(crate) source: &'a str,
    /// Name of the subscription.
    pub(crate) subscription: &'a str,
    /// Time of the receipt in RFC 3339.
    pub(crate) time: &'a str,
    /// Whether `Computer` is not the source.
    pub(crate) is_foreign: bool,
}

/// Returns the `Computer` of an event; empty if it has none.
pub(crate) fn computer(record: &Record) -> String {
    let system = record.root().children().find(|child| child.name() == "System");
    let computer = system.and_then(|system| system.children().find(|child| child.name() == "Computer"));
    computer.map(|computer| computer.text().trim().to_owned()).unwrap_or_default()
}

/// Appends an event in one line of XML. Line breaks become character references, as Windows writes them.
pub(crate) fn write_xml(record: &Record, out: &mut Vec<u8>) {
    let mut line = Cow::Borrowed(record.source().trim());
    if line.contains(['\n', '\r']) {
        line = Cow::Owned(line.replace('\r', "&#13;").replace('\n', "&#10;"));
    }
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
}

/// Appends an event in one line of JSON, with the receipt in the field `Collector`. An event whose values are not of
/// their types is written as XML in one string.
pub(crate) fn write_json(record: &Record, receipt: &Receipt<'_>, out: &mut Vec<u8>) {
    let mut collector = serde_json::Map::new();
    for (name, value) in
        [("Source", receipt.source), ("Subscription", receipt.subscription), ("Received", receipt.time)]
    {
        collector.insert(name.to_owned(), Value::String(value.to_owned()));
    }
    if receipt.is_foreign {
        collector.insert("IdentityMismatch".to_owned(), Value::Bool(true));
    }
    if record.repairs().is_changed() {
        collector.insert("Repaired".to_owned(), Value::Bool(true));
    }
    let event = record.event();
    let id = event_id(record, event.as_ref().ok(), receipt.source);
    collector.insert("EventId".to_owned(), Value::String(id));
    let event = event.map_or_else(|_| json::raw(record), |event| json::structured(&event));
    let collector = Value::Object(collector).to_string();
    // Both are objects; the receipt becomes the first field of the event.
    out.extend_from_slice(b"{\"Collector\":");
    out.extend_from_slice(collector.as_bytes());
    match event.strip_prefix('{') {
        Some("}") | None => out.push(b'}'),
        Some(rest) => {
            out.push(b',');
            out.extend_from_slice(rest.trim_end().as_bytes());
        }
    }
    out.push(b'\n');
}

/// Returns an identifier that is the same whenever the source delivers the event: a hash of source, channel, record
/// number and time, or of the text of an event without them.
fn event_id(record: &Record, event: Option<&Event<'_>>, source: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(source);
    digest.update([0]);
    let system = event.map(|event| &event.system);
    let number = system.and_then(|system| system.record_id);
    let time = system.and_then(|system| system.time_created.as_ref());
    match (number, time) {
        (Some(number), Some(time)) => {
            digest.update(record.channel().unwrap_or_default().as_bytes());
            digest.update(format!("\0{number}\0{time}"));
        }
        _ => digest.update(record.source().trim()),
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
        <Provider Name='p'/><EventID>7</EventID><Computer>win10</Computer></System><EventData><Data Name='a'>x\r\ny\
        </Data></EventData></Event>";

    #[test]
    fn an_event_is_one_line_in_either_form() {
        let record = Record::parse(EVENT).unwrap();
        assert_eq!(computer(&record), "win10");
        let mut out = Vec::new();
        write_xml(&record, &mut out);
        let line = String::from_utf8(out).unwrap();
        assert!(line.contains("x&#13;&#10;y") && line.ends_with("</Event>\n"), "{line}");
        let mut out = Vec::new();
        let receipt = Receipt { source: "win10", subscription: "s", time: "now", is_foreign: true };
        write_json(&record, &receipt, &mut out);
        let line = String::from_utf8(out).unwrap();
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["System"]["EventID"], 7, "{line}");
        assert_eq!(value["Collector"]["Source"], "win10");
        assert_eq!(value["Collector"]["IdentityMismatch"], true);
        assert_eq!(line.matches('\n').count(), 1);
    }
}
