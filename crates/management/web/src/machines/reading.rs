//! Items of a machine as text, and the configuration of a machine's WS-Management service.

use client::{EnumerateOptions, Enumerator, Error, Item, Locator, Session};
use config::{Mutability, Setting};
use serde_json::{Map, Value, json};
use wsman::enumeration::Filter;
use wsman::namespace;
use xml::Element;

use crate::wsman_resource::{MAPPINGS, resource};

/// Begins a WQL query.
pub(super) async fn query_items(session: &Session, space: &str, text: &str) -> Result<Enumerator, Error> {
    let filter =
        Filter { dialect: namespace::DIALECT_WQL.to_owned(), text: text.to_owned(), ..Filter::default() };
    let options = EnumerateOptions { filter: Some(filter), ..EnumerateOptions::default() };
    session.enumerate(&every_class(space)?, options).await
}

/// Returns the resource of all classes of a namespace.
pub(super) fn every_class(space: &str) -> Result<Locator, Error> {
    resource(&format!("{}{space}/*", cim::uri::WMI))
}

/// Returns a row whose values are text.
pub(super) fn row(object: Element<'_>, class: &str) -> Value {
    let values: Map<String, Value> = wording::markup::by_name(object)
        .iter()
        .filter_map(|group| Some((group.first()?.name().to_owned(), property(group))))
        .collect();
    json!({ "path": null, "class": class, "values": values })
}

fn property(group: &[Element<'_>]) -> Value {
    match group {
        [one] => value(*one, 0),
        all => Value::Array(all.iter().map(|one| value(*one, 0)).collect()),
    }
}

fn value(element: Element<'_>, depth: usize) -> Value {
    if wording::markup::is_nil(element) {
        return Value::Null;
    }
    if depth < MAX_DEPTH && wording::markup::has_children(element) {
        let members = wording::markup::by_name(element);
        // A date and time is an element of its own (DSP0230 6.2).
        if let [single] = members.as_slice()
            && let [inner] = single.as_slice()
            && matches!(inner.name(), "Datetime" | "Date" | "Time" | "Interval" | "CIM_DateTime")
        {
            return json!(inner.text().trim());
        }
        let members = members.iter().filter_map(|group| {
            let first = group.first()?;
            let inner = match group.as_slice() {
                [one] => value(*one, depth + 1),
                all => Value::Array(all.iter().map(|one| value(*one, depth + 1)).collect()),
            };
            Some((first.name().to_owned(), inner))
        });
        return Value::Object(members.collect());
    }
    json!(element.text())
}

/// Configuration, listeners, shells and mappings of client certificates of the service. A part that the user may not read
/// is `null`, with the reason.
pub(super) async fn wsman_parts(session: &Session) -> Result<Value, Error> {
    let config = readable(config(session).await)?;
    let listeners = readable(list(session, LISTENERS).await)?;
    let shells = readable(list(session, namespace::SHELL).await)?;
    let mappings = readable(list(session, MAPPINGS).await)?;
    Ok(json!({
        "config": config, "listeners": listeners, "shells": shells, "certificate_mappings": mappings,
    }))
}

/// Returns the members `value` and `reason`; a fault is a reason, and any other error fails.
fn readable(result: Result<Value, Error>) -> Result<Value, Error> {
    match result {
        Ok(value) => Ok(json!({ "value": value, "reason": null })),
        Err(error) if super::reason::is_fault(&error) => {
            Ok(json!({ "value": null, "reason": super::reason::reason(&error) }))
        }
        Err(error) => Err(error),
    }
}

/// Settings with their paths, such as `Service/Auth/Basic`.
async fn config(session: &Session) -> Result<Value, Error> {
    let answer = session.get(&resource(CONFIG)?).await?;
    let mut settings = Vec::new();
    if let Some(root) = answer.content() {
        leaves(root, "", 0, &mut settings);
    }
    Ok(Value::Array(settings))
}

fn leaves(element: Element<'_>, path: &str, depth: usize, settings: &mut Vec<Value>) {
    for child in element.children() {
        if settings.len() >= MAX_ITEMS {
            return;
        }
        let name = if path.is_empty() { child.name().to_owned() } else { format!("{path}/{}", child.name()) };
        if depth < MAX_DEPTH && wording::markup::has_children(child) {
            leaves(child, &name, depth + 1, settings);
        } else {
            let is_policy = child.attribute("", "Source").is_some_and(|source| source == "GPO");
            // The names are those of Windows. Only the service knows whether it accepts a name that is unknown here.
            let is_fixed =
                Setting::find(&name).is_ok_and(|setting| setting.mutability() != Mutability::Writable);
            settings.push(json!({
                "name": name, "value": child.text().trim(), "is_policy": is_policy,
                "is_writable": !is_policy && !is_fixed,
            }));
        }
    }
}

async fn list(session: &Session, uri: &str) -> Result<Value, Error> {
    let mut items = session.enumerate(&resource(uri)?, EnumerateOptions::default()).await?;
    let mut list = Vec::new();
    while let Some(item) = items.next().await {
        if list.len() >= MAX_ITEMS {
            items.release().await?;
            break;
        }
        list.extend(members(&item?));
    }
    Ok(Value::Array(list))
}

fn members(item: &Item) -> Option<Value> {
    let groups = wording::markup::by_name(item.object()?);
    let members = groups.iter().filter_map(|group| Some((group.first()?.name().to_owned(), property(group))));
    Some(Value::Object(members.collect()))
}

const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
const LISTENERS: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/listener";
const MAX_ITEMS: usize = 1_000;
/// Maximum depth of embedded values.
const MAX_DEPTH: usize = 4;
