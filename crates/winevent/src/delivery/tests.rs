//! Tests with messages in the forms that sources send.

use std::time::Duration;

use xml::Document;

use super::*;

/// Returns a message with these headers and this body.
fn envelope(action: &str, headers: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:e=\"http://schemas.xmlsoap.org/ws/2004/08/eventing\" \
         xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header>\
         <a:Action>{action}</a:Action><a:MessageID>uuid:1</a:MessageID>{headers}</s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>"
    )
}

const EVENTS: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events";

fn events_in(body: &str) -> Result<Vec<String>, DeliveryError> {
    let text = envelope(EVENTS, "", body);
    let message = Message::parse(&text, &Bounds { events: 3 })?;
    let Content::Events(items) = message.content else { panic!("{message:?}") };
    Ok(items.into_iter().map(|item| item.xml.into_owned()).collect())
}

#[test]
fn events_are_found_as_character_data_and_as_elements() {
    let body = "<w:Events><w:Event Action=\"x\"><![CDATA[<Event a='>'>]]></w:Event>\
                <!-- between --><w:Event ><Event xmlns='e'><System/></Event></w:Event>\n\
                <w:Event><w:Event><x/></w:Event></w:Event></w:Events>";
    let found = events_in(body).unwrap();
    assert_eq!(found, ["<Event a='>'>", "<Event xmlns='e'><System/></Event>", "<w:Event><x/></w:Event>"]);
}

#[test]
fn the_prefix_of_a_source_does_not_matter() {
    let body = "<q:Events xmlns:q=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\">\
                <q:Event><![CDATA[<Event/>]]></q:Event></q:Events>";
    assert_eq!(events_in(body).unwrap(), ["<Event/>"]);
    let body = "<Events xmlns=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\">\
                <Event><Event xmlns='e'>1</Event></Event></Events>";
    assert_eq!(events_in(body).unwrap(), ["<Event xmlns='e'>1</Event>"]);
}

#[test]
fn an_event_with_the_end_of_a_section_is_put_together() {
    let body = "<w:Events><w:Event><![CDATA[<Event>]]]]><![CDATA[></Event>]]></w:Event></w:Events>";
    assert_eq!(events_in(body).unwrap(), ["<Event>]]></Event>"]);
}

#[test]
fn empty_lists_and_empty_items_are_accepted() {
    assert!(events_in("<w:Events/>").unwrap().is_empty());
    assert!(events_in("<w:Events></w:Events>").unwrap().is_empty());
    assert_eq!(events_in("<w:Events><w:Event/><w:Event></w:Event></w:Events>").unwrap(), ["", ""]);
}

#[test]
fn messages_without_an_end_or_with_another_body_are_rejected() {
    for (body, expected) in [
        ("<w:Events><w:Event><![CDATA[<Event/>", DeliveryError::Truncated),
        ("<w:Events><w:Event><Event/></w:Events>", DeliveryError::Truncated),
        ("<w:Event/>", DeliveryError::WrongBody("w:Events")),
        ("<a:Events/>", DeliveryError::WrongBody("w:Events")),
        ("<w:Events><w:Event/><w:Event/><w:Event/><w:Event/></w:Events>", DeliveryError::TooManyEvents(3)),
    ] {
        assert_eq!(events_in(body).unwrap_err(), expected, "{body}");
    }
    for text in ["", "hello", "<Envelope/>", "<Envelope><Body/></Envelope>", "<a><s:Body/></a>"] {
        assert!(Message::parse(text, &Bounds::default()).is_err(), "{text}");
    }
    let unknown = envelope("urn:other", "", "");
    assert!(matches!(Message::parse(&unknown, &Bounds::default()), Err(DeliveryError::UnknownAction(_))));
}

