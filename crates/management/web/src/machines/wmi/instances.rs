//! Single instances of a machine, and calls of methods.

use cim::uri::{ClassUri, UriForm};
use cim::wscim::{COMMON, Reader};
use cim::{Class, DateTime, Identity, Instance, KeyValue, Name, Namespace, ObjectPath, Origin};
use client::{Locator, Session};
use serde_json::{Map, Value, json};
use wsman::{EndpointReference, SelectorSet};
use xml::{Fragment, Writer};

use super::super::read_error::ReadError;
use super::super::reading::row;
use super::classes::{Classes, Found};
use crate::wmi::{date_form, instance_form, method_input};
use crate::wsman_resource::resource;

/// Returns an instance in the form of those of this machine.
pub(super) async fn get(
    session: &Session,
    classes: &Classes,
    namespace: &Namespace,
    path: &ObjectPath,
) -> Result<Value, ReadError> {
    let locator = locator(session, classes, namespace, path).await?;
    let answer = session.get(&locator).await?;
    let name = answer.content().and_then(|content| Name::parse(content.name()).ok());
    let name = name.unwrap_or_else(|| path.class.clone());
    let found = classes.find(session, namespace, &name).await?;
    let content = answer.content().ok_or_else(|| ReadError::not_found("the machine returned no instance"))?;
    let typed = found.and_then(|found| {
        let read = Reader::new(&found.schema).properties(content, &found.class).ok()?;
        Some(instance_form(&read.instance, None, &origin(namespace)))
    });
    let mut form = typed.unwrap_or_else(|| row(content, path.class.as_str()));
    if let Some(form) = form.as_object_mut() {
        form.insert("namespace".to_owned(), json!(namespace.as_str()));
        if form.get("path").is_none_or(Value::is_null) {
            form.insert("path".to_owned(), json!(path.to_relative().to_string()));
        }
    }
    Ok(form)
}

/// Returns a reference to the instance with a path.
pub(super) async fn reference(
    session: &Session,
    classes: &Classes,
    namespace: &Namespace,
    path: &str,
) -> Result<EndpointReference, ReadError> {
    let path = ObjectPath::parse(path)?;
    let Locator { resource, selectors, .. } = locator(session, classes, namespace, &path).await?;
    Ok(EndpointReference::anonymous(resource, selectors))
}

/// Call of a method.
pub(super) struct MethodCall {
    pub(super) namespace: Namespace,
    pub(super) class: Name,
    pub(super) method: String,
    /// Path of an instance; `None` for a static method.
    pub(super) path: Option<ObjectPath>,
    pub(super) arguments: Map<String, Value>,
}

impl MethodCall {
    /// Calls the method, and returns its output.
    pub(super) async fn perform(self, session: &Session, classes: &Classes) -> Result<Value, ReadError> {
        let Self { namespace, class: name, method, path, arguments } = self;
        let Found { schema, class } = classes.require(session, &namespace, &name).await?;
        let operation = class.method(&method);
        let operation =
            operation.ok_or_else(|| ReadError::not_found(format!("class {name} has no method {method}")))?;
        let input = method_input(operation, &arguments)?;
        let path = path.unwrap_or_else(|| ObjectPath::of_class(name));
        let locator = locator(session, classes, &namespace, &path).await?;
        let body = parameters(&operation.method.name, &input, locator.resource.as_str());
        let answer = session.invoke(&locator, operation.method.name.as_str(), Some(&body)).await?;
        let Some(content) = answer.content() else { return Ok(json!({ "output": {} })) };
        let read = Reader::new(&schema).properties(content, &operation.output);
        let form = match read {
            Ok(read) => instance_form(&read.instance, None, &origin(&namespace)),
            Err(_) => row(content, name_of(&class)),
        };
        Ok(json!({ "output": form.get("values").cloned().unwrap_or_default() }))
    }
}

fn name_of(class: &Class) -> &str {
    class.name().as_str()
}

/// Returns the resource of a class or an instance, with a selector for each key.
async fn locator(
    session: &Session,
    classes: &Classes,
    namespace: &Namespace,
    path: &ObjectPath,
) -> Result<Locator, ReadError> {
    let mut selectors = SelectorSet::new();
    for (name, value) in path.keys() {
        selectors = match value {
            KeyValue::Reference(target) => {
                let mut keys = SelectorSet::new();
                for (name, value) in target.keys() {
                    keys = keys.with(name.as_str(), value.to_text());
                }
                let resource = resource(&uri(namespace, &target.class))?.resource;
                selectors.with_reference(name.as_str(), EndpointReference::anonymous(resource, keys))
            }
            value => selectors.with(name.as_str(), value.to_text()),
        };
    }
    // The class knows the name of a key that the path omits.
    if let Identity::Unnamed(value) = &path.identity {
        let Found { class, .. } = classes.require(session, namespace, &path.class).await?;
        let key = class.keys().first().and_then(|key| class.property(*key));
        let key = key.ok_or_else(|| ReadError::not_found(format!("class {} has no key", path.class)))?;
        selectors = selectors.with(key.name.as_str(), value.to_text());
    }
    Ok(resource(&uri(namespace, &path.class))?.with_selectors(selectors))
}

/// Returns the URI of a class.
pub(super) fn uri(namespace: &Namespace, class: &Name) -> String {
    ClassUri::of(UriForm::Wmi, namespace, class).to_string()
}

pub(super) fn origin(namespace: &Namespace) -> Origin {
    Origin { server: String::new(), namespace: namespace.clone(), offset: 0 }
}

/// Returns the input of a method as XML, without parameters that have no value.
fn parameters(method: &Name, input: &Instance, uri: &str) -> Fragment {
    let mut writer = Writer::new();
    writer.start(&format!("p:{method}_INPUT")).namespace("p", uri);
    for (property, value) in input.class().properties().iter().zip(input.values()) {
        let name = format!("p:{}", property.name);
        match value {
            cim::Value::Null => {}
            cim::Value::Array(elements) => {
                for element in elements {
                    parameter(&mut writer, &name, element);
                }
            }
            value => parameter(&mut writer, &name, value),
        }
    }
    writer.end();
    writer.into_fragment()
}

fn parameter(writer: &mut Writer, name: &str, value: &cim::Value) {
    let cim::Value::DateTime(time) = value else {
        writer.element(name, &value.to_text());
        return;
    };
    // A date and time is an element of its own (DSP0230 6.2).
    let kind = match time {
        DateTime::Timestamp(_) => "c:Datetime",
        DateTime::Interval(_) => "c:Interval",
        DateTime::Partial(_) => "c:CIM_DateTime",
    };
    writer.start(name).start(kind).namespace("c", COMMON).text(&date_form(time)).end().end();
}
