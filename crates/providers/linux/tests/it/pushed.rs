//! Compares conditions pushed down to providers with the same conditions applied to all rows.

use std::collections::{BTreeMap, BTreeSet};

use cim::wql::{self, Predicate, Query};
use cim::{Class, Instance, Namespace, Origin, Value};
use wmi::{Context, Engine};

use super::{engine, machine};

/// Classes left out because they are expensive or change while they are read: counters and times.
const LEFT_OUT: [&str; 6] = [
    "Win32_PerfFormattedData_",
    "Win32_PerfRawData_",
    "Win32_LocalTime",
    "Win32_UTCTime",
    "Win32_SystemDevices",
    // A process maps other files while it starts a program.
    "CIM_ProcessExecutable",
];

#[tokio::test(flavor = "multi_thread")]
async fn key_conditions_return_exactly_the_matching_rows() {
    let machine = machine();
    let engine = engine(&machine);
    let mut requested = 0;
    for provider in telarch_provider_linux::providers(&machine) {
        for (namespace, name) in provider.classes() {
            if LEFT_OUT.iter().any(|beginning| name.as_str().starts_with(beginning)) {
                continue;
            }
            let all = format!("SELECT * FROM {name}");
            // Classes that cannot be listed as a whole are tested elsewhere.
            let Some(before) = keys_of(&engine, &namespace, &all).await else { continue };
            let Some(first) = before.values().next() else { continue };
            let conditions = conditions(first.class(), &before);
            let mut answers = Vec::new();
            for condition in conditions {
                let query = format!("{all} WHERE {condition}");
                let answer = keys_of(&engine, &namespace, &query).await;
                answers.push((query.clone(), answer.unwrap_or_else(|| panic!("{query} fails"))));
            }
            let after = keys_of(&engine, &namespace, &all).await.unwrap_or_else(|| panic!("{all} fails"));
            for (query, answer) in answers {
                requested += 1;
                let (before, after) = (filtered(&query, &before), filtered(&query, &after));
                let answer: BTreeSet<&String> = answer.keys().collect();
                // The name of a kernel worker changes with its current work.
                let is_missing = |key: &&&String| !answer.contains(**key) && !key.contains("kworker/");
                let missing: Vec<_> = before.intersection(&after).filter(is_missing).collect();
                assert!(missing.is_empty(), "{query} leaves out {missing:?}");
                let known: BTreeSet<&String> = before.union(&after).copied().collect();
                let others: Vec<_> = answer.difference(&known).collect();
                // Rows that appeared and disappeared in between are in neither list.
                assert!(others.is_empty() || is_restless(&query), "{query} also gives {others:?}");
            }
        }
    }
    assert!(requested > 200, "only {requested} conditions were asked");
}

/// Returns whether rows of the class may appear and disappear at any time.
fn is_restless(query: &str) -> bool {
    ["Process", "Thread", "Connection", "Endpoint", "Session", "ControlGroup"]
        .iter()
        .any(|word| query.contains(word))
}

/// Returns conditions for each key: equal to a value, to one of two, unequal, not less; also contradictory
/// ones, and ones that match no row.
fn conditions(class: &Class, rows: &BTreeMap<String, Instance>) -> Vec<String> {
    let mut conditions = Vec::new();
    let (first, last) = (rows.values().next(), rows.values().next_back());
    let texts = |row: Option<&Instance>| -> Vec<String> {
        let row = row.expect("there is a row");
        let keys = class.keys().iter().filter_map(|column| Some((class.property(*column)?, row.at(*column))));
        keys.filter_map(|(property, value)| Some(format!("{} = {}", property.name, constant(value)?)))
            .collect()
    };
    let (first, last) = (texts(first), texts(last));
    if first.is_empty() || first.len() != class.keys().len() || last.len() != first.len() {
        return conditions;
    }
    conditions.push(first.join(" AND "));
    conditions.push(format!("({}) OR ({})", first.join(" AND "), last.join(" AND ")));
    conditions.push(format!("NOT ({})", first.join(" AND ")));
    for (one, other) in first.iter().zip(&last) {
        conditions.push(one.clone());
        conditions.push(format!("{one} OR {other}"));
        conditions.push(format!("{one} AND NOT {one}"));
        conditions.push(one.replacen(" = ", " <> ", 1));
        if !one.starts_with("Setting") && !one.contains("\\\"") {
            conditions.push(format!("{} AND {other}", one.to_uppercase()));
        }
    }
    conditions
}

/// Returns the value as a literal of a query; `None` for values that cannot be compared in this way.
fn constant(value: &Value) -> Option<String> {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    match value {
        Value::Null | Value::Object(_) | Value::Array(_) | Value::DateTime(_) => None,
        Value::String(text) => Some(quoted(text)),
        Value::Reference(path) => Some(quoted(&path.to_string())),
        other => {
            let mut text = String::new();
            other.write_text(&mut text);
            Some(text)
        }
    }
}

/// Returns the rows that match the condition, evaluated on each row.
fn filtered<'r>(query: &str, rows: &'r BTreeMap<String, Instance>) -> BTreeSet<&'r String> {
    let Ok(Query::Select(select)) = wql::parse(query) else { panic!("{query} cannot be read") };
    let origin = Origin { server: "node7".to_owned(), namespace: Namespace::cimv2(), offset: 0 };
    let wants = |row: &Instance| Predicate::bind(&select, row.class(), &origin).unwrap().evaluate(row);
    rows.iter().filter(|(_, row)| wants(row)).map(|(key, _)| key).collect()
}

/// Returns the rows by path; `None` if the query is refused.
async fn keys_of(engine: &Engine, namespace: &Namespace, query: &str) -> Option<BTreeMap<String, Instance>> {
    let context = Context::of_this_process("alice");
    let mut rows =
        engine.query(&context, namespace, query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next().await {
        let row = row.ok()?;
        found.insert(row.path().ok()?.to_string(), row);
    }
    Some(found)
}
