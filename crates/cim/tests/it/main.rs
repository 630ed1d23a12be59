//! Public behaviour of the crate: recorded instances survive a round trip, the classes match the recordings, queries
//! select the correct rows, and output can be parsed again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod captures;
mod classes_as_xml;
mod conditions;
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

/// Parses the only class of a MOF text.
fn declaration(text: &str) -> ClassDeclaration {
    match mof::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).pop() {
        Some(mof::Item::Class(declaration)) => declaration,
        other => panic!("{text}: {other:?}"),
    }
}
