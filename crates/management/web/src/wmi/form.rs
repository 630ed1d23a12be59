//! Instances and classes as JSON.
//!
//! Dates have the form of XML Schema, references are paths. Integers that JavaScript cannot represent are strings of
//! digits.

use cim::{Class, DateTime, Instance, Method, Origin, Property, Qualifiers, SystemProperty, Value};
use serde_json::{Map, Value as Json, json};

/// Returns an instance with its class, its path if it has one, and the selected properties or all.
pub(crate) fn instance_form(instance: &Instance, selected: Option<&[String]>, origin: &Origin) -> Json {
    let path = instance.path().ok().map(|path| path.to_string());
    let values = match selected {
        None => members(instance),
        Some(names) => names.iter().map(|name| selected_value(instance, name, origin)).collect(),
    };
    json!({ "class": instance.class().name().to_string(), "path": path, "values": values })
}

/// Returns the approximate size of a row in bytes.
pub(crate) fn row_size(value: &Json) -> usize {
    let members = match value {
        Json::String(text) => text.len(),
        Json::Array(values) => values.iter().map(row_size).sum(),
        Json::Object(members) => members.iter().map(|(name, value)| name.len() + row_size(value)).sum(),
        _ => 0,
    };
    members + 8
}

fn members(instance: &Instance) -> Map<String, Json> {
    let names = instance.class().properties().iter().map(|property| property.name.to_string());
    names.zip(instance.values().iter().map(value_form)).collect()
}

fn selected_value(instance: &Instance, name: &str, origin: &Origin) -> (String, Json) {
    let class = instance.class();
    if let Some(property) = class.column(name).and_then(|column| class.property(column)) {
        let value = instance.value(name).map_or(Json::Null, value_form);
        return (property.name.to_string(), value);
    }
    let system = SystemProperty::parse(name).map(|property| property.of_instance(instance, origin));
    (name.to_owned(), system.as_ref().map_or(Json::Null, value_form))
}

fn value_form(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(truth) => json!(truth),
        // Not a number and infinity become null.
        Value::Real32(number) => json!(number),
        Value::Real64(number) => json!(number),
        Value::DateTime(time) => json!(date_form(time)),
        Value::Array(values) => values.iter().map(value_form).collect(),
        Value::Object(instance) => Json::Object(members(instance)),
        Value::Char16(_) => json!(value.to_text()),
        other => match other.as_integer().and_then(|number| i64::try_from(number).ok()) {
            Some(number) if number.unsigned_abs() <= MAX_SAFE_INTEGER => json!(number),
            _ => json!(other.to_text()),
        },
    }
}

/// Returns a date or an interval in the form of XML Schema.
pub(crate) fn date_form(time: &DateTime) -> String {
    let mut text = String::new();
    match time {
        DateTime::Timestamp(time) => time.write_xml(&mut text),
        DateTime::Interval(time) => time.write_xml(&mut text),
        DateTime::Partial(_) => text = time.to_string(),
    }
    text
}

/// `Number.MAX_SAFE_INTEGER` of JavaScript.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Returns the entry of a class in a list.
pub(crate) fn class_entry(class: &Class, has_provider: bool) -> Json {
    json!({
        "name": class.name().to_string(),
        "superclass": class.superclass().map(|parent| parent.name().to_string()),
        "is_abstract": class.is_abstract(),
        "is_association": class.is_association(),
        "has_provider": has_provider,
    })
}

/// Returns the definition of a class.
pub(crate) fn class_form(class: &Class, has_provider: bool) -> Json {
    let keys = class.keys().iter().filter_map(|key| class.property(*key));
    let mut form = class_entry(class, has_provider);
    let more = json!({
        "derivation": class.derivation().map(|parent| parent.name().to_string()).collect::<Vec<_>>(),
        "is_singleton": class.is_singleton(),
        "keys": keys.map(|property| property.name.to_string()).collect::<Vec<_>>(),
        "qualifiers": qualifiers_form(class.qualifiers()),
        "properties": class.properties().iter().map(property_form).collect::<Vec<_>>(),
        "methods": class.methods().iter().map(|operation| method_form(&operation.method)).collect::<Vec<_>>(),
    });
    if let (Some(form), Json::Object(more)) = (form.as_object_mut(), more) {
        form.extend(more);
    }
    form
}

fn property_form(property: &Property) -> Json {
    json!({
        "name": property.name.to_string(),
        "type": property.kind.to_string(),
        "is_key": property.is_key(),
        "is_writable": property.is_writable(),
        "is_inherited": property.propagated,
        "origin": property.origin.to_string(),
        "default": value_form(&property.default),
        "qualifiers": qualifiers_form(&property.qualifiers),
    })
}

fn method_form(method: &Method) -> Json {
    let parameters = method.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name.to_string(),
            "type": parameter.kind.to_string(),
            "is_in": parameter.is_in(),
            "is_out": parameter.is_out(),
            "qualifiers": qualifiers_form(&parameter.qualifiers),
        })
    });
    json!({
        "name": method.name.to_string(),
        "returns": method.returns.as_ref().map(ToString::to_string),
        "is_static": method.is_static(),
        "origin": method.origin.to_string(),
        "parameters": parameters.collect::<Vec<_>>(),
        "qualifiers": qualifiers_form(&method.qualifiers),
    })
}

fn qualifiers_form(qualifiers: &Qualifiers) -> Json {
    qualifiers.iter().map(|one| (one.name.to_string(), value_form(&one.value))).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_integers_are_text_and_arrays_keep_their_elements() {
        assert_eq!(value_form(&Value::Uint64(1 << 53)), json!("9007199254740992"));
        assert_eq!(value_form(&Value::Uint64((1 << 53) - 1)), json!(9_007_199_254_740_991_u64));
        assert_eq!(value_form(&Value::Sint64(i64::MIN)), json!("-9223372036854775808"));
        let array = Value::Array(vec![Value::Uint8(1), Value::Null, Value::text("a")].into());
        assert_eq!(value_form(&array), json!([1, null, "a"]));
        assert_eq!(value_form(&Value::Real64(f64::NAN)), Json::Null);
    }
}
