//! What the controllers have answered, as text, JSON or CSV.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::hosts::Host;
use crate::failure::Failure;
use crate::format::csv_cell;

/// How it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Text,
    Json,
    Csv,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            other => Err(format!("--format: {other:?} is neither text, json nor csv")),
        }
    }
}

/// What one controller has answered: for people, and for programs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) text: String,
    /// Each with the same names in the same order.
    pub(super) rows: Vec<Row>,
}

/// What is said of one thing, by name.
pub(super) type Row = Vec<(&'static str, Value)>;

/// What all have answered, or why they have not.
pub(super) type Answers = Vec<(Host, Result<Answer, String>)>;

/// Puts it into one text.
pub(super) fn written(answers: &Answers, format: Format) -> String {
    match format {
        Format::Text => text(answers),
        Format::Json => json(answers),
        Format::Csv => csv(answers),
    }
}

/// What went wrong, a line for each controller, and the exit status that goes with it.
pub(super) fn failure(answers: &Answers) -> Option<Failure> {
    let failed: Vec<String> = answers
        .iter()
        .filter_map(|(host, answer)| answer.as_ref().err().map(|error| format!("{host}: {error}")))
        .collect();
    (!failed.is_empty()).then(|| Failure::Failed(failed.join("\ntelarch: ")))
}

fn text(answers: &Answers) -> String {
    let many = answers.len() > 1;
    let mut text = String::new();
    for (host, answer) in answers {
        let Ok(answer) = answer else { continue };
        for line in answer.text.lines() {
            let prefix = if many { format!("{host}: ") } else { String::new() };
            text.push_str(&format!("{prefix}{line}\n"));
        }
    }
    text
}

fn json(answers: &Answers) -> String {
    let all = answers.iter().flat_map(|(host, answer)| {
        let object = |rest: Vec<(&'static str, Value)>| {
            let host = ("host", Value::String(host.to_string()));
            let fields = std::iter::once(host).chain(rest).map(|(name, value)| (name.to_owned(), value));
            Value::Object(fields.collect::<Map<_, _>>())
        };
        match answer {
            Ok(answer) => answer.rows.iter().cloned().map(object).collect(),
            Err(error) => {
                let first = error.lines().next().unwrap_or_default().to_owned();
                vec![object(vec![("error", Value::String(first))])]
            }
        }
    });
    let all = Value::Array(all.collect());
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

fn csv(answers: &Answers) -> String {
    let rows = answers.iter().filter_map(|(host, answer)| answer.as_ref().ok().map(|answer| (host, answer)));
    let mut text = String::new();
    for (host, row) in rows.flat_map(|(host, answer)| answer.rows.iter().map(move |row| (host, row))) {
        if text.is_empty() {
            let names: Vec<&str> = std::iter::once("host").chain(row.iter().map(|(name, _)| *name)).collect();
            text.push_str(&(names.join(",") + "\n"));
        }
        let cells = row.iter().map(|(_, value)| match value {
            Value::String(text) => csv_cell(text),
            Value::Null => String::new(),
            other => csv_cell(&other.to_string()),
        });
        let cells: Vec<String> = std::iter::once(csv_cell(&host.to_string())).chain(cells).collect();
        text.push_str(&(cells.join(",") + "\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        let host = |name: &str| Host { name: name.to_owned(), port: 623 };
        let row = vec![("name", Value::from("a \"b\", c")), ("value", Value::from(7)), ("none", Value::Null)];
        vec![
            (host("one"), Ok(Answer { text: "x\ny".to_owned(), rows: vec![row] })),
            (host("two"), Err("no answer\n  is it there?".to_owned())),
        ]
    }

    #[test]
    fn each_format_has_what_was_answered() {
        assert_eq!(written(&answers(), Format::Text), "one: x\none: y\n");
        assert_eq!(written(&answers(), Format::Csv), "host,name,value,none\none,\"a \"\"b\"\", c\",7,\n");
        let json: Value = serde_json::from_str(&written(&answers(), Format::Json)).expect("JSON");
        assert_eq!(json.pointer("/1/error"), Some(&"no answer".into()));
        assert_eq!(json.pointer("/0/value"), Some(&7.into()));
    }

    #[test]
    fn what_failed_is_told_by_host() {
        let failure = failure(&answers()).expect("a failure").to_string();
        assert_eq!(failure, "two: no answer\n  is it there?");
    }
}
