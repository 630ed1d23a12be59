//! The engine's public promises, with providers that keep a record of what they were asked.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod associations;
mod changes;
mod corpus;
mod events;
mod machine;
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

/// All rows, or the error they end with.
async fn all(mut rows: Rows) -> Result<Vec<Instance>, Error> {
    let mut found = Vec::new();
    while let Some(row) = rows.next().await {
        found.push(row?);
    }
    Ok(found)
}

/// The values of one property of the rows of a query, as text.
async fn column(engine: &Engine, query: &str, property: &str) -> Result<Vec<String>, Error> {
    let rows = all(engine.query(&context(), &cimv2(), query)?).await?;
    let text = |row: &Instance| {
        let mut text = String::new();
        row.value(property).unwrap().write_text(&mut text);
        text
    };
    Ok(rows.iter().map(text).collect())
}
