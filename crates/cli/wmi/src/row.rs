//! Rows of query results.

use cim::{DateTime, Instance, Origin, SystemProperty, Value};
use serde_json::{Map, Number, Value as Json};

/// Properties of an instance with their values, in order.
pub(super) type Row = Vec<(String, Json)>;

/// The result of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct QueryResult {
    pub(super) rows: Vec<Row>,
    /// Names of the selected properties; `None` for all.
    pub(super) properties: Option<Vec<String>>,
}

/// Returns the row of an instance with the selected properties, or all.
pub(super) fn of_instance(instance: &Instance, selected: Option<&[String]>, origin: &Origin) -> Row {
    let class = instance.class();
    let Some(selected) = selected else {
        let names = class.properties().iter().map(|property| property.name.to_string());
        return names.zip(instance.values().iter().map(json)).collect();
    };
    let mut row = Row::new();
    for name in selected {
        row.push(match class.column(name).and_then(|column| class.property(column)) {
            Some(property) => (property.name.to_string(), instance.value(name).map_or(Json::Null, json)),
            None => {
                let system =
                    SystemProperty::parse(name).map(|property| property.of_instance(instance, origin));
                (name.clone(), system.map_or(Json::Null, |value| json(&value)))
            }
        });
    }
    row
}

/// Returns a value as JSON: dates as in XML, paths as text.
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
        Value::Char16(_) => Json::String(value.to_text()),
        value => match value.as_integer() {
            Some(number) => i64::try_from(number)
                .map(Number::from)
                .or_else(|_| u64::try_from(number).map(Number::from))
                .map_or(Json::Null, Json::Number),
            None => Json::String(value.to_text()),
        },
    }
}

fn real(number: f64) -> Json {
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}

/// Formats a value for a table cell: text unquoted, arrays in braces.
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
