//! The crate's public promises: recorded instances are read and written letter for letter, the classes are those
//! that were recorded, queries mean what they must, and that what is written reads back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod captures;
mod classes_as_xml;
mod conditions;
mod corpus;
mod datetimes;
mod queries;
mod schema;
mod wire;

use telarch_cim::{ClassDeclaration, Namespace, Origin, Schema, mof};

fn cimv2() -> Schema {
    Schema::of(Namespace::cimv2())
}

fn origin() -> Origin {
    Origin { server: "node7".to_owned(), namespace: Namespace::cimv2(), offset: 60 }
}

/// The class of a text of MOF.
fn declaration(text: &str) -> ClassDeclaration {
    match mof::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).pop() {
        Some(mof::Item::Class(declaration)) => declaration,
        other => panic!("{text}: {other:?}"),
    }
}
