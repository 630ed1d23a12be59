//! `-whatif`: prints the changes of an operation without making them.
//!
//! A Telarch service is asked to check the change, so that a refusal is reported as without `-whatif`. Other services
//! get no request that could change anything, and a note says that a refusal cannot be predicted.

use xml::{Bounds, Document, Element, Fragment as Markup};

use super::prediction::{Change, predict};
use super::service_command::{Run, element, read_xml};
use super::streams::Streams;
use super::{Input, Operation};
use crate::failure::{Failure, Kind};
use crate::format::Format;
use crate::input::{KeyValues, Value};
use crate::markup;
use crate::program::Stop;
use crate::trace::is_secret;

/// Prints the changes, or returns the failure of the operation if it can be predicted.
pub(super) async fn show(run: &Run, operation: Operation, streams: &mut Streams<'_>) -> Result<(), Stop> {
    let (prediction, text) = match operation {
        Operation::Set { locator, input: Input::Values(values), .. } => {
            let current = run.read(&locator).await?;
            let resource = current.content().ok_or_else(empty_resource)?;
            // Fail on the same inputs as the actual operation.
            let body = crate::body::modify(resource, &values)?;
            let prediction = predict(run, &locator, Change::Put(&body)).await?;
            (prediction, format!("{} would be changed:\n{}", locator.short(), changes(resource, &values)))
        }
        Operation::Set { locator, input: Input::File(path), .. } => {
            let body = read_xml(&path, streams.input)?;
            let prediction = predict(run, &locator, Change::Put(&body)).await?;
            (prediction, format!("{} would be replaced by:\n{}", locator.short(), pretty(&body)?))
        }
        Operation::Create { locator, input } => {
            let body = element(locator.last_segment(), &locator, input, streams.input)?;
            let prediction = predict(run, &locator, Change::Create(&body)).await?;
            (prediction, format!("{} would be created with:\n{}", locator.short(), pretty(&body)?))
        }
        Operation::Delete { locator } => {
            let prediction = predict(run, &locator, Change::Delete).await?;
            (prediction, format!("{} would be deleted\n", locator.short()))
        }
        Operation::Invoke { action, locator, input } => {
            let name = action.rsplit('/').next().unwrap_or_default();
            let body = element(&format!("{name}_INPUT"), &locator, input, streams.input)?;
            let change = Change::Invoke { action: &locator.action_uri(&action), input: &body };
            let prediction = predict(run, &locator, change).await?;
            let text = format!("{action} of {} would be invoked with:\n{}", locator.short(), pretty(&body)?);
            (prediction, text)
        }
        _ => return Ok(()),
    };
    streams.out.write_all(text.as_bytes())?;
    match prediction.note() {
        Some(note) => Ok(writeln!(streams.errors, "winrm: {note}")?),
        None => Ok(()),
    }
}

/// Returns one line per value, such as `    Name: old -> new`. Unchanged values are marked, secrets are not shown.
fn changes(resource: Element<'_>, values: &KeyValues) -> String {
    values.iter().map(|(name, value)| change(resource, name, value)).collect()
}

fn change(resource: Element<'_>, name: &str, value: &Value) -> String {
    let now = resource.children().find(|child| child.name() == name);
    let attribute = markup::fields(resource).find(|attribute| attribute.name() == name);
    let now = now.map(|child| child.text().into_owned());
    let now = now.or_else(|| attribute.map(|attribute| attribute.value().into_owned())).unwrap_or_default();
    match value {
        Value::Text(_) if is_secret(name) => format!("    {name}: (new value not shown)\n"),
        Value::Text(text) if *text == now => format!("    {name}: {} (no change)\n", shown(text)),
        Value::Text(text) => format!("    {name}: {} -> {}\n", shown(&now), shown(text)),
        Value::Null => format!("    {name}: {} -> $null\n", shown(&now)),
    }
}

fn shown(value: &str) -> String {
    if value.is_empty() { "(empty)".to_owned() } else { crate::format::harmless(value) }
}

fn pretty(body: &Markup) -> Result<String, Failure> {
    let document = Document::parse(body.as_str(), &Bounds::default())
        .map_err(|error| Failure::here(Kind::Usage, error.to_string()))?;
    Ok(Format::Pretty.print(document.root()))
}

fn empty_resource() -> Failure {
    Failure::here(Kind::Fault, "the service returned an empty resource")
}
