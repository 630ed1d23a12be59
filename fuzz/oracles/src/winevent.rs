//! Events, subscriptions, event queries and SLDC.

use winevent::event::{BookmarkList, Event, MAX_EVENT, Record, computer_in_usual_xml, json};
use winevent::query::{MAX_CONDITIONS, Query, Verdict};
use winevent::{QueryList, Subscription, Timestamp, WinEventError, sldc as codec};
use xml::Writer;

/// Checks any bytes as an event and as a bookmark.
///
/// The reader without a tree reads an event as the complete reader does, or leaves it to that reader. A repaired event
/// needs no more repairs. The typed content is the same after writing and reading, and both
/// kinds of JSON are valid.
///
/// # Panics
/// If one of these properties does not hold.
pub fn event(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data)
        && let Ok(bookmark) = BookmarkList::parse(text)
    {
        assert_eq!(bookmark.text(), text);
        assert!(!bookmark.is_older_than(&bookmark));
        let again = BookmarkList::new(bookmark.bookmarks().to_vec()).expect("the same channels");
        let again = BookmarkList::parse(again.text()).expect("what was written can be read");
        assert_eq!(again.bookmarks(), bookmark.bookmarks());
    }
    if let Ok(text) = str::from_utf8(data)
        && let Err(error) = json::parse(text)
    {
        assert_short(&error);
    }
    if let Ok(text) = str::from_utf8(data) {
        both_readers(text);
    }
    let record = match Record::decode(data) {
        Ok(record) => record,
        Err(error) => return assert_short(&error),
    };
    if record.source().len() <= MAX_EVENT {
        let again = Record::parse(record.source()).expect("a repaired event can be read");
        assert!(!again.repairs().is_changed(), "{}", record.source());
    }
    assert_json(&json::raw(&record));
    let event = match record.event() {
        Ok(event) => event,
        Err(error) => return assert_short(&error),
    };
    let structured = json::structured(&event);
    assert_json(&structured);
    // JSON keeps neither namespaces nor the positions of equal names, so JSON is compared with JSON.
    match json::parse(&structured) {
        Ok(again) => assert_eq!(again.event().map(|event| json::structured(&event)), Ok(structured)),
        Err(WinEventError::Limit { .. }) => {}
        Err(error) => assert!(error.to_string().contains("more "), "{error}: {structured}"),
    }
    assert_json(&json::ecs(&event));
    let written = event.to_xml();
    match Record::parse(&written) {
        Ok(again) => assert_eq!(again.event().as_ref(), Ok(&event), "{written}"),
        // References and declared namespaces need more room than what they replace.
        Err(WinEventError::Limit { .. }) => {}
        Err(error) => assert!(error.to_string().contains("more "), "{error}: {written}"),
    }
}

/// Compares the reader without a tree with the complete reader.
fn both_readers(text: &str) {
    let complete = Record::parse(text);
    if let Some(event) = Event::from_usual_xml(text) {
        let record = complete.as_ref().expect("an event for both readers");
        assert!(!record.repairs().is_changed() && record.source() == text);
        assert_eq!(record.event().as_ref(), Ok(&event));
        assert_eq!(record.channel().unwrap_or_default(), event.system.channel.clone().unwrap_or_default());
        assert_eq!(computer_in_usual_xml(text).as_deref(), Some(event.system.computer.trim()));
    }
    if let Some(computer) = computer_in_usual_xml(text) {
        let record = complete.as_ref().expect("an event for both readers");
        assert!(!record.repairs().is_changed() && record.source() == text);
        let system = record.root().children().find(|child| child.name() == "System");
        let element = system.and_then(|system| system.children().find(|child| child.name() == "Computer"));
        assert_eq!(computer, element.map(|element| element.text().trim().to_owned()).unwrap_or_default());
    }
}

fn assert_json(text: &str) {
    let parsed = serde_json::from_str::<serde_json::Value>(text);
    assert!(parsed.is_ok_and(|value| value.is_object()), "{text}");
}

