//! The configuration as Caddy returns it: one JSON document.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::admin::CaddyAdmin;
use crate::engine::{Configuration, Disk};
use crate::error::WebServerError;
use crate::plan::{Problem, Severity};
use crate::position::Position;

/// Name of the document: its path in the admin API.
pub(super) const PATH: &str = "/config/";
/// Maximum size of the document in bytes.
const MAX_TEXT: usize = 4 << 20;

/// The document, and its entity tag if it is the running one.
#[derive(Clone, Debug)]
pub(crate) struct CaddyConfiguration {
    pub(super) text: Vec<u8>,
    pub(super) root: Result<Value, Problem>,
    pub(super) etag: Option<String>,
}

impl CaddyConfiguration {
    /// Reads the planned document, or the running one.
    pub(super) fn read(admin: &CaddyAdmin, disk: &Disk) -> Result<Self, WebServerError> {
        if let Some(planned) = disk.planned.get(PATH) {
            let text = planned.clone().unwrap_or_default();
            return Ok(Self { root: parse(&text), text, etag: None });
        }
        let answer = admin.configuration()?;
        let root = parse(&answer.body);
        let text = root.as_ref().map_or_else(|_| answer.body.clone(), to_text);
        Ok(Self { text, root, etag: answer.etag })
    }

    pub(super) fn root(&self) -> Result<&Value, WebServerError> {
        self.root.as_ref().map_err(syntax)
    }
}

/// Returns the error for a document that cannot be changed.
pub(super) fn syntax(problem: &Problem) -> WebServerError {
    let line = problem.position.as_ref().map_or(1, |position| position.line);
    WebServerError::Syntax { file: PATH.to_owned(), line, reason: problem.message.clone() }
}

/// Writes a document, with sorted keys and an indentation of two spaces.
pub(super) fn to_text(root: &Value) -> Vec<u8> {
    format!("{root:#}\n").into_bytes()
}

/// Parses a document. The error contains the beginning of the line.
pub(super) fn parse(text: &[u8]) -> Result<Value, Problem> {
    if text.len() > MAX_TEXT {
        return Err(problem("the document exceeds 4 MiB".to_owned(), 1));
    }
    serde_json::from_slice(text).map_err(|error| {
        let number = error.line().max(1);
        let line = text.split(|byte| *byte == b'\n').nth(number.saturating_sub(1)).unwrap_or_default();
        let start: String = String::from_utf8_lossy(line).trim().chars().take(60).collect();
        problem(format!("{error}: {start:?}"), u32::try_from(number).unwrap_or(u32::MAX))
    })
}

/// Returns the members of an object at a path; creates the objects that are missing.
pub(super) fn members_mut<'a>(
    root: &'a mut Value,
    path: &[&str],
) -> Result<&'a mut Map<String, Value>, WebServerError> {
    let invalid = || {
        let reason = format!("{} is not an object; correct it first", path.join("."));
        WebServerError::impossible("change the configuration", reason)
    };
    let mut value = root;
    if value.is_null() {
        *value = json!({});
    }
    for name in path {
        value = value.as_object_mut().ok_or_else(invalid)?.entry(*name).or_insert_with(|| json!({}));
    }
    value.as_object_mut().ok_or_else(invalid)
}

/// Removes empty objects and arrays at a path, from its end.
pub(super) fn remove_empty(root: &mut Value, path: &[&str]) {
    for length in (1..=path.len()).rev() {
        let Some((name, parents)) = path.get(..length).and_then(<[&str]>::split_last) else { return };
        let mut parent = Some(&mut *root);
        for token in parents {
            parent = parent.and_then(|parent| parent.get_mut(*token));
        }
        let Some(members) = parent.and_then(Value::as_object_mut) else { return };
        let is_empty = match members.get(*name) {
            Some(Value::Object(inner)) => inner.is_empty(),
            Some(Value::Array(inner)) => inner.is_empty(),
            Some(_) => false,
            None => true,
        };
        if !is_empty {
            return;
        }
        members.remove(*name);
    }
}

fn problem(message: String, line: u32) -> Problem {
    Problem { severity: Severity::Error, message, position: Some(position(line)) }
}

fn position(line: u32) -> Position {
    Position { file: PATH.to_owned(), line }
}

/// Returns the position of a value in the text of a document.
pub(super) fn position_of(root: &Value, pointer: &str) -> Position {
    let mut line = 1_usize;
    let mut value = root;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let (before, found) = match value {
            Value::Object(members) => {
                let before =
                    members.iter().take_while(|(key, _)| **key != token).map(|(_, value)| lines(value));
                (before.sum::<usize>(), members.get(&token))
            }
            Value::Array(items) => {
                let index: usize = token.parse().unwrap_or_default();
                (items.iter().take(index).map(lines).sum(), items.get(index))
            }
            _ => break,
        };
        let Some(found) = found else { break };
        line = line.saturating_add(before).saturating_add(1);
        value = found;
    }
    position(u32::try_from(line).unwrap_or(u32::MAX))
}

/// Returns the number of lines of a value.
fn lines(value: &Value) -> usize {
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.values().map(lines).fold(2, usize::saturating_add)
        }
        Value::Array(items) if !items.is_empty() => items.iter().map(lines).fold(2, usize::saturating_add),
        _ => 1,
    }
}

impl Configuration for CaddyConfiguration {
    fn contents(&self) -> BTreeMap<&str, &[u8]> {
        BTreeMap::from([(PATH, self.text.as_slice())])
    }

    fn problems(&self) -> Vec<Problem> {
        self.root.as_ref().err().cloned().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_the_text() {
        let root = parse(br#"{"a": {}, "b": {"x": [1, {"y": []}], "z/~": {"found": 1}}}"#).unwrap();
        let text = String::from_utf8(to_text(&root)).unwrap();
        for (pointer, line) in [("/b/x/1", "{"), ("/b/z~1~0/found", "\"found\": 1"), ("", "{")] {
            let position = position_of(&root, pointer);
            let found = text.lines().nth(usize::try_from(position.line).unwrap() - 1).unwrap();
            assert_eq!(found.trim(), line, "{pointer}: {text}");
        }
        let error = parse(b"{}\nUnknown on;\n").unwrap_err();
        assert!(error.message.contains("Unknown on;") && error.position.unwrap().line == 2);
    }
}
