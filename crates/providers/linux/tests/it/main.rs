//! The instances of this machine, held against what other sources tell of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod operating_system;
mod performance;
mod scx;

use std::sync::Arc;

use cim::{Instance, Namespace, Schema};
use telarch_linux::Machine;
use wmi::{Context, Engine};

fn engine(machine: &Arc<Machine>) -> Engine {
    let scx = Namespace::parse("root/scx").unwrap();
    let builder =
        Engine::builder("node7", 0).namespace(Schema::of(Namespace::cimv2())).namespace(Schema::of(scx));
    let builder = telarch_linux::providers(machine).into_iter().fold(builder, wmi::EngineBuilder::provider);
    builder.build().unwrap()
}

/// All rows of a query of a machine.
async fn rows_of(machine: &Arc<Machine>, query: &str) -> Vec<Instance> {
    let mut rows =
        engine(machine).query(&Context::of_this_process("alice"), &Namespace::cimv2(), query).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().await {
        found.push(row.unwrap());
    }
    found
}

/// All rows of a query of this machine.
async fn rows(query: &str) -> Vec<Instance> {
    rows_of(&Arc::new(Machine::this()), query).await
}

/// A value as text.
fn text(row: &Instance, property: &str) -> String {
    let mut text = String::new();
    row.value(property).unwrap().write_text(&mut text);
    text
}
