//! Enumerate (MS-WSMV 3.1.4.8).

use cim::wql::Query;
use cim::wscim::Selection;
use service::Answer;
use wmi::Outcome;
use wsman::Fault;
use wsman::enumeration::{Enumerate, EnumerationMode, PolymorphismMode};

use crate::error::WmiError;
use crate::fault::Operation;
use crate::filter::Wanted;
use crate::items::{Classes, RowItems};
use crate::plugin::Asked;

pub(crate) fn answer(asked: &Asked<'_>) -> Result<Answer, Fault> {
    let usual = Enumerate::default();
    let enumerate = asked.call.operation.enumerate().unwrap_or(&usual);
    let place = &asked.place;
    // A filter that cannot be parsed is reported with its text.
    let wanted = wanted(asked, enumerate).map_err(|error| {
        let text = enumerate.filter.as_ref().map(|filter| filter.text.clone());
        match text.filter(|text| !text.is_empty()) {
            Some(text) => asked.told.fault(error, Operation::ExecQuery, &text),
            None => asked.fault(error, Operation::CreateInstanceEnum),
        }
    })?;
    let mut told = (Operation::CreateInstanceEnum, place.to_string());
    if let Some(text) = &wanted.text {
        told = (Operation::ExecQuery, text.clone());
    }
    let selection = selection(&wanted, enumerate.polymorphism);
    let outcome = asked
        .engine
        .ask(&asked.context, &place.namespace, &wanted.query)
        .map_err(|error| asked.told.fault(error, told.0, &told.1))?;
    Ok(match outcome {
        Outcome::Rows(rows, _) => {
            let items = RowItems::new(rows, asked.told.clone(), selection, enumerate.mode, told);
            Answer::items(items.with_part(wanted.part))
        }
        Outcome::Classes(classes) => Answer::items(Classes::whole(classes)),
    })
}

fn wanted(asked: &Asked<'_>, enumerate: &Enumerate) -> Result<Wanted, WmiError> {
    let place = &asked.place;
    if place.has_keys() {
        return Err(WmiError::SelectorsInEnumeration);
    }
    let wanted = match &enumerate.filter {
        None => Wanted::every(place.class()?),
        Some(filter) => Wanted::read(asked.engine, place, filter)?,
    };
    Ok(wanted.for_polymorphism(enumerate.polymorphism).for_mode(enumerate.mode))
}

/// Returns the properties of the rows to write.
fn selection(wanted: &Wanted, polymorphism: PolymorphismMode) -> Selection {
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

/// Returns whether items contain the instances themselves.
pub(crate) fn has_objects(mode: EnumerationMode) -> bool {
    mode != EnumerationMode::Reference
}
