//! Recorded events, batches and subscription files.

use std::fs;

use serde_json::Value;
use telarch_winevent::event::{Body, DataItem, Event, Record, json};
use telarch_winevent::{QueryList, Subscription, encoding, sldc};
use xml::{Bounds, Document, Element};

use crate::fixtures::{bytes, events, text};

#[test]
fn the_captured_heartbeat_decompresses_to_its_bytes() {
    let Some(folder) = skips::recordings("events") else { return };
    let compressed = bytes(&folder, "heartbeat.captured.sldc");
    let plain = bytes(&folder, "heartbeat.captured.utf16le");
    assert_eq!(sldc::decode(&compressed, sldc::MAX_OUTPUT).unwrap(), plain);
    let ours = sldc::encode(&plain).unwrap();
    assert_eq!(sldc::decode(&ours, sldc::MAX_OUTPUT).unwrap(), plain);
    assert!(ours.len() <= compressed.len(), "{} bytes instead of {}", ours.len(), compressed.len());
}

#[test]
fn every_batch_holds_the_recorded_events_in_order_in_every_form() {
    let Some(folder) = skips::recordings("events") else { return };
    for (batch, source, count) in [("batch-security-25", "security", 25), ("batch-system-60", "system", 60)] {
        let recorded = events(&folder, source);
        let utf16 = bytes(&folder, &format!("{batch}.utf16le"));
        let decompressed = sldc::decode(&bytes(&folder, &format!("{batch}.sldc")), sldc::MAX_OUTPUT).unwrap();
        assert_eq!(decompressed, utf16, "{batch}");
        for form in [bytes(&folder, &format!("{batch}.soap.xml")), decompressed] {
            let decoded = encoding::decode(&form);
            assert_eq!(decoded.replaced, 0);
            let document = Document::parse(decoded.text.as_ref(), &Bounds::default()).unwrap();
            let found = items(document.root());
            assert_eq!(found.len(), count);
            for (found, recorded) in found.iter().zip(&recorded) {
                assert_eq!(found, recorded);
                let record = Record::parse(found).unwrap();
                assert!(!record.repairs().is_changed());
                assert!(record.event().unwrap().system.record_id.is_some());
            }
        }
    }
}

/// Returns the texts of all `Event` elements of a batch.
fn items(element: Element<'_>) -> Vec<String> {
    if element.name() == "Events" {
        return element.children().map(|item| item.text().into_owned()).collect();
    }
    element.children().flat_map(items).collect()
}

fn all_events() -> Option<Vec<String>> {
    let folder = skips::recordings("events")?;
    let all: Vec<_> =
        ["security", "system", "exchange-wec"].iter().flat_map(|name| events(&folder, name)).collect();
    assert_eq!(all.len(), 220);
    Some(all)
}

#[test]
fn every_recorded_event_is_written_as_windows_writes_it() {
    let Some(all) = all_events() else { return };
    for text in all {
        let record = Record::parse(&text).unwrap();
        let event = record.event().unwrap();
        let written = event.to_xml();
        let again = Record::parse(&written).unwrap();
        assert_eq!(again.event().unwrap(), event, "{text}");
        assert_eq!(normal(&written), normal(&text));
    }
}

/// Returns the text with one form of empty elements, of which the recordings have two.
fn normal(text: &str) -> String {
    let mut text = text.to_owned();
    for name in ["EventData", "Data", "Binary"] {
        text = text.replace(&format!("<{name}></{name}>"), &format!("<{name}/>"));
    }
    text
}

