//! Method calls (MS-WSMV 3.1.4.6).

use cim::uri::ClassUri;
use cim::wscim::Reader;
use cim::{Instance, Operation as Method};
use service::Answer;
use wsman::{Fault, Subcode, code};
use xml::Element;

use crate::error::WmiError;
use crate::fault::Operation;
use crate::request::WmiRequest;

/// Calls the method named by the action.
pub(crate) async fn answer(request: &WmiRequest<'_>) -> Result<Answer, Fault> {
    let action = request.call.request.head().action.uri();
    let method = method_of(request, &action).ok_or_else(|| not_supported(&action))?;
    let target = &request.target;
    let done = async {
        let path = target.path()?;
        let schema = request.engine.schema(&target.namespace)?;
        let class = schema.require(path.class.as_str())?;
        let body = request.call.request.body();
        let reader = Reader::new(schema);
        let context = request.context_in_time();
        let invoked = request
            .engine
            .invoke(&context, &target.namespace, &path, method, |method| input(&reader, method, body));
        let output = request.in_time(invoked).await?;
        Ok((class, output))
    };
    let (class, output) =
        done.await.map_err(|error: WmiError| request.fault(error, Operation::ExecMethod))?;
    let mut reply = request.call.reply();
    if let Some(method) = class.method(method) {
        request.response.writer().output(reply.body(), &class, method, &output);
    }
    request.call.finish(reply)
}

/// Returns the fault for an unknown action.
pub(crate) fn not_supported(action: &str) -> Fault {
    let action: String = action.chars().take(200).collect();
    Fault::new(
        Subcode::ActionNotSupported,
        code::ACTION_NOT_SUPPORTED,
        format!(
            "the resource does not know the action {action}; use the URI of the class, a slash and the name of a method"
        ),
    )
}

/// Returns the method name after the class URI in an action; the class must be that of the request or a
/// superclass.
fn method_of<'a>(request: &WmiRequest<'_>, action: &'a str) -> Option<&'a str> {
    let (uri, method) = action.rsplit_once('/')?;
    let named = ClassUri::parse(uri).ok()?;
    let is_there = named.namespace.is_none_or(|namespace| namespace == request.target.namespace);
    let (named, own) = (named.class?, request.target.class().ok()?);
    // A class that does not exist is reported by a later check.
    let class =
        request.engine.schema(&request.target.namespace).ok().and_then(|schema| schema.class(own.as_str()));
    let fits = class.map_or(named == *own, |class| class.is_a(named.as_str()));
    (is_there && fits && !method.is_empty()).then_some(method)
}

/// Reads the parameters from the body. Missing ones have the defaults of the schema, or none.
fn input(reader: &Reader<'_>, method: &Method, body: Option<Element<'_>>) -> Result<Instance, cim::Error> {
    let mut input = Instance::with_defaults(method.input.clone());
    let Some(body) = body else { return Ok(input) };
    let read = reader.properties(body, &method.input)?;
    for column in read.present.iter() {
        input.set(column, read.instance.at(column).clone())?;
    }
    Ok(input)
}
