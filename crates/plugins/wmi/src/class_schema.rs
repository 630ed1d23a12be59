//! Class definitions as resources, for `Get-CimClass` and name completion (DSP0227 15).

use cim::uri::{CLASS_SCHEMA, UriForm};
use cim::{Name, Namespace, cimxml};
use service::{Answer, Call};
use wmi::{Context, Engine, Rights};
use wsman::{Action, Fault};

use crate::error::WmiError;
use crate::fault::{Operation, ResponseContext};
use crate::form::{Form, class_detail};
use crate::invoke;
use crate::items::Classes;

/// Selector that names a class.
const CLASS_NAME: &str = "ClassName";
/// Selector that names its namespace.
const NAMESPACE: &str = "__cimnamespace";

/// Answers Get with one class, and Enumerate with all classes of a namespace.
pub(crate) fn answer(engine: &Engine, call: &Call, context: &Context) -> Result<Answer, Fault> {
    let head = call.request.head();
    let detail = class_detail(&head.options);
    let namespace = match head.selectors.text(NAMESPACE).map(Namespace::parse) {
        None => Ok(Namespace::cimv2()),
        Some(namespace) => namespace,
    };
    let form = Form::of(&head.options);
    let response = ResponseContext::new(engine, form, UriForm::Dmtf, Namespace::cimv2());
    let namespace = namespace.map_err(|error| response.fault(error, Operation::GetObject, ""))?;
    let admitted = engine.admit(context, &namespace, Rights::ENABLE).and_then(|()| engine.schema(&namespace));
    let schema = admitted.map_err(|error| response.fault(error, Operation::GetObject, namespace.as_str()))?;
    match &head.action {
        Action::Get => {
            let uri = call.request.require_resource()?.as_str();
            let in_uri = uri.get(CLASS_SCHEMA.len()..).filter(|name| *name != "*");
            let name = head.selectors.text(CLASS_NAME).or(in_uri);
            let name = name.ok_or_else(|| response.fault(WmiError::NoClass, Operation::GetObject, ""))?;
            let class =
                schema.require(name).map_err(|error| response.fault(error, Operation::GetObject, name))?;
            let mut reply = call.reply();
            cimxml::write_class(reply.body(), &class, detail);
            call.finish(reply)
        }
        Action::Enumerate => {
            let mut names: Vec<&Name> = schema.names().map(|(name, _)| name).collect();
            names.sort();
            let classes = names.iter().filter_map(|name| schema.class(name.as_str())).collect();
            Ok(Answer::items(Classes::new(classes, detail)))
        }
        other => Err(invoke::not_supported(&other.uri())),
    }
}
