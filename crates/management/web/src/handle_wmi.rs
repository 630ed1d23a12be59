//! WMI of this machine: namespaces, classes, instances, associations, queries and methods.

use cim::wql::{Associators, Detail, Query, References};
use cim::{Identity, Name, Namespace, ObjectPath};
use serde_json::{Map, Value, json};
use wmi::{Outcome, Rights};

use crate::call::Admitted;
use crate::console::Console;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::wmi::{
    Access, PageRequest, Results, USUAL_ROWS, class_entry, class_form, instance_form, method_input, namespace,
};

/// `GET /wmi/namespaces`: those that the caller may read.
pub(crate) fn namespaces(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let access = console.wmi.admit(request.caller()?)?;
    let all = access.engine.namespaces();
    let readable =
        all.into_iter().filter(|one| access.engine.admit(&access.context, one, Rights::ENABLE).is_ok());
    let names: Vec<&str> = readable.map(Namespace::as_str).collect();
    Ok(Reply::json(json!({ "namespaces": names })))
}

/// `GET /wmi/namespaces/{namespace}/classes`
pub(crate) fn classes(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let (access, namespace) = admitted(console, request)?;
    let filter = request.call.parameter("filter").unwrap_or_default().to_ascii_lowercase();
    let schema = access.engine.schema(&namespace)?;
    let mut names: Vec<&Name> = schema
        .names()
        .map(|(name, _)| name)
        .filter(|name| name.as_str().to_ascii_lowercase().contains(&filter))
        .collect();
    names.sort();
    let is_cut = names.len() > MAX_CLASSES;
    names.truncate(MAX_CLASSES);
    let mut entries = Vec::with_capacity(names.len());
    for class in names.into_iter().filter_map(|name| schema.class(name.as_str())) {
        entries.push(class_entry(&class, access.engine.serves(&namespace, class.name())?));
    }
    Ok(Reply::json(json!({ "namespace": namespace.as_str(), "classes": entries, "is_cut": is_cut })))
}

/// `GET /wmi/namespaces/{namespace}/classes/{class}`
pub(crate) fn class(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let (access, namespace) = admitted(console, request)?;
    let schema = access.engine.schema(&namespace)?;
    let class = schema.require(request.part("class"))?;
    let mut form = class_form(&class, access.engine.serves(&namespace, class.name())?);
    let mut subclasses: Vec<String> =
        schema.subclasses(class.name().as_str()).iter().map(|class| class.name().to_string()).collect();
    subclasses.sort();
    if let Some(form) = form.as_object_mut() {
        form.insert("namespace".to_owned(), json!(namespace.as_str()));
        form.insert("subclasses".to_owned(), json!(subclasses));
    }
    Ok(Reply::json(form))
}

/// `GET /wmi/namespaces/{namespace}/classes/{class}/instances`
pub(crate) fn instances(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let (access, namespace) = admitted(console, request)?;
    let cursor = request.call.parameter("cursor");
    let page = PageRequest::new(request.number("limit", USUAL_ROWS)?, cursor.as_deref())?;
    let value = access.page(&namespace, page, || {
        let class = access.engine.schema(&namespace)?.require(request.part("class"))?;
        Ok(Results::complete(access.engine.enumerate(&access.context, &namespace, class.name())?))
    })?;
    Ok(Reply::json(value))
}

/// `GET /wmi/namespaces/{namespace}/instance`
pub(crate) fn instance(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let (access, namespace) = admitted(console, request)?;
    let path = path(request, &namespace)?;
    let found = access.wait(access.engine.get(&access.context, &namespace, &path))?;
    let mut form = instance_form(&found, None, &access.engine.origin(&namespace));
    if let Some(form) = form.as_object_mut() {
        form.insert("namespace".to_owned(), json!(namespace.as_str()));
    }
    Ok(Reply::json(form))
}

/// `GET /wmi/namespaces/{namespace}/associations`
pub(crate) fn associations(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let (access, namespace) = admitted(console, request)?;
    let cursor = request.call.parameter("cursor");
    let page = PageRequest::new(request.number("limit", USUAL_ROWS)?, cursor.as_deref())?;
    let value = access.page(&namespace, page, || {
        let source = path(request, &namespace)?;
        let query = match request.call.parameter("kind").as_deref() {
            None | Some("associators") => Query::Associators(associators_of(source)),
            Some("references") => Query::References(references_to(source)),
            Some(_) => return Err(Problem::invalid("kind is associators or references")),
        };
        match access.engine.ask(&access.context, &namespace, &query)? {
            Outcome::Rows(rows, _) => Ok(Results::complete(rows)),
            Outcome::Classes(_) => Err(Problem::invalid("the path does not identify an instance")),
        }
    })?;
    Ok(Reply::json(value))
}

