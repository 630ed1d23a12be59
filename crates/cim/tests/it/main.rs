//! The crate's public promises: recorded instances are read and written letter for letter, the classes are those
//! that were recorded, queries mean what they must, and that what is written reads back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod captures;
mod queries;

use telarch_cim::{Namespace, Origin, Schema};

fn cimv2() -> Schema {
    Schema::of(Namespace::cimv2())
}

fn origin() -> Origin {
    Origin { server: "node7".to_owned(), namespace: Namespace::cimv2(), offset: 60 }
}