fn assert_short(error: &WinEventError) {
    assert!(error.to_string().len() < 1_024, "an error quotes too much of its text");
}

/// Checks any bytes as compressed data, which stay within the bound, and as data, which are the same after
/// compression and decompression.
///
/// # Panics
/// If one of these properties does not hold.
pub fn sldc(data: &[u8]) {
    const MAXIMUM: usize = 1 << 20;
    if let Ok(plain) = codec::decode(data, MAXIMUM) {
        assert!(plain.len() <= MAXIMUM && plain.len() <= data.len().saturating_mul(95));
        assert_same(&plain);
    }
    assert_same(data);
}

fn assert_same(data: &[u8]) {
    let compressed = codec::encode(data).expect("short data");
    assert_eq!(codec::decode(&compressed, data.len()).as_deref(), Ok(data));
}

/// Checks any text as an expression and as a query list.
///
/// The position of an error lies within the text. An expression selects the same events alone, in a query list
/// and when it is explained.
///
/// # Panics
/// If one of these properties does not hold.
pub fn query(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let now = Timestamp::new(1_468_629_846, 0);
    let records = EVENTS.map(|text| Record::parse(text).expect("a valid event"));
    if let Ok(list) = QueryList::parse(text) {
        assert!(!list.paths().is_empty());
        for record in &records {
            assert_eq!(list.explain(record, now).is_selected, list.is_selected(record, now), "{text}");
        }
    }
    let query = match Query::parse(text) {
        Ok(query) => query,
        Err(error) => {
            if let WinEventError::Query { at, .. } = error {
                assert!(text.is_char_boundary(at), "{error} in {text:?}");
            }
            return assert_short(&error);
        }
    };
    assert!(query.condition_count() <= MAX_CONDITIONS);
    let mut writer = Writer::new();
    writer.start("QueryList").start("Query").start("Select").attribute("Path", "System").text(text);
    let list = QueryList::parse(&writer.finish()).expect("a valid expression");
    for record in &records {
        let is_match = query.is_match(record, now);
        assert_eq!(list.is_selected(record, now), is_match, "{text}");
        let (explained, parts) = query.explain(record, now);
        assert_eq!(explained, is_match, "{text}");
        for part in &parts {
            assert!(
                !part.text.is_empty() && text.get(part.at..).is_some_and(|rest| rest.starts_with(part.text))
            );
        }
        assert!(!is_match || parts.is_empty() || parts.iter().any(|part| part.verdict == Verdict::True));
    }
}

const EVENTS: [&str; 3] = [
    "<Event><System><Provider Name='P' Guid='{54849625-5478-4994-A5BA-3E3B0328C30D}'/><EventID>4624</EventID>\
     <Level>0</Level><Keywords>0x8020000000000000</Keywords>\
     <TimeCreated SystemTime='2016-07-16T00:44:05.5431610Z'/><Channel>System</Channel><Computer>a</Computer>\
     <Security UserID='S-1-5-18'/></System><EventData><Data Name='a'>1</Data><Data Name='b'>x</Data>\
     <Data Name='a'>2</Data><Data/></EventData></Event>",
    "<Event><System><Provider/><EventID Qualifiers='1'>1</EventID><Channel>System</Channel><Computer/></System>\
     <UserData><A xmlns='urn:a'><B c='1'>true</B></A></UserData></Event>",
    "<Event><System><Channel>System</Channel></System></Event>",
];

/// Checks any text as the file of a subscription, which is the same after export and import.
///
/// # Panics
/// If the property does not hold.
pub fn subscription(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let first = match Subscription::parse(text) {
        Ok(import) => import.subscription,
        Err(error) => return assert_short(&error),
    };
    let exported = first.to_xml();
    let second = Subscription::parse(&exported).expect("what was written can be read").subscription;
    assert_eq!(second.to_xml(), exported);
    assert_eq!(second.version(), first.version());
    // Passwords are never written.
    assert_eq!(second, first.without_passwords(), "{exported}");
}
