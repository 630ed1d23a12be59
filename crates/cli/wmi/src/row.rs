//! What an instance tells, by name, for people and programs.

use cim::{DateTime, Instance, Origin, SystemProperty, Value};
use serde_json::{Map, Number, Value as Json};

/// One instance, or what was asked of it, in the order it is told.
pub(super) type Row = Vec<(String, Json)>;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) rows: Vec<Row>,
    /// The properties that were asked for, by name; none for all.
    pub(super) asked: Option<Vec<String>>,
}

/// The row of an instance: the properties that were asked for, or all.
pub(super) fn of_instance(instance: &Instance, asked: Option<&[String]>, origin: &Origin) -> Row {
    let class = instance.class();
    let Some(asked) = asked else {
        let names = class.properties().iter().map(|property| property.name.to_string());
        return names.zip(instance.values().iter().map(json)).collect();
    };
    let one = |name: &String| {
        let own = class.column(name).and_then(|column| class.property(column));
        let system = || SystemProperty::parse(name).map(|property| property.of_instance(instance, origin));
        match own {
            Some(property) => (property.name.to_string(), instance.value(name).map_or(Json::Null, json)),
            None => (name.clone(), system().map_or(Json::Null, |value| json(&value))),
        }
    };
    asked.iter().map(one).collect()
}

/// A value as JSON has it: numbers as numbers, times as XML writes them, paths as text.
pub(super) fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => Json::Bool(*value),
        Value::Real32(number) => real(f64::from(*number)),
        Value::Real64(number) => real(*number),
        Value::DateTime(DateTime::Timestamp(time)) => {
            let mut text = String::new();
            time.write_xml(&mut text);
            Json::String(text)
        }
        Value::DateTime(DateTime::Interval(time)) => {
            let mut text = String::new();
            time.write_xml(&mut text);
            Json::String(text)
        }
        Value::Array(values) => Json::Array(values.iter().map(json).collect()),
        Value::Object(instance) => {
            let class = instance.class();
            let names = class.properties().iter().map(|property| property.name.to_string());
            Json::Object(names.zip(instance.values().iter().map(json)).collect::<Map<_, _>>())
        }
        Value::Char16(_) => Json::String(text(value)),
        value => match value.as_integer() {
            Some(number) => i64::try_from(number)
                .map(Number::from)
                .or_else(|_| u64::try_from(number).map(Number::from))
                .map_or(Json::Null, Json::Number),
            None => Json::String(text(value)),
        },
    }
}

fn real(number: f64) -> Json {
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}

fn text(value: &Value) -> String {
    let mut text = String::new();
    value.write_text(&mut text);
    text
}

/// A value in a cell: texts as they are, arrays in braces.
pub(super) fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(values) => {
            let values: Vec<String> = values.iter().map(cell).collect();
            format!("{{{}}}", values.join(", "))
        }
        other => other.to_string(),
    }
}