/// `POST /wmi/query`
pub(crate) fn query(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let body = request.body()?;
    body.require_only(&["namespace", "query", "limit", "cursor"])?;
    let namespace = namespace(body.optional_text("namespace")?.unwrap_or("root/cimv2"))?;
    let limit = match body.value("limit") {
        None => USUAL_ROWS,
        Some(limit) => limit.as_u64().ok_or_else(|| Problem::invalid("limit is not a number"))?,
    };
    let page = PageRequest::new(limit, body.optional_text("cursor")?)?;
    let access = console.wmi.admit(request.caller()?)?;
    let text = if page.cursor.is_some() { "" } else { body.text("query")? };
    Ok(Reply::json(access.query_page(&namespace, text, page)?))
}

/// `POST /wmi/namespaces/{namespace}/classes/{class}/methods/{method}`
///
/// The audit record has the path, the names of the parameters and the result, but no values, which may be secrets.
pub(crate) fn invoke(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let (access, namespace) = admitted(console, request)?;
    let body = request.body()?;
    body.require_only(&["path", "arguments"])?;
    let class = access.engine.schema(&namespace)?.require(request.part("class"))?;
    let path = match body.optional_text("path")? {
        None => ObjectPath::of_class(class.name().clone()),
        Some(text) => own_path(text, &namespace)?,
    };
    if path.class != *class.name() {
        return Err(Problem::invalid(format!("the path is one of {}, not of {}", path.class, class.name())));
    }
    let none = Map::new();
    let arguments = match body.value("arguments") {
        None => &none,
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(Problem::invalid("arguments is not a JSON object")),
    };
    let method = request.part("method");
    let names: Vec<&str> = arguments.keys().map(String::as_str).collect();
    let audit =
        format!("{path}, method {method}, parameters {}", names.join(", ")).escape_debug().to_string();
    let engine = &access.engine;
    let call = engine
        .invoke(&access.context, &namespace, &path, method, |operation| method_input(operation, arguments));
    let output = access.wait(call).map_err(|problem| problem.audited(audit.clone()))?;
    let form = instance_form(&output, None, &engine.origin(&namespace));
    let output = form.get("values").cloned().unwrap_or_default();
    let result = output.get("ReturnValue").cloned().unwrap_or_default();
    Ok(Reply::json(json!({ "output": output })).audited(format!("{audit}, ReturnValue {result}")))
}

/// Admits the caller, and returns the namespace of the path, which the caller may read.
fn admitted<'c>(console: &'c Console, request: &Admitted<'_>) -> Result<(Access<'c>, Namespace), Problem> {
    let access = console.wmi.admit(request.caller()?)?;
    let namespace = namespace(request.part("namespace"))?;
    access.engine.admit(&access.context, &namespace, Rights::ENABLE)?;
    Ok((access, namespace))
}

/// Returns the path of the query parameter `path`.
fn path(request: &Admitted<'_>, namespace: &Namespace) -> Result<ObjectPath, Problem> {
    let text = request.call.parameter("path").ok_or_else(|| Problem::invalid("path is missing"))?;
    own_path(&text, namespace)
}

/// Parses a path of an instance in a namespace of this machine.
fn own_path(text: &str, namespace: &Namespace) -> Result<ObjectPath, Problem> {
    let path = ObjectPath::parse(text)?;
    if path.namespace.as_ref().is_some_and(|other| other != namespace) {
        return Err(Problem::invalid("the path is in another namespace"));
    }
    Ok(match path.identity {
        // The class of a singleton is its path, too.
        Identity::Class => path,
        _ => path.to_relative(),
    })
}

fn associators_of(source: ObjectPath) -> Associators {
    Associators {
        source,
        association_class: None,
        required_association_qualifier: None,
        required_qualifier: None,
        result_class: None,
        result_role: None,
        role: None,
        detail: Detail::default(),
    }
}

fn references_to(source: ObjectPath) -> References {
    References { source, required_qualifier: None, result_class: None, role: None, detail: Detail::default() }
}

/// Maximum number of classes of a list.
const MAX_CLASSES: usize = 5_000;
