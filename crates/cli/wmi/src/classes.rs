//! `telarch wmi classes`: the classes of a namespace.

use cim::{Name, Schema};
use serde_json::Value as Json;

use super::print::Printer;
use super::row::{QueryResult, Row};
use super::source::Source;
use cli_command::Failure;
use cli_command::format::Format;
use cli_command::pattern::matches;

/// Lists the classes of a namespace whose names match a pattern.
pub(super) fn list(
    source: &Source,
    pattern: Option<&str>,
    format: Option<Format>,
) -> Result<String, Failure> {
    match source {
        // The class list of another machine does not contain whether classes have instances.
        Source::Remote(remote) => table(&remote.classes()?, pattern, format, None),
        Source::Local(local) => table(local.schema()?, pattern, format, Some(&|name| local.serves(name))),
    }
}

/// Formats the classes of a schema; `serves` returns whether a class has instances.
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
            // System classes are listed on request only.
            None => !name.as_str().starts_with("__"),
        })
        .collect();
    names.sort();
    if names.is_empty() {
        let matching = pattern.map(|pattern| format!(" matching {pattern}")).unwrap_or_default();
        return Err(Failure::failed(
            format!("no classes{matching} in {}", schema.namespace()),
            "* matches any text, ? one character; select another namespace with -n",
        ));
    }
    let mut rows: Vec<Row> = Vec::new();
    for (name, superclass) in names {
        let superclass = superclass.map_or(Json::Null, |class| class.to_string().into());
        let mut row =
            vec![("Class".to_owned(), name.to_string().into()), ("Superclass".to_owned(), superclass)];
        if let Some(serves) = serves {
            row.push(("Instances".to_owned(), if serves(name) { "yes" } else { "" }.into()));
        }
        rows.push(row);
    }
    let properties = rows.first().map(|row| row.iter().map(|(name, _)| name.clone()).collect());
    Ok(Printer::new(format).print(&QueryResult { rows, properties }))
}
