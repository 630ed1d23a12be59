//! Enumerate (MS-WSMV 3.1.4.8).

use cim::wql::Query;
use cim::wscim::Selection;
use service::Answer;
use wmi::Outcome;
use wsman::Fault;
use wsman::enumeration::{Enumerate, PolymorphismMode};

use crate::error::WmiError;
use crate::fault::Operation;
use crate::filter::InstanceQuery;
use crate::items::{Classes, RowItems};
use crate::request::WmiRequest;

pub(crate) fn answer(request: &WmiRequest<'_>) -> Result<Answer, Fault> {
    let usual = Enumerate::default();
    let enumerate = request.call.operation.enumerate().unwrap_or(&usual);
    let target = &request.target;
    // A filter that cannot be parsed is reported with its text.
    let wanted = instance_query(request, enumerate).map_err(|error| {
        let text = enumerate.filter.as_ref().map(|filter| filter.text.clone());
        match text.filter(|text| !text.is_empty()) {
            Some(text) => request.response.fault(error, Operation::ExecQuery, &text),
            None => request.fault(error, Operation::CreateInstanceEnum),
        }
    })?;
    let mut operation = (Operation::CreateInstanceEnum, target.to_string());
    if let Some(text) = &wanted.text {
        operation = (Operation::ExecQuery, text.clone());
    }
    let selection = selection(&wanted, enumerate.polymorphism);
    let outcome = request
        .engine
        .ask(&request.context, &target.namespace, &wanted.query)
        .map_err(|error| request.response.fault(error, operation.0, &operation.1))?;
    Ok(match outcome {
        Outcome::Rows(rows, _) => {
            let items = RowItems::new(rows, request.response.clone(), selection, enumerate.mode, operation);
            Answer::items(items.with_part(wanted.part))
        }
        Outcome::Classes(classes) => Answer::items(Classes::whole(classes)),
    })
}

fn instance_query(request: &WmiRequest<'_>, enumerate: &Enumerate) -> Result<InstanceQuery, WmiError> {
    let target = &request.target;
    if target.has_keys() {
        return Err(WmiError::SelectorsInEnumeration);
    }
    let wanted = match &enumerate.filter {
        None => InstanceQuery::every(target.class()?),
        Some(filter) => InstanceQuery::read(request.engine, target, filter)?,
    };
    Ok(wanted.for_polymorphism(enumerate.polymorphism).for_mode(enumerate.mode))
}

/// Returns the properties of the rows to write.
fn selection(wanted: &InstanceQuery, polymorphism: PolymorphismMode) -> Selection {
    match &wanted.query {
        Query::Select(select) => match (select.names(), polymorphism) {
            (Some(names), _) => Selection::Names(names),
            (None, PolymorphismMode::ExcludeSubClassProperties) => Selection::AsClass(select.from.clone()),
            (None, _) => Selection::Whole,
        },
        _ if !wanted.properties.is_empty() => Selection::Names(wanted.properties.clone()),
        _ => Selection::Whole,
    }
}
