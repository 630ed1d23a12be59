//! JSON of events, one line each.
//!
//! Values of equal names become an array, and `Data` without a name is an array of its own, so that nothing
//! is lost.

use super::object::{Object, array, string, write_items, write_tree};
use super::{Body, Event, Record, RenderingInfo, System};

pub use super::ecs::{ecs, write_ecs};
pub use super::json_read::parse;

/// Returns a JSON object with the XML of the event as one string, in the field `Event`.
#[must_use]
pub fn raw(record: &Record) -> String {
    let mut out = String::with_capacity(record.source().len() + 64);
    let mut object = Object::open(&mut out);
    object.text("Event", record.source());
    object.close();
    out
}

/// Returns a JSON object with the structure of the XML: `System`, then `EventData` or another body, then
/// `RenderingInfo`.
#[must_use]
pub fn structured(event: &Event<'_>) -> String {
    let mut out = String::with_capacity(1_024);
    write_structured(event, &mut out);
    out
}

/// Appends the object of [`structured`] to a buffer.
pub fn write_structured(event: &Event<'_>, out: &mut String) {
    write_members(Object::open(out), event);
}

/// Appends the members of the object of [`structured`] to an open object that has members already, and closes it.
pub fn append_structured(event: &Event<'_>, out: &mut String) {
    write_members(Object::resume(out), event);
}

/// Appends the member of the object of [`raw`] to an open object that has members already, and closes it.
pub fn append_raw(xml: &str, out: &mut String) {
    let mut object = Object::resume(out);
    object.text("Event", xml);
    object.close();
}

fn write_members(mut object: Object<'_>, event: &Event<'_>) {
    write_system(object.key("System"), &event.system);
    match &event.body {
        Some(Body::EventData { name, items }) => {
            let mut data = Object::open(object.key("EventData"));
            data.optional("EventData.Name", name.as_deref());
            write_items(&mut data, items, "");
            data.close();
        }
        Some(Body::Other(tree)) => {
            let name = if RESERVED.contains(&tree.name.as_ref()) { "Body" } else { tree.name.as_ref() };
            write_tree(object.key(name), tree);
        }
        None => {}
    }
    if let Some(info) = &event.rendering {
        write_rendering(object.key("RenderingInfo"), info);
    }
    object.close();
}

/// Names that a body cannot have.
const RESERVED: [&str; 4] = ["Collector", "System", "EventData", "RenderingInfo"];

fn write_system(out: &mut String, system: &System<'_>) {
    let mut object = Object::open(out);
    let mut provider = Object::open(object.key("Provider"));
    provider.text("Name", &system.provider.name);
    provider.optional("Guid", system.provider.guid.as_deref());
    provider.optional("EventSourceName", system.provider.event_source.as_deref());
    provider.close();
    object.number("EventID", Some(system.event_id));
    object.number("Qualifiers", system.qualifiers);
    object.number("Version", system.version);
    object.number("Level", system.level);
    object.number("Task", system.task);
    object.number("Opcode", system.opcode);
    if let Some(keywords) = system.keywords {
        // More than 53 bits are not exact in most readers of JSON.
        object.formatted("Keywords", format_args!("0x{keywords:x}"));
    }
    if let Some(time) = system.time_created {
        object.formatted("TimeCreated", format_args!("{time}"));
    }
    object.number("EventRecordID", system.record_id);
    if let Some(correlation) = &system.correlation {
        let mut inner = Object::open(object.key("Correlation"));
        inner.optional("ActivityID", correlation.activity.as_deref());
        inner.optional("RelatedActivityID", correlation.related_activity.as_deref());
        inner.close();
    }
    if let Some(execution) = &system.execution {
        let mut inner = Object::open(object.key("Execution"));
        inner.number("ProcessID", Some(execution.process));
        inner.number("ThreadID", Some(execution.thread));
        inner.number("ProcessorID", execution.processor);
        inner.number("SessionID", execution.session);
        inner.number("KernelTime", execution.kernel_time);
        inner.number("UserTime", execution.user_time);
        inner.number("ProcessorTime", execution.processor_time);
        inner.close();
    }
    object.optional("Channel", system.channel.as_deref());
    object.text("Computer", &system.computer);
    object.optional("UserID", system.security.as_ref().and_then(|security| security.user.as_deref()));
    object.close();
}

fn write_rendering(out: &mut String, info: &RenderingInfo<'_>) {
    let mut object = Object::open(out);
    object.optional("Culture", info.culture.as_deref());
    object.optional("Message", info.message.as_deref());
    object.optional("Level", info.level.as_deref());
    object.optional("Task", info.task.as_deref());
    object.optional("Opcode", info.opcode.as_deref());
    object.optional("Channel", info.channel.as_deref());
    object.optional("Provider", info.provider.as_deref());
    if !info.keywords.is_empty() {
        let out = object.key("Keywords");
        array(out, &info.keywords, |out, keyword| string(out, keyword));
    }
    object.close();
}
