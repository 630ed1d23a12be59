//! Templates and mails of event consumers.

mod mail;

use std::sync::LazyLock;

use cim::{Instance, Namespace, Schema, Value};
use consumers::fuzzing::{MAX_FILLED, Template};

/// Checks that a template is filled as by an independent implementation, that the result has a limited
/// length, and that event data is never interpreted as a template.
///
/// The bytes before the first NUL are the template, the rest is the name of a process in the event.
///
/// # Panics
/// If a property does not hold.
pub fn template(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let (text, name) = text.split_once('\0').unwrap_or((text, "sh; reboot"));
    let template = Template::parse(text);
    let event = event(name);
    let filled = template.fill(&event);
    assert!(filled.len() <= MAX_FILLED, "{} octets", filled.len());
    let expected = by_pieces(text, &event);
    assert!(filled.len() + 4 > MAX_FILLED || filled == expected, "{text:?} is {filled:?}, not {expected:?}");
    assert!(!template.is_fixed() || filled == expected, "{text:?} is no fixed text");
    let other = self::event("another").with("TIME_CREATED", 7_u64).expect("a property");
    assert!(!template.is_fixed() || template.fill(&other) == filled, "{text:?} depends on the event");
}

/// Checks that a mail has the intended header and end, whatever an event contains, and that responses of a
/// server are read within limits and are safe to log.
///
/// # Panics
/// If a property does not hold.
pub fn mail(octets: &[u8]) {
    mail::answer(octets);
    mail::text(&String::from_utf8_lossy(octets));
}

/// Expands a template by splitting it at percent signs: each part between two signs is a property, or literal
/// text.
fn by_pieces(text: &str, event: &Instance) -> String {
    let pieces: Vec<&str> = text.split('%').collect();
    let (mut filled, mut at) = (String::new(), 0);
    while let Some(piece) = pieces.get(at) {
        filled += piece;
        at += 1;
        // A part is between two signs only if another part follows.
        let is_last = at + 1 >= pieces.len();
        match pieces.get(at) {
            None => {}
            Some(&"") if !is_last => {
                filled.push('%');
                at += 1;
            }
            Some(inside) if !is_last && inside.split('.').all(|name| cim::Name::parse(name).is_ok()) => {
                filled += &value(event, inside);
                at += 1;
            }
            Some(_) => filled.push('%'),
        }
    }
    filled
}

fn value(event: &Instance, path: &str) -> String {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let mut text = String::new();
    match (event.value(first), rest) {
        (Some(Value::Object(inner)), Some(rest)) => return value(inner, rest),
        (Some(Value::Object(inner)), None) => {
            return inner.path().map(|path| path.to_string()).unwrap_or_default();
        }
        (Some(Value::Array(all)), None) => {
            return format!("{{{}}}", all.iter().map(written).collect::<Vec<_>>().join(","));
        }
        (Some(value), None) if !value.is_null() => value.write_text(&mut text),
        (None, None) if first.eq_ignore_ascii_case("__CLASS") => text = event.class().name().to_string(),
        _ => {}
    }
    text
}

fn written(value: &Value) -> String {
    let mut text = String::new();
    value.write_text(&mut text);
    text
}

/// Returns a creation event for a process with this name.
fn event(name: &str) -> Instance {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of(Namespace::cimv2()));
    let process = Instance::new(SCHEMA.class("Win32_Process").expect("a class"))
        .with("Name", name.to_owned())
        .and_then(|process| process.with("ProcessId", 7_u32))
        .and_then(|process| process.with("Handle", "7"));
    let process = Value::Object(Box::new(process.expect("properties")));
    let event = Instance::new(SCHEMA.class("__InstanceCreationEvent").expect("a class"));
    let octets = Value::Array([Value::from(1_u8), Value::from(5_u8)].into());
    event
        .with("TargetInstance", process)
        .and_then(|event| event.with("SECURITY_DESCRIPTOR", octets))
        .expect("properties")
}
