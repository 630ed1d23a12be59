//! Events: typed content, writing, JSON.

use serde_json::{Value, json};
use telarch_winevent::Timestamp;
use telarch_winevent::event::{
    Body, Correlation, DataItem, Event, Execution, Provider, Record, RenderingInfo, Security, System,
    json as to_json,
};

const FULL: &str = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
    <Provider Name='P' Guid='{54849625-5478-4994-A5BA-3E3B0328C30D}' EventSourceName='S'/>\
    <EventID Qualifiers='16384'>7045</EventID><Version>-1</Version><Level>4</Level><Task>65535</Task>\
    <Opcode>255</Opcode><Keywords>0x8080000000000000</Keywords>\
    <TimeCreated SystemTime='2024-05-31T08:15:30.1234567Z'/><EventRecordID>18446744073709551615</EventRecordID>\
    <Correlation ActivityID='{A}' RelatedActivityID='{B}'/>\
    <Execution ProcessID='4' ThreadID='5' ProcessorID='6' SessionID='7' KernelTime='8' UserTime='9'/>\
    <Channel>System</Channel><Computer>web1.example.com</Computer><Security UserID='S-1-5-18'/></System>\
    <EventData Name='T'><Data Name='a'>1</Data><Data>x</Data><Data Name='a'>&lt;2&gt;&#10;\t\"</Data>\
    <ComplexData Name='c'><Part Id='1'>p</Part><Part Id='2'/></ComplexData><Binary>00FF</Binary></EventData>\
    <RenderingInfo Culture='en-US'><Message>Hello</Message><Level>Information</Level><Task>T</Task>\
    <Opcode>O</Opcode><Channel>C</Channel><Provider>P</Provider><Keywords><Keyword>Classic</Keyword>\
    <Keyword>Audit</Keyword></Keywords></RenderingInfo></Event>";

#[test]
fn every_property_is_read_and_written() {
    let record = Record::parse(FULL).unwrap();
    let event = record.event().unwrap();
    let system = &event.system;
    assert_eq!((system.event_id, system.qualifiers, system.version), (7_045, Some(16_384), Some(255)));
    assert_eq!((system.opcode, system.task, system.record_id), (Some(255), Some(65_535), Some(u64::MAX)));
    assert_eq!(system.keywords, Some(0x8080_0000_0000_0000));
    assert_eq!(system.provider.event_source.as_deref(), Some("S"));
    assert_eq!(system.execution.unwrap().user_time, Some(9));
    assert_eq!(event.rendering.as_ref().unwrap().keywords, ["Classic", "Audit"]);
    let written = event.to_xml();
    assert_eq!(written.replace(">255</Version>", ">-1</Version>"), FULL);
}

#[test]
fn json_has_arrays_for_repeated_and_unnamed_values() {
    let record = Record::parse(FULL).unwrap();
    let event = record.event().unwrap();
    let structured: Value = serde_json::from_str(&to_json::structured(&event)).unwrap();
    assert_eq!(
        structured["EventData"],
        json!({
            "EventData.Name": "T", "a": ["1", "<2>\n\t\""], "Data": ["x"], "Binary": "00FF",
            "ComplexData": { "@Name": "c", "Part": [{ "@Id": "1", "#text": "p" }, { "@Id": "2" }] },
        })
    );
    assert_eq!(structured["System"]["Keywords"], "0x8080000000000000");
    assert_eq!(structured["RenderingInfo"]["Keywords"], json!(["Classic", "Audit"]));
    let flat: Value = serde_json::from_str(&to_json::ecs(&event)).unwrap();
    assert_eq!(flat["winlog.event_data.a"], json!(["1", "<2>\n\t\""]));
    assert_eq!(flat["winlog.event_data.param2"], "x");
    assert_eq!(flat["message"], "Hello");
    assert_eq!(flat["log.level"], "information");
}

