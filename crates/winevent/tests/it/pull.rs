//! The reader without a tree reads events as the complete reader does, or leaves them to it.

use telarch_winevent::event::{Event, Record, computer_in_usual_xml, json};

use crate::fixtures::events;
use crate::random::Random;

/// Returns whether the reader without a tree has read a text, after comparing both readers.
fn is_read_alike(text: &str) -> bool {
    let complete = Record::parse(text);
    let event = Event::from_usual_xml(text);
    let computer = computer_in_usual_xml(text);
    if let Some(event) = &event {
        let record = complete.as_ref().unwrap();
        assert!(!record.repairs().is_changed(), "{text}");
        assert_eq!(record.event().as_ref(), Ok(event), "{text}");
        assert_eq!(
            record.channel().as_deref().unwrap_or_default(),
            event.system.channel.as_deref().unwrap_or_default()
        );
        assert_eq!(record.source(), text);
        assert_eq!(json::structured(&record.event().unwrap()), json::structured(event));
        assert_eq!(computer.as_deref(), Some(event.system.computer.trim()), "{text}");
    }
    if let Some(computer) = &computer {
        let record = complete.as_ref().unwrap();
        assert!(!record.repairs().is_changed(), "{text}");
        let system = record.root().children().find(|child| child.name() == "System");
        let element = system.and_then(|system| system.children().find(|child| child.name() == "Computer"));
        assert_eq!(*computer, element.map(|element| element.text().trim().to_owned()).unwrap_or_default());
    }
    event.is_some() && computer.is_some()
}

const SYSTEM: &str = "<System><Provider Name='P' Guid=\"{54849625-5478-4994-A5BA-3E3B0328C30D}\"/>\
    <EventID Qualifiers='1'>7</EventID><Level>-1</Level><Keywords>0x8020000000000000</Keywords>\
    <TimeCreated SystemTime='2016-07-16T00:44:05.5431610Z'/><EventRecordID>9</EventRecordID><Correlation/>\
    <Execution ProcessID='4' ThreadID='8' KernelTime='1'/><Channel>a &amp; b</Channel><Computer> c\n</Computer>\
    <Security UserID='S-1-5-18'/></System>";
const NAMESPACE: &str = "http://schemas.microsoft.com/win/2004/08/events/event";

fn usual() -> Vec<String> {
    let event = |rest: &str| format!("<Event xmlns='{NAMESPACE}'>{SYSTEM}{rest}</Event>");
    vec![
        event(""),
        event("<EventData/>"),
        event(
            "<EventData Name='t'><Data Name='a'>1 &lt; 2</Data><Data>x\r\ny]]</Data><Data/><Binary>00</Binary></EventData>",
        ),
        event(
            "<EventData><Data Name='a'>1</Data><Data Name='a'>2</Data><ComplexData Name='b'><i>ü</i> </ComplexData></EventData>",
        ),
        event("<UserData><E xmlns='urn:e' xmlns:p='urn:p' k='&#9;v'>x<F>1</F>y<F/></E></UserData>"),
        event(
            "<EventData/><RenderingInfo Culture='en-US'><Message>m &#x41;\u{FFFD}</Message><Level>l</Level><Keywords>\
             <Keyword>a</Keyword><Keyword/></Keywords><Provider>p</Provider></RenderingInfo>",
        ),
        format!(" <Event>\n {} <EventData>\t</EventData ></Event>\n", SYSTEM.replace("><", "> <")),
    ]
}

