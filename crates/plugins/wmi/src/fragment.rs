//! Fragments of instances, named by XPath level 1 (DSP0226 7.7 and annex D).

use cim::wscim::{Read, Reader, Writer};
use cim::{Class, ColumnSet, Instance, Name, Value};
use wsman::namespace::{DIALECT_XPATH, WSMAN};
use xml::Element;

use crate::error::WmiError;
use crate::request::WmiRequest;

/// A property, an array element, or the text of either.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    property: Name,
    /// Array index, from zero.
    index: Option<usize>,
    form: PartForm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PartForm {
    Element,
    Text,
}

impl Part {
    /// Returns the fragment of a request, or `None`.
    pub(crate) fn request(request: &WmiRequest<'_>) -> Result<Option<Self>, WmiError> {
        let Some(fragment) = &request.call.request.head().fragment else { return Ok(None) };
        match &fragment.dialect {
            Some(dialect) if !dialect.eq_ignore_ascii_case(DIALECT_XPATH) => {
                Err(WmiError::FragmentDialect(dialect.chars().take(80).collect()))
            }
            _ => Self::parse(&fragment.expression).map(Some),
        }
    }

    /// Parses an expression.
    ///
    /// # Errors
    /// Fails if the expression is blank or is not a fragment path.
    pub fn parse(expression: &str) -> Result<Self, WmiError> {
        let expression = expression.trim();
        if expression.is_empty() {
            return Err(WmiError::BlankFragment);
        }
        Self::understood(expression)
            .ok_or_else(|| WmiError::FragmentPath(expression.chars().take(80).collect()))
    }

    fn understood(expression: &str) -> Option<Self> {
        let (path, form) = match expression.strip_suffix("/text()") {
            Some(path) => (path, PartForm::Text),
            None => (expression, PartForm::Element),
        };
        let (name, index) = match path.strip_suffix(']') {
            Some(path) => {
                let (name, number) = path.split_once('[')?;
                let digits = number.trim();
                let is_number = digits.bytes().all(|octet| octet.is_ascii_digit());
                (name, Some(digits.parse::<usize>().ok().filter(|_| is_number)?.checked_sub(1)?))
            }
            None => (path, None),
        };
        // Prefixes are chosen by the client; only the properties of one class are possible, so the prefix is
        // ignored.
        let name = match name.split_once(':') {
            Some((prefix, name)) if is_prefix(prefix) => name,
            Some(_) => return None,
            None => name,
        };
        Some(Self { property: Name::parse(name).ok()?, index, form })
    }

    /// Writes the fragment; if the instance lacks it, an empty `w:XmlFragment`.
    pub fn write(&self, out: &mut xml::Writer, writer: &Writer, instance: &Instance) {
        let class = instance.class();
        let found =
            class.column(self.property.as_str()).map(|column| (column, self.value(instance.at(column))));
        match (found, self.form) {
            (Some((column, Some(value))), PartForm::Element) => {
                let mut only = Instance::new(class.clone());
                match only.set(column, value) {
                    Ok(()) => writer.projection(class, &ColumnSet::from_iter([column])).write(out, &only),
                    Err(_) => write_empty(out),
                }
            }
            (Some((_, Some(value))), PartForm::Text) => {
                let values =
                    if let Value::Array(values) = &value { values } else { std::slice::from_ref(&value) };
                out.start("w:XmlFragment");
                for value in values {
                    out.property_text(&value.to_text());
                }
                out.end();
            }
            _ => write_empty(out),
        }
    }

    /// Returns the value of the part from the value of its property.
    fn value(&self, value: &Value) -> Option<Value> {
        match (self.index, value) {
            (None, value) => Some(value.clone()),
            (Some(index), Value::Array(values)) => {
                values.get(index).map(|value| Value::Array([value.clone()].into()))
            }
            // In XPath a single element has index 1.
            (Some(0), value) => Some(value.clone()),
            (Some(_), _) => None,
        }
    }