#[test]
fn names_in_json_appear_once() {
    let text = "<Event><System><Provider/><EventID>1</EventID><Computer/></System>\
                <System2 a='1' xmlns:b='urn:b' b:a='2'><a/><c>3</c><a>4</a></System2></Event>";
    let record = Record::parse(text).unwrap();
    let event = record.event().unwrap();
    let json = to_json::structured(&event);
    assert!(json.ends_with(r#""System2":{"@a":"1","a":["","4"],"c":"3"}}"#), "{json}");
    // Attributes with a namespace survive in XML.
    let again = Record::parse(&event.to_xml()).unwrap();
    let Some(Body::Other(tree)) = again.event().unwrap().body else { panic!("no body") };
    assert_eq!(tree.attributes.len(), 2);
    assert_eq!(tree.attributes[1].0, "urn:b");
}

#[test]
fn an_event_is_built_without_a_record() {
    let event = Event {
        system: System {
            provider: Provider { name: "sshd".into(), ..Provider::default() },
            event_id: 1,
            level: Some(4),
            time_created: Some(Timestamp::new(1_700_000_000, 123_456_000)),
            execution: Some(Execution { process: 10, thread: 11, ..Execution::default() }),
            correlation: Some(Correlation::default()),
            channel: Some("Linux-Journal/System".into()),
            computer: "web1".into(),
            security: Some(Security { user: Some("S-1-22-1-0".into()) }),
            ..System::default()
        },
        body: Some(Body::EventData {
            name: None,
            items: vec![DataItem::Data { name: Some("it's".into()), value: "a\u{1}<b>\u{FFFF}".into() }],
        }),
        rendering: Some(RenderingInfo { message: Some("line 1\nline 2".into()), ..RenderingInfo::default() }),
    };
    let text = event.to_xml();
    assert_eq!(
        text,
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
         <Provider Name='sshd'/><EventID>1</EventID><Level>4</Level>\
         <TimeCreated SystemTime='2023-11-14T22:13:20.1234560Z'/><Correlation/>\
         <Execution ProcessID='10' ThreadID='11'/><Channel>Linux-Journal/System</Channel>\
         <Computer>web1</Computer><Security UserID='S-1-22-1-0'/></System>\
         <EventData><Data Name='it&apos;s'>a\u{FFFD}&lt;b&gt;\u{FFFD}</Data></EventData>\
         <RenderingInfo><Message>line 1&#10;line 2</Message></RenderingInfo></Event>"
    );
    let record = Record::parse(&text).unwrap();
    assert_eq!(record.event().unwrap().rendering, event.rendering);
    assert_eq!(record.channel().as_deref(), Some("Linux-Journal/System"));
}

#[test]
fn the_event_of_the_forwarder_of_windows_is_accepted() {
    let text = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
                <Provider Name='Microsoft-Windows-EventForwarder'/><EventID>111</EventID>\
                <TimeCreated SystemTime='2024-05-31T08:15:30Z'/><Computer>web1</Computer></System>\
                <SubscriptionBookmarkEvent><SubscriptionId></SubscriptionId></SubscriptionBookmarkEvent></Event>";
    let record = Record::parse(text).unwrap();
    let event = record.event().unwrap();
    assert_eq!((event.system.event_id, event.system.channel.clone()), (111, None));
    assert!(matches!(event.body, Some(Body::Other(tree)) if tree.name == "SubscriptionBookmarkEvent"));
}

#[test]
fn wrong_properties_are_rejected_with_their_name() {
    for (from, to, name) in [
        ("<EventID Qualifiers='16384'>7045</EventID>", "", "EventID"),
        ("7045", "x", "EventID"),
        ("'16384'", "'65536'", "Qualifiers"),
        ("<Level>4", "<Level>256", "Level"),
        ("0x8080000000000000", "0xg", "Keywords"),
        ("2024-05-31T", "2024-05-32T", "time"),
        ("ThreadID='5'", "ThreadID='-5'", "ThreadID"),
        (
            "<Provider Name='P' Guid='{54849625-5478-4994-A5BA-3E3B0328C30D}' EventSourceName='S'/>",
            "",
            "Provider",
        ),
    ] {
        assert!(FULL.contains(from));
        let record = Record::parse(&FULL.replacen(from, to, 1)).unwrap();
        let error = record.event().unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
    }
}