fn unusual() -> Vec<String> {
    let event = |rest: &str| format!("<Event xmlns='{NAMESPACE}'>{SYSTEM}{rest}</Event>");
    vec![
        event("<!-- c --><EventData/>"),
        event("<EventData><Data><![CDATA[x]]></Data></EventData>"),
        event("<EventData><p:Data xmlns:p='urn:p'/></EventData>"),
        event("<EventData><Data xml:lang='en'/></EventData>"),
        event("<EventData><Data><i/></Data></EventData>"),
        event("<EventData><Data>&#1;</Data></EventData>"),
        event("<EventData><Data>\u{1}</Data></EventData>"),
        event("<EventData><Data>]]></Data></EventData>"),
        event("<EventData><Data a='1' a='2'/></EventData>"),
        event("<EventData><Data xmlns:xml='urn:x'/></EventData>"),
        event("<EventData><Data xmlns='http://www.w3.org/2000/xmlns/'/></EventData>"),
        event("<System><Computer>other</Computer></System>"),
        event("</System>"),
        event("<RenderingInfo><Message>cut"),
        event(&"<a>".repeat(40)),
        event(&format!("<EventData>{}</EventData>", "<a>".repeat(30) + &"</a>".repeat(30))),
        format!("<?xml version='1.0'?><Event>{SYSTEM}</Event>"),
        format!("<Event xmlns='urn:other'>{SYSTEM}</Event>"),
        format!("<Event>{}</Event>", SYSTEM.replace("<EventID Qualifiers='1'>7", "<EventID>x")),
        format!("<Event>{}</Event>", SYSTEM.replace("<Channel>", "<Channel>x</Channel><Channel>")),
        format!("<Event>{SYSTEM}</Event><Event/>"),
        format!("<Other>{SYSTEM}</Other>"),
        "<Event/>x".to_owned(),
        String::new(),
    ]
}

#[test]
fn usual_events_are_read_without_a_tree() {
    for text in usual() {
        assert!(is_read_alike(&text), "{text}");
    }
    for text in unusual() {
        assert!(!is_read_alike(&text), "{text}");
    }
}

#[test]
fn every_recorded_event_is_read_without_a_tree() {
    let Some(folder) = skips::recordings("events") else { return };
    for text in ["security", "system", "exchange-wec"].iter().flat_map(|name| events(&folder, name)) {
        assert!(is_read_alike(&text), "{text}");
    }
}

#[test]
fn both_readers_agree_about_changed_events() {
    let mut seeds = usual();
    seeds.extend(unusual());
    if let Some(folder) = skips::recordings("events") {
        let recorded = ["security", "system", "exchange-wec"].iter().flat_map(|name| events(&folder, name));
        seeds.extend(recorded.step_by(7));
    }
    let mut random = Random::new(11);
    let mut read = 0;
    for _ in 0..ROUNDS {
        let mut text = random.of(&seeds).clone();
        for _ in 0..=random.below(2) {
            change(&mut text, &mut random, &seeds);
        }
        read += usize::from(is_read_alike(&text));
    }
    // Some changes keep an event well-formed; otherwise the comparison would mean little.
    assert!(read > ROUNDS / 40, "{read} of {ROUNDS}");
}

const ROUNDS: usize = 6_000;

/// Pieces of markup that are inserted.
const PIECES: [&str; 34] = [
    "<",
    ">",
    "/",
    "'",
    "\"",
    "&",
    ";",
    "=",
    " ",
    "\t",
    "\n",
    "\r",
    "]]>",
    "<![CDATA[",
    "<!--",
    "-->",
    "<?x?>",
    "&amp;",
    "&#10;",
    "&#0;",
    "&x;",
    "<a/>",
    "</a>",
    "<a>",
    " a='1'",
    " xmlns='urn:a'",
    " xmlns:a='urn:a'",
    " xmlns:xml='u'",
    " xmlns=''",
    "a:",
    "\u{1}",
    "\u{FFFE}",
    "é",
    "\u{1F600}",
];

/// Removes, doubles, inserts or exchanges a part of a text.
fn change(text: &mut String, random: &mut Random, seeds: &[String]) {
    let (from, to) = (place(text, random), place(text, random));
    let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 40));
    let to = (to..).find(|at| text.is_char_boundary(*at)).unwrap();
    let part = text[from..to].to_owned();
    match random.below(5) {
        0 => text.replace_range(from..to, ""),
        1 => text.insert_str(to, &part),
        2 | 3 => text.insert_str(from, random.of::<&str>(&PIECES)),
        _ => {
            let other = random.of(seeds);
            let start = place(other, random);
            let end = (start..=other.len()).filter(|at| other.is_char_boundary(*at)).nth(random.below(60));
            text.insert_str(from, &other[start..end.unwrap_or(other.len())]);
        }
    }
}

/// Returns the position of a character, often that of markup.
fn place(text: &str, random: &mut Random) -> usize {
    let at = random.below(text.len() + 1);
    let at = (at..).find(|at| text.is_char_boundary(*at)).unwrap();
    match random.below(2) {
        0 => text[at..].find(['<', '>', '\'']).map_or(at, |found| at + found),
        _ => at,
    }
}
