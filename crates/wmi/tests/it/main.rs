//! Tests of the public promises of the engine, with providers that record their calls.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod associations;
mod changes;
mod events;
mod machine;
mod omissions;
mod queries;
mod security;
mod streams;
mod succession;

use cim::uri::UriForm;
use cim::wscim::{Selection, Writer};
use cim::{Instance, Name, Namespace, Origin};
use telarch_wmi::{Context, Engine, Error, Rows};

fn cimv2() -> Namespace {
    Namespace::cimv2()
}

fn context() -> Context {
    Context::of_this_process("alice")
}

/// Collects all rows, or returns the error that ends them.
async fn all(mut rows: Rows) -> Result<Vec<Instance>, Error> {
    let mut found = Vec::new();
    while let Some(row) = rows.next().await {
        found.push(row?);
    }
    assert_well_formed(&found, None);
    Ok(found)
}

/// Asserts that rows or events are well-formed XML as the service writes them, whole or as a projection.
fn assert_well_formed(rows: &[Instance], names: Option<&[Name]>) {
    let selection = names.map_or(Selection::Whole, |names| Selection::Names(names.to_vec()));
    let origin = Origin { server: "node7".to_owned(), namespace: cimv2(), offset: 0 };
    let mut writer = Writer::new(UriForm::Wmi, origin).rows(selection);
    let written = rows.iter().map(|row| {
        let mut out = xml::Writer::new();
        writer.write(&mut out, row);
        out.into_fragment().as_str().to_owned()
    });
    let written: Vec<String> = written.collect();
    telarch_peers::assert_items_well_formed(written.iter().map(String::as_str));
}

/// Returns the values of a property of all rows as text.
async fn column(engine: &Engine, query: &str, property: &str) -> Result<Vec<String>, Error> {
    let rows = all(engine.query(&context(), &cimv2(), query)?).await?;
    let text = |row: &Instance| {
        let mut text = String::new();
        row.value(property).unwrap().write_text(&mut text);
        text
    };
    Ok(rows.iter().map(text).collect())
}
