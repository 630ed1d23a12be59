//! Get, Put, Create and Delete (WS-Transfer; MS-WSMV 3.1.4.2 to 3.1.4.5).

use std::sync::Arc;

use cim::wscim::{Read, Reader};
use cim::{Class, ColumnSet, Instance, ObjectPath, Value};
use service::Answer;
use wsman::{EndpointReference, Fault, OptionSet, namespace, write_resource_created};

use crate::error::WmiError;
use crate::fault::Operation;
use crate::fragment::Part;
use crate::request::WmiRequest;
use crate::target::reference;

pub(crate) async fn get(request: &WmiRequest<'_>) -> Result<Answer, Fault> {
    let operation = Operation::GetObject;
    if request.call.request.head().options.contains(OptionSet::MISSING_SOURCE) {
        return missing_source(request).await.map_err(|error| request.fault(error, operation))?;
    }
    let found = async {
        let part = Part::request(request)?;
        Ok((find(request).await?, part))
    };
    let (instance, part) = found.await.map_err(|error: WmiError| request.fault(error, operation))?;
    show(request, &instance, part.as_ref())
}

/// Responds with the name of the data source that the class lacks on this machine; empty if it lacks none.
async fn missing_source(request: &WmiRequest<'_>) -> Result<Result<Answer, Fault>, WmiError> {
    let (engine, namespace) = (request.engine.clone(), request.target.namespace.clone());
    let class = request.target.class()?.clone();
    let look_up = tokio::task::spawn_blocking(move || engine.missing_source(&namespace, &class));
    let missing = async { look_up.await.unwrap_or(Ok(None)) };
    let missing = request.in_time(missing).await?;
    let mut reply = request.call.reply();
    let body = reply.body();
    body.start("d:MissingSource").namespace("d", namespace::MISSING_SOURCE);
    body.text(missing.unwrap_or_default()).end();
    Ok(request.call.finish(reply))
}

pub(crate) async fn put(request: &WmiRequest<'_>) -> Result<Answer, Fault> {
    let body = request.call.request.require_body("instance of the class")?;
    let changed = async {
        let part = Part::request(request)?;
        let (class, path) = instance_path(request)?;
        let schema = request.engine.schema(&request.target.namespace)?;
        let read = match &part {
            None => of_class(Reader::new(schema).instance(body)?, &class)?,
            Some(part) => part.read(body, &Reader::new(schema), find(request).await?)?,
        };
        let instance = with_keys(read.instance, &path)?;
        let given = match &request.response.form.modified {
            Some(names) if part.is_none() => {
                names.iter().map(|name| instance.class().require(name)).collect::<Result<_, _>>()?
            }
            _ => read.present,
        };
        let given = without_moving(request, &instance, given).await?;
        let context = request.context_in_time();
        let put = request.engine.put(&context, &request.target.namespace, instance, &given);
        Ok((request.in_time(put).await?, part))
    };
    let (instance, part) =
        changed.await.map_err(|error: WmiError| request.fault(error, Operation::PutInstance))?;
    show(request, &instance, part.as_ref())
}

pub(crate) async fn create(request: &WmiRequest<'_>) -> Result<Answer, Fault> {
    let body = request.call.request.require_body("instance of the class")?;
    let created = async {
        let target = &request.target;
        let schema = request.engine.schema(&target.namespace)?;
        let class = schema.require(target.class()?.as_str())?;
        let read = of_class(Reader::new(schema).instance(body)?, &class)?;
        let mut instance = Instance::with_defaults(read.instance.class().clone());
        for column in read.present.iter() {
            instance.set(column, read.instance.at(column).clone())?;
        }
        let context = request.context_in_time();
        request.in_time(request.engine.create(&context, &target.namespace, instance)).await
    };
    let path = created.await.map_err(|error: WmiError| request.fault(error, Operation::CreateInstance))?;
    let created = reference(request.target.form, &request.target.namespace, &path)?;
    let address = request.call.request.head().to.clone();
    let mut reply = request.call.reply();
    let created = EndpointReference { address: address.unwrap_or(created.address.clone()), ..created };
    write_resource_created(reply.body(), &created);
    request.call.finish(reply)
}

