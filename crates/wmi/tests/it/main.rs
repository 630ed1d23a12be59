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

use cim::{Instance, Namespace};
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
    Ok(found)
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
