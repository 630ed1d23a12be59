//! The repository's public promises.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod compiling;
mod corpus;
mod engine;
mod events;
mod file;
mod registration;
mod wql;

use std::path::Path;

use cim::Namespace;
use telarch_repository::{Compiler, Contents, Error, Report};

fn default() -> Namespace {
    Namespace::parse("root/default").unwrap()
}

/// What a text does to contents.
fn compile(contents: &mut Contents, text: &str) -> Result<Report, Error> {
    let mut compiler = Compiler::new(default());
    compiler.text(Path::new("site.mof"), text)?;
    compiler.apply(contents)
}

/// The error of a text, as it is told.
fn error(text: &str) -> String {
    compile(&mut Contents::default(), text).unwrap_err().to_string()
}