#[test]
fn headers_are_read_and_the_bookmark_is_kept_unchanged() {
    let bookmark =
        "<BookmarkList><Bookmark Channel=\"Security\" RecordId=\"77\" IsCurrent=\"true\"/></BookmarkList>";
    let headers = format!(
        "<m:MachineID xmlns:m=\"http://schemas.microsoft.com/wbem/wsman/1/machineid\"> win10.example </m:MachineID>\
         <e:Identifier>V</e:Identifier><w:MaxEnvelopeSize>512000</w:MaxEnvelopeSize>\
         <w:Bookmark>{bookmark}</w:Bookmark>"
    );
    let text = envelope("http://schemas.dmtf.org/wbem/wsman/1/wsman/Heartbeat", &headers, "<w:Events/>");
    let Message { head, content } = Message::parse(&text, &Bounds::default()).unwrap();
    assert_eq!(content, Content::Heartbeat);
    assert_eq!(head.message_id, "uuid:1");
    assert_eq!(head.machine_id.as_deref(), Some("win10.example"));
    assert_eq!(head.identifier.as_deref(), Some("V"));
    assert_eq!(head.bookmark.as_deref(), Some(bookmark));
    assert_eq!(head.max_envelope_size, Some(512_000));
    let foreign = "<w:Bookmark><BookmarkList w:x=\"1\"/></w:Bookmark>";
    let text = envelope("http://schemas.dmtf.org/wbem/wsman/1/wsman/Heartbeat", foreign, "");
    assert_eq!(Message::parse(&text, &Bounds::default()).unwrap().head.bookmark, None);
}

#[test]
fn a_source_ends_its_subscription_with_a_reason() {
    let body = "<e:SubscriptionEnd><e:Status>http://schemas.xmlsoap.org/ws/2004/08/eventing/SourceShuttingDown\
                </e:Status><e:Reason>bye</e:Reason></e:SubscriptionEnd>";
    let text = envelope("http://schemas.xmlsoap.org/ws/2004/08/eventing/SubscriptionEnd", "", body);
    let content = Message::parse(&text, &Bounds::default()).unwrap().content;
    let expected = EndStatus { status: "SourceShuttingDown".to_owned(), reason: "bye".to_owned() };
    assert_eq!(content, Content::SubscriptionEnd(expected));
}

#[test]
fn every_encoding_becomes_text_of_legal_characters() {
    let utf16 = |text: &[u16]| [0xFEFF].iter().chain(text).flat_map(|unit| unit.to_le_bytes()).collect();
    let cases: [(Vec<u8>, &str, TextForm); 6] = [
        (utf16(&[0x41, 0x1, 0xD800, 0xFFFE, 0x42]), "A\u{FFFD}\u{FFFD}\u{FFFD}B", TextForm::Utf16),
        ([&utf16(&[0x41])[..], &[7]].concat(), "A\u{FFFD}", TextForm::Utf16),
        (b"<\0a\0".to_vec(), "<a", TextForm::Utf16),
        (b"\xFE\xFF\0A".to_vec(), "A", TextForm::Utf16),
        (b"\xEF\xBB\xBFa\x02\tb\xFF".to_vec(), "a\u{FFFD}\tb\u{FFFD}", TextForm::Utf8),
        ("\u{FFFF}ä".as_bytes().to_vec(), "\u{FFFD}ä", TextForm::Utf8),
    ];
    for (body, text, form) in cases {
        assert_eq!(decode(&body), (text.to_owned(), form));
    }
}

fn offer() -> Offer<'static> {
    Offer {
        name: "Base & more",
        address: "https://wec.example:5986/wsman/subscriptions/ID/1",
        query: "<QueryList><Query Id=\"0\"><Select Path=\"System\">*</Select></Query></QueryList>",
        content_format: ContentFormat::Raw,
        reads_existing: true,
        heartbeat: Duration::from_secs(3_600),
        max_latency: Duration::from_millis(30_500),
        max_items: Some(20),
        max_envelope_size: 512_000,
        locale: "en-US",
        bookmark: None,
        proof: ClientProof::Certificate { issuer: [0xAB; 20] },
    }
}

