//! Compares the instances of this machine with other sources.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod account;
mod associations;
mod devices;
mod events;
mod hardware;
mod log;
mod methods;
mod native;
mod network;
mod network_manager;
mod omissions;
mod operating_system;
mod performance;
mod printing;
mod process;
mod pushed;
mod registry;
mod registry_events;
mod schedule;
mod scx;
mod security;
mod service;
mod share;
mod software;
mod standard;
mod storage;
mod storage_management;
mod system;
mod tree;
mod world;

use std::sync::Arc;

use cim::uri::UriForm;
use cim::wscim::{Selection, Writer};
use cim::{ColumnSet, Instance, Name, Namespace, ObjectPath, Origin, Schema, Value};
use telarch_provider_linux::Machine;
use wmi::{Context, Engine, Outcome};

fn engine(machine: &Arc<Machine>) -> Engine {
    let names = [
        "root/cimv2",
        "root/cimv2/security/microsoftvolumeencryption",
        "root/default",
        "root/linux",
        "root/microsoft/windows/smb",
        "root/microsoft/windows/storage",
        "root/microsoft/windows/taskscheduler",
        "root/scx",
        "root/standardcimv2",
        "root/wmi",
    ];
    let schemas = names.map(|name| Schema::of(Namespace::parse(name).unwrap()));
    let builder = schemas.into_iter().fold(Engine::builder("node7", 0), wmi::EngineBuilder::namespace);
    let builder =
        telarch_provider_linux::providers(machine).into_iter().fold(builder, wmi::EngineBuilder::provider);
    builder.build().unwrap()
}

/// Returns this machine.
fn machine() -> Arc<Machine> {
    Arc::new(Machine::this())
}

/// Returns all rows of a query on a machine.
async fn rows_of(machine: &Arc<Machine>, query: &str) -> Vec<Instance> {
    rows_from(&engine(machine), query).await
}

/// Returns all rows of a query on a machine, in another namespace.
async fn rows_in(namespace: &str, machine: &Arc<Machine>, query: &str) -> Vec<Instance> {
    rows_of_namespace(&engine(machine), &Namespace::parse(namespace).unwrap(), query).await
}

/// Returns all rows of a query from an engine that is kept.
async fn rows_from(engine: &Engine, query: &str) -> Vec<Instance> {
    rows_of_namespace(engine, &Namespace::cimv2(), query).await
}

async fn rows_of_namespace(engine: &Engine, namespace: &Namespace, query: &str) -> Vec<Instance> {
    let outcome = engine.run(&Context::of_this_process("alice"), namespace, query).unwrap();
    let Outcome::Rows(mut rows, names) = outcome else { panic!("{query} returns classes") };
    let mut found = Vec::new();
    while let Some(row) = rows.next().await {
        found.push(row.unwrap());
    }
    assert_well_formed(&found, names.as_deref());
    found
}

/// Asserts that rows or events are well-formed XML as the service writes them, whole or as a projection.
fn assert_well_formed(rows: &[Instance], names: Option<&[Name]>) {
    let selection = names.map_or(Selection::Whole, |names| Selection::Names(names.to_vec()));
    let origin = Origin { server: "node7".to_owned(), namespace: Namespace::cimv2(), offset: 0 };
    let mut writer = Writer::new(UriForm::Wmi, origin).rows(selection);
    let written = rows.iter().map(|row| {
        let mut out = xml::Writer::new();
        writer.write(&mut out, row);
        out.into_fragment().as_str().to_owned()
    });
    let written: Vec<String> = written.collect();
    telarch_peers::assert_items_well_formed(written.iter().map(String::as_str));
}

/// Returns all rows of a query on this machine.
async fn rows(query: &str) -> Vec<Instance> {
    rows_of(&machine(), query).await
}

/// Calls a method on this machine.
async fn call(path: &str, method: &str, input: &[(&str, Value)]) -> Instance {
    call_on(&machine(), path, method, input).await.unwrap()
}

/// Calls a method on a machine.
async fn call_on(
    machine: &Arc<Machine>,
    path: &str,
    method: &str,
    input: &[(&str, Value)],
) -> Result<Instance, wmi::Error> {
    let path = ObjectPath::parse(path).unwrap();
    let given = |operation: &cim::Operation| {
        let none = Instance::with_defaults(operation.input.clone());
        input.iter().try_fold(none, |all, (name, value)| all.with(name, value.clone()))
    };
    engine(machine)
        .invoke(&Context::of_this_process("alice"), &Namespace::cimv2(), &path, method, given)
        .await
}

/// Changes a property of an instance of this machine, and returns the instance afterwards.
async fn put(path: &str, property: &str, value: Value) -> Instance {
    let (engine, context, namespace) =
        (engine(&machine()), Context::of_this_process("alice"), Namespace::cimv2());
    let path = ObjectPath::parse(path).unwrap();
    let before = engine.get(&context, &namespace, &path).await.unwrap();
    let column: ColumnSet = before.class().column(property).into_iter().collect();
    let wanted = before.with(property, value).unwrap();
    engine.put(&context, &namespace, wanted, &column).await.unwrap()
}

/// Returns a value as text.
fn text(row: &Instance, property: &str) -> String {
    let mut text = String::new();
    row.value(property).unwrap().write_text(&mut text);
    text
}

/// Returns the output of another program, without the final line break.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn every_class_is_in_the_documentation() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/classes.md");
    let page = std::fs::read_to_string(page).unwrap();
    let classes =
        telarch_provider_linux::providers(&machine()).into_iter().flat_map(|provider| provider.classes());
    let names = classes.map(|(_, class)| class.as_str().to_owned());
    // The raw and formatted classes of an object share an entry.
    let bare = |name: String| {
        let of_object =
            name.strip_prefix("Win32_PerfRawData_").or_else(|| name.strip_prefix("Win32_PerfFormattedData_"));
        of_object.map_or(name.clone(), str::to_owned)
    };
    let missing: Vec<String> = names.map(bare).filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/classes.md does not say where these come from: {missing:?}");
}