#[test]
fn json_keeps_every_value_of_the_recorded_events() {
    let Some(all) = all_events() else { return };
    for text in all {
        let record = Record::parse(&text).unwrap();
        let event = record.event().unwrap();
        let raw: Value = serde_json::from_str(&json::raw(&record)).unwrap();
        assert_eq!(raw["Event"], text);
        let structured: Value = serde_json::from_str(&json::structured(&event)).unwrap();
        let flat: Value = serde_json::from_str(&json::ecs(&event)).unwrap();
        assert_eq!(structured["System"]["EventID"], event.system.event_id);
        assert_eq!(structured["System"]["Provider"]["Name"], *event.system.provider.name);
        assert_eq!(flat["event.code"], event.system.event_id.to_string());
        assert_eq!(flat["winlog.record_id"], event.system.record_id.unwrap());
        assert!(flat.as_object().unwrap().values().all(|value| !value.is_null()));
        if let Some(Body::EventData { .. }) = event.body {
            let mut data = structured["EventData"].clone();
            data.as_object_mut().unwrap().remove("EventData.Name");
            assert_eq!(strings(&data), values(&event), "{text}");
            let prefixed = flat.as_object().unwrap().iter();
            let data = prefixed.filter(|(name, _)| name.starts_with("winlog.event_data."));
            let mut found: Vec<String> = data.flat_map(|(_, value)| strings(value)).collect();
            found.sort();
            assert_eq!(found, values(&event), "{text}");
        }
    }
}

/// Returns the values of `EventData`, sorted.
fn values(event: &Event<'_>) -> Vec<String> {
    let Some(Body::EventData { items, .. }) = &event.body else { return Vec::new() };
    let values = items.iter().map(|item| match item {
        DataItem::Data { value, .. } => value.to_string(),
        DataItem::Binary(digits) => digits.to_string(),
        DataItem::Complex(_) => panic!("no recorded event has this"),
    });
    let mut values: Vec<String> = values.collect();
    values.sort();
    values
}

/// Returns all strings of a JSON value, sorted.
fn strings(value: &Value) -> Vec<String> {
    let mut all = match value {
        Value::Object(members) => members.values().flat_map(strings).collect(),
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::String(text) => vec![text.clone()],
        other => panic!("unexpected {other}"),
    };
    all.sort();
    all
}

#[test]
fn the_exchange_event_keeps_its_unnamed_values_in_order() {
    let Some(folder) = skips::recordings("events") else { return };
    let text = &events(&folder, "exchange-wec")[0];
    let record = Record::parse(text).unwrap();
    let structured: Value = serde_json::from_str(&json::structured(&record.event().unwrap())).unwrap();
    let data = structured["EventData"]["Data"].as_array().unwrap();
    assert_eq!(data.len(), 27);
    assert_eq!(data[0], "Set-Mailbox");
    assert_eq!(data[7], "");
    assert_eq!(data[26], "fr-FR");
    let flat: Value = serde_json::from_str(&json::ecs(&record.event().unwrap())).unwrap();
    assert_eq!(flat["winlog.event_data.param3"], "ave.local/Users/Administrateur");
    assert_eq!(flat["@timestamp"], "2021-11-19T16:52:33.833733500Z");
}

#[test]
fn the_captured_enumerate_request_is_decoded() {
    let Some(folder) = skips::recordings("events") else { return };
    let bytes = bytes(&folder, "enumerate-request.captured.utf16le");
    let decoded = encoding::decode(&bytes);
    assert_eq!(decoded.replaced, 0);
    assert!(Document::parse(decoded.text.as_ref(), &Bounds::default()).is_ok());
}

#[test]
fn every_subscription_file_is_the_same_after_export_and_import() {
    let Some(folder) = skips::recordings("events") else { return };
    let mut versions = Vec::new();
    for entry in fs::read_dir(folder.join("wecutil")).unwrap() {
        let name = entry.unwrap().path().display().to_string();
        let first = Subscription::parse(&text(&folder, &name)).unwrap();
        assert_eq!(first.ignored, Vec::<String>::new(), "{name}");
        let exported = first.subscription.to_xml();
        let second = Subscription::parse(&exported).unwrap();
        assert_eq!(second, first, "{name}");
        assert_eq!(second.subscription.to_xml(), exported, "{name}");
        let list = QueryList::parse(&first.subscription.query).unwrap();
        assert!(!list.paths().is_empty(), "{name}");
        versions.push(first.subscription.version().to_string());
    }
    assert_eq!(versions.len(), 5);
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), 5, "two subscriptions have one version");
}
