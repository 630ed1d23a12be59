//! Parameters of methods from JSON.

use cim::{CimType, Error, Instance, Operation, Shape, Type, Value};
use serde_json::{Map, Value as Json};

/// Returns the input of a method from the members of a JSON object.
pub(crate) fn method_input(operation: &Operation, arguments: &Map<String, Json>) -> Result<Instance, Error> {
    let class = &operation.input;
    let mut input = Instance::with_defaults(class.clone());
    for (name, argument) in arguments {
        let column = class.require(name)?;
        if let Some(property) = class.property(column) {
            input.set(column, value(&property.kind, argument)?)?;
        }
    }
    Ok(input)
}

fn value(kind: &Type, argument: &Json) -> Result<Value, Error> {
    match (&kind.shape, argument) {
        (_, Json::Null) => Ok(Value::Null),
        (Shape::Scalar, argument) => element(&kind.element, argument),
        (_, Json::Array(elements)) => {
            let elements = elements.iter().map(|argument| element(&kind.element, argument));
            Ok(Value::Array(elements.collect::<Result<_, _>>()?))
        }
        (_, other) => Err(Error::Lexical { found: excerpt(other), expected: "array" }),
    }
}

fn element(kind: &CimType, argument: &Json) -> Result<Value, Error> {
    match argument {
        // Embedded instances have no text form.
        _ if matches!(kind, CimType::Object(_)) => {
            Err(Error::Lexical { found: excerpt(argument), expected: "value with a text form" })
        }
        Json::String(text) => kind.parse(text),
        Json::Bool(_) | Json::Number(_) => kind.parse(&argument.to_string()),
        _ => Err(Error::Lexical { found: excerpt(argument), expected: kind.keyword() }),
    }
}

/// Returns the beginning of a value for a message.
fn excerpt(argument: &Json) -> String {
    argument.to_string().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_get_the_types_of_their_parameters() {
        let numbers = Type::array(CimType::Uint16);
        assert_eq!(value(&numbers, &serde_json::json!([1, "2"])).unwrap(), vec![1_u16, 2].into());
        assert!(value(&numbers, &serde_json::json!(1)).unwrap_err().to_string().contains("array"));
        assert!(value(&numbers, &serde_json::json!([70_000])).is_err());
        let truth = Type::scalar(CimType::Boolean);
        assert_eq!(value(&truth, &serde_json::json!(true)).unwrap(), Value::Boolean(true));
        assert!(value(&truth, &serde_json::json!({})).is_err());
    }
}
