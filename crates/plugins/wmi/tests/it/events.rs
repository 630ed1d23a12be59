//! Tests of events as items.

use std::time::Duration;

use telarch_peers::{EventSink, assert_items_well_formed};
use tokio::time::timeout;

use crate::asking::{Ask, CIMV2, PluginClient, value};

/// Returns a request that creates a note.
fn new_note() -> Ask {
    let body = format!(
        "<p:Site_Note xmlns:p=\"{CIMV2}/Site_Note\"><p:Id>3</p:Id><p:Text>a &lt; b</p:Text>\
         <p:Made><cim:Datetime xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\">\
         2026-11-23T10:00:00Z</cim:Datetime></p:Made></p:Site_Note>"
    );
    Ask::transfer("Site_Note", "Create").body(&body)
}

/// Returns the first event of a query after a note was created.
async fn event_of_a_note(query: &str) -> String {
    let requested = PluginClient::new();
    let mut events = requested.subscribe(&Ask::events(query)).await.unwrap();
    requested.body(&new_note()).await.unwrap();
    let event = timeout(Duration::from_secs(60), events.next()).await.expect("an event in time");
    let event = event.unwrap().unwrap().object.as_str().to_owned();
    assert_items_well_formed([event.as_str()]);
    event
}

#[tokio::test]
async fn events_and_their_projections_are_well_formed() {
    let from = "FROM __InstanceCreationEvent WITHIN 0.1 WHERE TargetInstance ISA 'Site_Note'";
    let whole = event_of_a_note(&format!("SELECT * {from}")).await;
    assert_eq!(value(&whole, "Datetime").as_deref(), Some("2026-11-23T10:00:00Z"), "{whole}");
    let embedded = event_of_a_note(&format!("SELECT TargetInstance {from}")).await;
    assert_eq!(value(&embedded, "Text").as_deref(), Some("a < b"), "{embedded}");
    let part = event_of_a_note(&format!("SELECT TargetInstance.Made, TargetInstance.Id {from}")).await;
    assert_eq!(value(&part, "Id").as_deref(), Some("3"), "{part}");
    assert_eq!(value(&part, "Datetime").as_deref(), Some("2026-11-23T10:00:00Z"), "{part}");
    let grouped = format!("SELECT * {from} GROUP WITHIN 0.1 BY TargetInstance.Made");
    let counted = event_of_a_note(&grouped).await;
    assert_eq!(value(&counted, "NumberOfEvents").as_deref(), Some("1"), "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_pushed_to_the_address_of_the_subscriber() {
    const MODES: [(&str, &str); 3] = [
        ("Push", "http://schemas.xmlsoap.org/ws/2004/08/eventing/DeliveryModes/Push"),
        ("PushWithAck", "http://schemas.dmtf.org/wbem/wsman/1/wsman/PushWithAck"),
        ("Events", "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events"),
    ];
    for (mode, uri) in MODES {
        let mut sink = EventSink::start(mode);
        let delivery = format!(
            "<e:Delivery Mode=\"{uri}\"><w:Heartbeats>PT600S</w:Heartbeats><e:NotifyTo><a:Address>{}</a:Address>\
             <a:ReferenceProperties><t:Token xmlns:t=\"urn:test\">&lt;7&gt;</t:Token></a:ReferenceProperties>\
             </e:NotifyTo></e:Delivery>",
            sink.address()
        );
        let query = "SELECT * FROM __InstanceCreationEvent WITHIN 0.1 WHERE TargetInstance ISA 'Site_Note'";
        let client = PluginClient::new();
        let mut pushed = client.subscribe(&Ask::delivered_events(query, &delivery)).await.unwrap();
        client.body(&new_note()).await.unwrap();
        let heartbeat = sink.next_message();
        assert!(heartbeat["action"].as_str().unwrap().ends_with("/wsman/Heartbeat"), "{heartbeat}");
        let message = sink.next_message();
        let event = &message["events"][0];
        assert_eq!(event["class"], "__InstanceCreationEvent", "{message}");
        assert_eq!(event["TargetInstance"]["Text"], "a < b", "{message}");
        assert_eq!(
            (&message["token"], &message["asks"]),
            (&"<7>".into(), &(mode != "Push").into()),
            "{message}"
        );
        assert!(timeout(Duration::ZERO, pushed.next()).await.is_err(), "the delivery goes on");
    }
}

#[tokio::test]
async fn the_delivery_ends_with_a_fault_when_no_attempt_is_left() {
    let delivery = "<e:Delivery><w:Heartbeats>PT600S</w:Heartbeats><w:ConnectionRetry Total=\"0\">PT1S\
                    </w:ConnectionRetry><e:NotifyTo><a:Address>http://127.0.0.1:1/events</a:Address></e:NotifyTo>\
                    </e:Delivery>";
    let query = "SELECT * FROM __InstanceCreationEvent WITHIN 0.1 WHERE TargetInstance ISA 'Site_Note'";
    let client = PluginClient::new();
    let mut pushed = client.subscribe(&Ask::delivered_events(query, delivery)).await.unwrap();
    let fault = pushed.next().await.unwrap().unwrap_err();
    assert_eq!(*fault.subcode(), wsman::Subcode::DeliveryRefused, "{fault}");
    assert!(pushed.next().await.is_none());
}