    /// Returns whether the XML of an instance contains the part; used as filter of enumerations (DSP0226
    /// 8.3).
    ///
    /// A property without value is an element unless it is an array, and has no text.
    /// `written_class` is the class whose properties are written; properties of subclasses are omitted.
    pub fn is_in(&self, instance: &Instance, written_class: Option<&Class>) -> bool {
        let (class, name) = (instance.class(), self.property.as_str());
        let Some(column) = class.column(name) else { return false };
        if written_class.is_some_and(|class| class.column(name).is_none()) {
            return false;
        }
        match (self.value(instance.at(column)), self.form) {
            (None, _) => false,
            (Some(Value::Array(values)), PartForm::Element) => !values.is_empty(),
            (Some(Value::Null), PartForm::Element) => {
                class.property(column).is_some_and(|property| !property.kind.is_array())
            }
            (Some(_), PartForm::Element) => true,
            (Some(value), PartForm::Text) => value.elements().iter().any(has_text),
        }
    }

    /// Reads the new value of the part into the existing instance.
    pub(crate) fn read(
        &self,
        body: Element<'_>,
        reader: &Reader<'_>,
        mut instance: Instance,
    ) -> Result<Read, WmiError> {
        if !body.is(WSMAN, "XmlFragment") {
            return Err(WmiError::FragmentBody("the body must be a w:XmlFragment with the new value"));
        }
        let class = instance.class().clone();
        let column = class.require(self.property.as_str())?;
        let kind = class.property(column).map(|property| property.kind.clone());
        let given = match (self.form, &kind) {
            (PartForm::Text, Some(kind)) => {
                let value = kind.element.parse(&body.text())?;
                if kind.is_array() { Value::Array([value].into()) } else { value }
            }
            _ => {
                let read = reader.properties(body, &class)?;
                if read.present.len() != 1 || !read.present.contains(column) {
                    let problem =
                        "the w:XmlFragment must contain exactly the property named by FragmentTransfer";
                    return Err(WmiError::FragmentBody(problem));
                }
                read.instance.at(column).clone()
            }
        };
        let value = match (self.index, instance.at(column), given) {
            (Some(index), Value::Array(before), Value::Array(given)) => {
                let (mut values, [value]) = (before.to_vec(), &*given) else {
                    return Err(WmiError::FragmentBody("an array element must have exactly one value"));
                };
                match values.get_mut(index) {
                    Some(place) => *place = value.clone(),
                    None => {
                        return Err(WmiError::FragmentBody(
                            "the array has no such element; use a position within it",
                        ));
                    }
                }
                Value::Array(values.into())
            }
            (Some(index), _, _) if index > 0 => {
                return Err(WmiError::FragmentBody(
                    "the property has no such element; omit the index, because it is not an array",
                ));
            }
            (_, _, given) => given,
        };
        instance.set(column, value)?;
        Ok(Read { instance, present: ColumnSet::from_iter([column]) })
    }
}

fn write_empty(out: &mut xml::Writer) {
    out.start("w:XmlFragment").end_empty();
}

/// Returns whether a value has text of its own. The text of nested values is inside child elements.
fn has_text(value: &Value) -> bool {
    let is_nested = matches!(value, Value::DateTime(_) | Value::Reference(_) | Value::Object(_));
    !is_nested && !value.to_text().is_empty()
}

/// Returns whether the text is a name without colon; approximates Namespaces in XML 1.0, section 3.
fn is_prefix(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && text.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xpath_level_1_expressions_are_parsed() {
        for (text, name, index, form) in [
            ("Caption", "Caption", None, PartForm::Element),
            (" p:Caption/text() ", "Caption", None, PartForm::Text),
            ("Roles[2]", "Roles", Some(1), PartForm::Element),
            ("p:Roles[ 1 ]/text()", "Roles", Some(0), PartForm::Text),
        ] {
            let part = Part::parse(text).expect(text);
            assert_eq!((part.property.as_str(), part.index, part.form), (name, index, form), "{text}");
        }
    }

    #[test]
    fn other_expressions_are_rejected() {
        for text in [
            "/Caption",
            "*",
            "a/b",
            "Roles[0]",
            "Roles[-1]",
            "Roles[+1]",
            "Roles[]",
            "Roles[x]",
            "text()",
            "a[1",
            "a]",
            "[p:a",
            ":a",
            "1:a",
            "/p:a",
        ] {
            assert!(matches!(Part::parse(text), Err(WmiError::FragmentPath(_))), "{text}");
        }
        assert!(matches!(Part::parse("  "), Err(WmiError::BlankFragment)));
    }
}