pub(crate) async fn delete(request: &WmiRequest<'_>) -> Result<Answer, Fault> {
    let deleted = async {
        let (_, path) = instance_path(request)?;
        let context = request.context_in_time();
        request.in_time(request.engine.delete(&context, &request.target.namespace, &path)).await
    };
    deleted.await.map_err(|error: WmiError| request.fault(error, Operation::DeleteInstance))?;
    request.call.finish(request.call.reply())
}

/// Returns the instance that the request names.
async fn find(request: &WmiRequest<'_>) -> Result<Instance, WmiError> {
    let (_, path) = instance_path(request)?;
    let context = request.context_in_time();
    request.in_time(request.engine.get(&context, &request.target.namespace, &path)).await
}

/// Returns class and path of the instance that the request names.
fn instance_path(request: &WmiRequest<'_>) -> Result<(Arc<Class>, ObjectPath), WmiError> {
    let schema = request.engine.schema(&request.target.namespace)?;
    let class = schema.require(request.target.class()?.as_str())?;
    if !request.target.has_keys() && !class.is_singleton() {
        return Err(WmiError::SelectorsRequired(class.name().clone()));
    }
    Ok((class, request.target.path()?))
}

/// Responds with an instance or a fragment of it.
fn show(request: &WmiRequest<'_>, instance: &Instance, part: Option<&Part>) -> Result<Answer, Fault> {
    let mut reply = request.call.reply();
    match part {
        None => request.response.writer().instance(reply.body(), instance),
        Some(part) => part.write(reply.body(), &request.response.writer(), instance),
    }
    request.call.finish(reply)
}

/// Rejects an instance of a class other than the given one and its subclasses.
fn of_class(read: Read, class: &Arc<Class>) -> Result<Read, WmiError> {
    let given = read.instance.class();
    if given.is_a(class.name().as_str()) {
        return Ok(read);
    }
    Err(WmiError::OtherClass { given: given.name().clone(), named: class.name().clone() })
}

/// Sets the keys of a path in an instance; contradicting keys are an error.
fn with_keys(mut instance: Instance, path: &ObjectPath) -> Result<Instance, WmiError> {
    let class = instance.class().clone();
    if path.keys().is_empty() {
        return Ok(instance);
    }
    for (key, value) in class.keys().iter().zip(path.key_values(&class)?) {
        match (instance.at(*key), &value) {
            (Value::Null, _) => instance.set(*key, value)?,
            (Value::String(given), Value::String(named)) if cim::wql::equal(given, named) => {}
            (given, named) if given == named => {}
            _ => {
                let name = class.property(*key).map(|property| property.name.clone());
                return Err(WmiError::KeyChange(name.unwrap_or_else(|| class.name().clone())));
            }
        }
    }
    Ok(instance)
}

/// Returns the columns to change when a client sends back a whole instance that it has read and modified.
/// Read-only columns that differ have changed in the meantime and are ignored, unless nothing else was
/// changed.
async fn without_moving(
    request: &WmiRequest<'_>,
    instance: &Instance,
    given: ColumnSet,
) -> Result<ColumnSet, WmiError> {
    let class = instance.class();
    let is_whole = class.columns().iter().all(|column| {
        given.contains(column) || class.property(column).is_some_and(|one| one.kind.is_array())
    });
    if !is_whole {
        return Ok(given);
    }
    let before = find(request).await?;
    let writable: ColumnSet = given
        .iter()
        .filter(|column| class.property(*column).is_some_and(cim::Property::is_writable))
        .collect();
    let is_changed = writable.iter().any(|column| before.at(column) != instance.at(column));
    Ok(if is_changed { writable } else { given })
}
