//! Tests of events as items.

use std::time::Duration;

use telarch_peers::assert_items_well_formed;
use tokio::time::timeout;

use crate::asking::{Ask, CIMV2, PluginClient, value};

/// Returns the first event of a query after a note was created.
async fn event_of_a_note(query: &str) -> String {
    let requested = PluginClient::new();
    let mut events = requested.subscribe(&Ask::events(query)).await.unwrap();
    let body = format!(
        "<p:Site_Note xmlns:p=\"{CIMV2}/Site_Note\"><p:Id>3</p:Id><p:Text>a &lt; b</p:Text>\
         <p:Made><cim:Datetime xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\">\
         2026-11-23T10:00:00Z</cim:Datetime></p:Made></p:Site_Note>"
    );
    requested.body(&Ask::transfer("Site_Note", "Create").body(&body)).await.unwrap();
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