#[test]
fn an_offer_is_a_subscription_request_inside_an_enumerate_response() {
    let item = offer().item(&OfferIds { version: "V", message_id: "M", operation_id: "O" });
    let answer = Answer { relates_to: "uuid:1", operation_id: Some("uuid:2"), message_id: "3" };
    let text = enumerate_response(&answer, Page::First, &[item], None);
    let document = Document::parse(text.as_str(), &xml::Bounds::default()).unwrap();
    assert!(document.root().is("http://www.w3.org/2003/05/soap-envelope", "Envelope"));
    for part in [
        "<a:RelatesTo>uuid:1</a:RelatesTo>",
        "<n:EnumerationContext></n:EnumerationContext>",
        "<w:EndOfSequence/>",
        "Base &amp; more",
        "<w:Heartbeats>PT3600.000S</w:Heartbeats>",
        "<w:MaxTime>PT30.500S</w:MaxTime>",
        "<auth:Thumbprint Role=\"issuer\">abababababababababababababababababababab</auth:Thumbprint>",
        "wsman/1/wsman/bookmark/earliest",
        "<m:Version>uuid:V</m:Version>",
        "<e:Identifier>V</e:Identifier>",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn a_list_with_a_rest_has_a_context_and_no_end() {
    let answer = Answer { relates_to: "uuid:1", operation_id: None, message_id: "3" };
    let first = enumerate_response(&answer, Page::First, &[], Some("5"));
    assert!(first.contains("<n:EnumerationContext>5</n:EnumerationContext>"), "{first}");
    assert!(!first.contains("EndOfSequence") && !first.contains("OperationID"), "{first}");
    let next = enumerate_response(&answer, Page::Next, &[], None);
    assert!(next.contains("n:PullResponse") && next.contains("<n:EndOfSequence/>"), "{next}");
    let ack = acknowledge(&answer);
    assert!(ack.contains("wsman/1/wsman/Ack</a:Action>"), "{ack}");
    Document::parse(ack, &xml::Bounds::default()).unwrap();
}

#[test]
fn a_source_reads_what_the_collector_offers() {
    let item = offer().item(&OfferIds { version: "V", message_id: "M", operation_id: "O" });
    let answer = Answer { relates_to: "uuid:1", operation_id: None, message_id: "3" };
    let text = enumerate_response(&answer, Page::First, &[item], Some("5"));
    let CollectorAnswer::Subscriptions(page) = CollectorAnswer::parse(&text, "1").unwrap() else { panic!() };
    assert_eq!(page.context.as_deref(), Some("5"));
    let offered = page.offers.into_iter().next().unwrap().unwrap();
    assert_eq!((offered.name.as_str(), offered.version.as_str()), ("Base & more", "uuid:V"));
    assert_eq!(offered.notify_to.url, "https://wec.example:5986/wsman/subscriptions/ID/1");
    assert_eq!((offered.max_items, offered.max_latency.as_millis()), (Some(20), 30_500));
    assert_eq!((offered.heartbeat.as_secs(), offered.retries), (3_600, 5));
    assert!(offered.is_compressed && offered.ignores_channel_errors);
    assert_eq!((offered.form, offered.start), (EventForm::CharacterData, Start::Earliest));
    assert!(CollectorAnswer::parse(&text, "2").is_err());
    let ack = acknowledge(&answer);
    assert!(matches!(CollectorAnswer::parse(&ack, "1").unwrap(), CollectorAnswer::Acknowledged));
}

#[test]
fn a_collector_reads_what_a_source_writes() {
    let item = offer().item(&OfferIds { version: "V", message_id: "M", operation_id: "O" });
    let answer = Answer { relates_to: "uuid:1", operation_id: None, message_id: "3" };
    let text = enumerate_response(&answer, Page::First, &[item], None);
    let CollectorAnswer::Subscriptions(page) = CollectorAnswer::parse(&text, "1").unwrap() else { panic!() };
    let offered = page.offers.into_iter().next().unwrap().unwrap();
    let source = SourceMessage {
        to: &offered.notify_to.url,
        machine_id: "web1.example",
        message_id: "A",
        operation_id: "B",
        session_id: "C",
        reference: &offered.notify_to.reference,
    };
    let bookmark = crate::event::Bookmark { channel: "System".to_owned(), record_id: 7, is_current: true };
    let bookmark = crate::event::BookmarkList::new([bookmark]).unwrap();
    let items = [SourceItem::Event("<Event a=']]>'/>".to_owned()), SourceItem::Dropped(3)];
    for form in [EventForm::CharacterData, EventForm::Inline] {
        let text = source.events(&items, &bookmark, form);
        let Message { head, content } = Message::parse(&text, &Bounds::default()).unwrap();
        assert_eq!(head.identifier.as_deref(), Some("V"));
        assert_eq!(head.machine_id.as_deref(), Some("web1.example"));
        assert_eq!(head.bookmark.as_deref(), Some(bookmark.text()));
        let Content::Events(found) = content else { panic!("{text}") };
        assert_eq!(found[0].xml, "<Event a=']]>'/>");
        assert_eq!(found[1].action, DROPPED_EVENTS);
    }
    for (text, expected) in [
        (source.heartbeat(), Content::Heartbeat),
        (source.enumerate(), Content::Enumerate),
        (source.pull("9"), Content::Pull { context: "9".to_owned() }),
        (source.end(), Content::End),
        (
            source.subscription_end("SourceCancelling", "bye"),
            Content::SubscriptionEnd(EndStatus {
                status: "SourceCancelling".to_owned(),
                reason: "bye".to_owned(),
            }),
        ),
    ] {
        assert_eq!(Message::parse(&text, &Bounds::default()).unwrap().content, expected);
    }
}

#[test]
fn a_collector_reads_single_events_of_push_modes() {
    let source = SourceMessage {
        to: "https://wec.example:5986/wsman/subscriptions/ID/1",
        machine_id: "web1.example",
        message_id: "A",
        operation_id: "B",
        session_id: "C",
        reference: &[],
    };
    let event = "<Event xmlns='urn:e'><Event/><Data>]]&gt;</Data></Event>";
    let wrapped = [
        format!("<w:Event Action=\"urn:x\"><![CDATA[{event}]]></w:Event>"),
        format!("<w:Event Action='urn:x'>{event}</w:Event>"),
        event.to_owned(),
    ];
    for item in wrapped.map(xml::Fragment::written_elsewhere) {
        let text = source.push(Push::Event(&item), Some("<BookmarkList/>"), true);
        let Message { head, content } = Message::parse(&text, &Bounds::default()).unwrap();
        let Content::Events(found) = content else { panic!("{text}") };
        assert_eq!(head.bookmark.as_deref(), Some("<BookmarkList/>"));
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].xml, event);
        assert_ne!(found[0].action, DROPPED_EVENTS);
    }
    let dropped = "<w:DroppedEvents Action=\"urn:d\">3</w:DroppedEvents>";
    let dropped = xml::Fragment::written_elsewhere(dropped.to_owned());
    let text = source.push(Push::DroppedEvents(&dropped), None, true);
    let Content::Events(found) = Message::parse(&text, &Bounds::default()).unwrap().content else { panic!() };
    assert_eq!(found[0].action, DROPPED_EVENTS);
    for malformed in
        ["", "text", "<w:Event>", "<!-- -->", "<w:Event Action='x'><![CDATA[x</w:Event>", "</w:Event>"]
    {
        let item = xml::Fragment::written_elsewhere(malformed.to_owned());
        let text = source.push(Push::Event(&item), None, true);
        assert!(Message::parse(&text, &Bounds::default()).is_err(), "{malformed}");
    }
}
