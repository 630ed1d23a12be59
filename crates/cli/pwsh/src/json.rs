//! Objects as JSON.
//!
//! Lists are arrays, dictionaries and property bags are objects, enumerations are their names, and extended
//! primitives are the primitives. Repeated and cyclic objects are `{"$ref": NUMBER}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use psrp::clixml::{Content, Object, Primitive, Property, Value};
use serde_json::{Map, Number, Value as Json};

/// Converts an object.
pub(super) fn of(value: &Value) -> Json {
    match value {
        Value::Primitive(primitive) => of_primitive(primitive),
        Value::Object(object) => of_object(object),
        Value::Reference(id) => Json::Object([("$ref".to_owned(), id.number().into())].into_iter().collect()),
        Value::PropertySet(properties) => of_properties(properties.iter()),
    }
}

/// Converts a line of JSON to an object for PowerShell.
pub(super) fn to_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::NULL,
        Json::Bool(value) => (*value).into(),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => i32::try_from(number).map_or_else(|_| number.into(), Value::from),
            (None, Some(number)) => number.into(),
            (None, None) => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(all) => {
            let list = Object::with_content(Content::List(all.iter().map(to_value).collect()));
            list.typed(&["System.Collections.ArrayList", "System.Object"]).into()
        }
        Json::Object(members) => {
            let properties = members.iter().map(|(name, value)| (name.as_str(), to_value(value)));
            let object = Object::with_properties(properties);
            object.typed(&["System.Management.Automation.PSCustomObject", "System.Object"]).into()
        }
    }
}

fn of_object(object: &Object) -> Json {
    match &object.content {
        // The number of an enumeration has its name as text.
        Content::Primitive(Primitive::I32(_)) if is_enumeration(object) => {
            object.to_string.as_ref().map_or(Json::Null, |name| Json::String(name.to_string()))
        }
        Content::Primitive(primitive) => of_primitive(primitive),
        Content::List(all) | Content::Enumerable(all) | Content::Stack(all) | Content::Queue(all) => {
            Json::Array(all.iter().map(of).collect())
        }
        Content::Dictionary(entries) => of_entries(entries),
        Content::None => {
            let properties = object.adapted.iter().chain(&object.extended).flatten();
            match (object.adapted.is_none() && object.extended.is_none(), &object.to_string) {
                // Objects below the depth of the service arrive as text.
                (true, Some(text)) => Json::String(text.to_string()),
                _ => of_properties(properties),
            }
        }
    }
}

fn is_enumeration(object: &Object) -> bool {
    object.types.iter().flat_map(|types| types.iter()).any(|name| {
        let name: &str = name;
        name.strip_prefix("Deserialized.").unwrap_or(name) == "System.Enum"
    })
}

/// Returns an object if all keys are text, otherwise an array of keys and values.
fn of_entries(entries: &[(Value, Value)]) -> Json {
    let named: Option<Map<String, Json>> =
        entries.iter().map(|(key, value)| Some((key.as_str()?.to_owned(), of(value)))).collect();
    named.map_or_else(
        || {
            let pairs = entries.iter().map(|(key, value)| {
                Json::Object(
                    [("key".to_owned(), of(key)), ("value".to_owned(), of(value))].into_iter().collect(),
                )
            });
            Json::Array(pairs.collect())
        },
        Json::Object,
    )
}

fn of_properties<'a>(properties: impl Iterator<Item = &'a Property>) -> Json {
    Json::Object(properties.map(|property| (property.name.to_string(), of(&property.value))).collect())
}

fn of_primitive(primitive: &Primitive) -> Json {
    match primitive {
        Primitive::Null => Json::Null,
        Primitive::String(text) | Primitive::Uri(text) | Primitive::Xml(text) | Primitive::Script(text) => {
            Json::String(text.to_string())
        }
        Primitive::Char(unit) => Json::String(String::from_utf16_lossy(&[*unit])),
        Primitive::Boolean(value) => Json::Bool(*value),
        Primitive::DateTime(time) => Json::String(time.as_str().to_owned()),
        Primitive::TimeSpan(time) => Json::String(time.to_string()),
        Primitive::U8(number) => (*number).into(),
        Primitive::I8(number) => (*number).into(),
        Primitive::U16(number) => (*number).into(),
        Primitive::I16(number) => (*number).into(),
        Primitive::U32(number) => (*number).into(),
        Primitive::I32(number) => (*number).into(),
        Primitive::U64(number) => (*number).into(),
        Primitive::I64(number) => (*number).into(),
        Primitive::F32(number) => of_float(f64::from(*number)),
        Primitive::F64(number) => of_float(*number),
        Primitive::Decimal(number) => Json::String(number.as_str().to_owned()),
        Primitive::Bytes(bytes) => Json::String(STANDARD.encode(bytes)),
        Primitive::Guid(guid) => Json::String(guid.to_string()),
        Primitive::Version(version) => Json::String(version.to_string()),
        Primitive::Secure(_) => Json::String("***".to_owned()),
        Primitive::Progress(progress) => Json::String(progress.activity.to_string()),
    }
}

/// JSON has no infinite numbers.
fn of_float(number: f64) -> Json {
    Number::from_f64(number).map_or_else(
        || {
            let name = match number {
                number if number.is_nan() => "NaN",
                number if number > 0.0 => "INF",
                _ => "-INF",
            };
            Json::String(name.to_owned())
        },
        Json::Number,
    )
}

#[cfg(test)]
mod tests {
    use psrp::clixml::{Limits, parse};

    use super::*;

    fn json(clixml: &str) -> String {
        of(&parse(clixml.as_bytes(), &Limits::default()).expect("CLIXML")).to_string()
    }

    #[test]
    fn objects_are_mapped_by_their_content() {
        for (clixml, expected) in [
            ("<S>a</S>", r#""a""#),
            ("<Nil />", "null"),
            ("<I64>5000000000</I64>", "5000000000"),
            ("<Db>INF</Db>", r#""INF""#),
            ("<C>97</C>", r#""a""#),
            ("<BA>AQI=</BA>", r#""AQI=""#),
            ("<SS>AQI=</SS>", r#""***""#),
            ("<Obj RefId='0'><LST><I32>1</I32><Nil /></LST></Obj>", "[1,null]"),
            (
                "<Obj RefId='0'><DCT><En><S N='Key'>a</S><B N='Value'>true</B></En></DCT></Obj>",
                r#"{"a":true}"#,
            ),
            (
                "<Obj RefId='0'><DCT><En><I32 N='Key'>1</I32><S N='Value'>x</S></En></DCT></Obj>",
                r#"[{"key":1,"value":"x"}]"#,
            ),
            (
                "<Obj RefId='0'><TN RefId='0'><T>System.DayOfWeek</T><T>System.Enum</T></TN><ToString>Friday</ToString>\
                 <I32>5</I32></Obj>",
                r#""Friday""#,
            ),
            (
                "<Obj RefId='0'><ToString>x</ToString><Props><S N='A'>1</S></Props><MS><S N='B'>2</S></MS></Obj>",
                r#"{"A":"1","B":"2"}"#,
            ),
            ("<Obj RefId='0'><ToString>deep</ToString></Obj>", r#""deep""#),
        ] {
            assert_eq!(json(clixml), expected, "{clixml}");
        }
    }

    #[test]
    fn json_is_sent_as_objects_and_returns_unchanged() {
        let text = r#"{"a":[1,-5000000000,1.5,null],"b":{"c":true,"d":"x"}}"#;
        let value = to_value(&serde_json::from_str(text).expect("JSON"));
        assert_eq!(of(&value).to_string(), text);
    }
}
