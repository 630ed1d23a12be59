//! `telarch wmi classes`: the classes that there are.

use cim::{Name, Schema};
use serde_json::Value as Json;

use super::print::{Format, Printer};
use super::row::{Found, Row};
use super::source::Source;
use cli_command::Failure;
use cli_command::pattern::matches;

pub(super) fn listed(
    source: &Source,
    pattern: Option<&str>,
    format: Option<Format>,
) -> Result<String, Failure> {
    match source {
        // Whether another machine has instances is not told with its classes.
        Source::There(there) => table(&there.classes()?, pattern, format, None),
        Source::Here(here) => table(here.schema()?, pattern, format, Some(&|name| here.serves(name))),
    }
}

/// The classes of a schema; `serves` says of which there are instances.
fn table(
    schema: &Schema,
    pattern: Option<&str>,
    format: Option<Format>,
    serves: Option<&dyn Fn(&Name) -> bool>,
) -> Result<String, Failure> {
    let mut names: Vec<_> = schema
        .names()
        .filter(|(name, _)| match pattern {
            Some(pattern) => matches(&pattern.to_ascii_lowercase(), &name.as_str().to_ascii_lowercase()),
            // Those of WMI itself are for those who know their names.
            None => !name.as_str().starts_with("__"),
        })
        .collect();
    names.sort();
    if names.is_empty() {
        let what = pattern.map_or_else(|| "class".to_owned(), |pattern| format!("class like {pattern}"));
        return Err(Failure::failed(
            format!("there is no {what} in {}", schema.namespace()),
            "* stands for any letters, ? for one; -n names another namespace",
        ));
    }
    let row = |(name, superclass): (&Name, Option<&Name>)| -> Row {
        let superclass = superclass.map_or(Json::Null, |class| class.to_string().into());
        let mut row =
            vec![("Class".to_owned(), name.to_string().into()), ("Superclass".to_owned(), superclass)];
        if let Some(serves) = serves {
            row.push(("Instances".to_owned(), if serves(name) { "yes" } else { "" }.into()));
        }
        row
    };
    let rows: Vec<Row> = names.into_iter().map(row).collect();
    let asked = rows.first().map(|row| row.iter().map(|(name, _)| name.clone()).collect());
    Ok(Printer::new(format).print(&Found { rows, asked }))
}
