//! Events as lines of text or JSON, with explanations.

use std::fmt::Write as _;

use serde_json::{Value, json};
use winevent::event::{Body, DataItem, Event, json as event_json};
use winevent::query::{Action, RuleVerdict, Verdict};

use crate::event_reader::FoundEvent;
use crate::source_name::printable;

/// Returns one line of text, and further lines for the explanation.
pub(crate) fn text(found: &FoundEvent<'_>) -> String {
    let mut text = match found.record.event() {
        Ok(event) => line(&event),
        Err(_) => cut(&printable(found.record.source())),
    };
    text.push('\n');
    if let Some(explanation) = &found.explanation {
        for line in explanation.to_string().lines() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "    {}", printable(line));
        }
    }
    text
}

/// Returns one line of JSON. With an explanation, the event is a member of the object.
pub(crate) fn json(found: &FoundEvent<'_>) -> String {
    let event = match (&found.line, found.record.event()) {
        (Some(line), _) => line.clone(),
        (None, Ok(event)) => event_json::structured(&event),
        (None, Err(_)) => event_json::raw(&found.record),
    };
    match &found.explanation {
        None => event + "\n",
        Some(explanation) => {
            let rules: Vec<Value> = explanation.rules.iter().map(rule).collect();
            let explained = json!({ "Selected": explanation.is_selected, "Rules": rules });
            format!("{{\"Event\":{event},\"Explanation\":{explained}}}\n")
        }
    }
}

fn rule(rule: &RuleVerdict<'_>) -> Value {
    let parts = rule.parts.iter().map(|part| {
        let verdict = match part.verdict {
            Verdict::True => "true",
            Verdict::False => "false",
            Verdict::NotReached => "not reached",
        };
        json!({ "Text": part.text, "At": part.at, "Verdict": verdict })
    });
    let action = match rule.action {
        Action::Select => "Select",
        Action::Suppress => "Suppress",
    };
    json!({
        "Query": rule.query, "Action": action, "Path": rule.path, "Expression": rule.expression,
        "InChannel": rule.is_in_channel, "Matches": rule.is_match, "Parts": parts.collect::<Vec<_>>(),
    })
}

/// Returns time, level, computer, channel, provider and number of the event, and its message.
fn line(event: &Event<'_>) -> String {
    let system = &event.system;
    let time = system.time_created.map_or_else(|| "-".to_owned(), |time| time.to_string());
    let level = match system.level {
        Some(1) => "Critical",
        Some(2) => "Error",
        Some(3) => "Warning",
        Some(5) => "Verbose",
        _ => "Information",
    };
    let channel = system.channel.as_deref().unwrap_or("-");
    let head =
        format!("{time} {level} {} {channel} {} {}", system.computer, system.provider.name, system.event_id);
    let line = format!("{head}: {}", message(event));
    cut(&printable(line.trim_end().trim_end_matches(':')))
}

/// Returns the first line of the message, or the values of the event if it has none.
fn message(event: &Event<'_>) -> String {
    let message = event.rendering.as_ref().and_then(|info| info.message.as_deref());
    if let Some(first) = message.and_then(|message| message.trim().lines().next()) {
        return first.to_owned();
    }
    let Some(Body::EventData { items, .. }) = &event.body else { return String::new() };
    let values = items.iter().filter_map(|item| match item {
        DataItem::Data { name: Some(name), value } => Some(format!("{name}={value}")),
        DataItem::Data { name: None, value } => Some(value.to_string()),
        DataItem::Binary(_) | DataItem::Complex(_) => None,
    });
    values.collect::<Vec<_>>().join(", ")
}

/// Maximum length of a line in characters.
const LONGEST_LINE: usize = 400;

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_LINE) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
