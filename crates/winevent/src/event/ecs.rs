//! Flat JSON with the field names of the Elastic Common Schema.

use super::object::{Object, array, string, write_items, write_tree};
use super::{AUDIT_FAILURE, AUDIT_SUCCESS, Body, DataItem, Event};

/// Returns a flat JSON object with the field names of the Elastic Common Schema, and of Winlogbeat for what
/// the schema does not have: `@timestamp`, `event.code`, `winlog.event_data.NAME`.
///
/// Values without a name are `winlog.event_data.param1` and so on, as Winlogbeat names them.
#[must_use]
pub fn ecs(event: &Event<'_>) -> String {
    let mut out = String::with_capacity(1_024);
    write_ecs(event, &mut out);
    out
}

/// Appends the object of [`ecs`] to a buffer.
pub fn write_ecs(event: &Event<'_>, out: &mut String) {
    let mut object = Object::open(out);
    write_schema(&mut object, event);
    write_winlog(&mut object, event);
    write_body(&mut object, event);
    object.close();
}

/// Writes fields of the schema itself.
fn write_schema(object: &mut Object<'_>, event: &Event<'_>) {
    let system = &event.system;
    if let Some(time) = system.time_created {
        object.formatted("@timestamp", format_args!("{time}"));
    }
    object.text("event.kind", "event");
    object.formatted("event.code", format_args!("{}", system.event_id));
    object.text("event.provider", &system.provider.name);
    let keywords = system.keywords.unwrap_or(0);
    if keywords & AUDIT_SUCCESS != 0 {
        object.text("event.outcome", "success");
    } else if keywords & AUDIT_FAILURE != 0 {
        object.text("event.outcome", "failure");
    }
    object.text("host.name", &system.computer);
    let level = match system.level {
        Some(1) => Some("critical"),
        Some(2) => Some("error"),
        Some(3) => Some("warning"),
        Some(0 | 4) => Some("information"),
        Some(5) => Some("verbose"),
        _ => None,
    };
    object.optional("log.level", level);
    if let Some(info) = &event.rendering {
        object.optional("message", info.message.as_deref());
        object.optional("event.action", info.task.as_deref());
    }
}

/// Writes fields of Winlogbeat.
fn write_winlog(object: &mut Object<'_>, event: &Event<'_>) {
    let system = &event.system;
    object.optional("winlog.channel", system.channel.as_deref());
    object.text("winlog.computer_name", &system.computer);
    object.text("winlog.provider_name", &system.provider.name);
    object.optional("winlog.provider_guid", system.provider.guid.as_deref());
    object.formatted("winlog.event_id", format_args!("{}", system.event_id));
    object.number("winlog.qualifiers", system.qualifiers);
    object.number("winlog.version", system.version);
    object.number("winlog.level", system.level);
    object.number("winlog.task_id", system.task);
    object.number("winlog.opcode_id", system.opcode);
    if let Some(keywords) = system.keywords {
        object.formatted("winlog.keyword_bits", format_args!("0x{keywords:x}"));
    }
    object.number("winlog.record_id", system.record_id);
    if let Some(correlation) = &system.correlation {
        object.optional("winlog.activity_id", correlation.activity.as_deref());
        object.optional("winlog.related_activity_id", correlation.related_activity.as_deref());
    }
    if let Some(execution) = &system.execution {
        object.number("winlog.process.pid", Some(execution.process));
        object.number("winlog.process.thread.id", Some(execution.thread));
    }
    let user = system.security.as_ref().and_then(|security| security.user.as_deref());
    object.optional("winlog.user.identifier", user);
    let Some(info) = &event.rendering else { return };
    object.optional("winlog.task", info.task.as_deref());
    object.optional("winlog.opcode", info.opcode.as_deref());
    if !info.keywords.is_empty() {
        array(object.key("winlog.keywords"), &info.keywords, |out, keyword| string(out, keyword));
    }
}

fn write_body(object: &mut Object<'_>, event: &Event<'_>) {
    match &event.body {
        Some(Body::EventData { items, .. }) => {
            let numbered = (1..).zip(items).map(|(number, item)| match item {
                DataItem::Data { name, value } if name.as_deref().unwrap_or_default().is_empty() => {
                    DataItem::Data { name: Some(format!("param{number}").into()), value: value.clone() }
                }
                item => item.clone(),
            });
            write_items(object, &numbered.collect::<Vec<_>>(), "winlog.event_data.");
        }
        Some(Body::Other(tree)) => write_tree(object.prefixed_key("winlog.user_data.", &tree.name), tree),
        None => {}
    }
}
