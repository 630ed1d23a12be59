//! Tests of the public promises of the repository.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod compiling;
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

/// Compiles a text into the contents.
fn compile(contents: &mut Contents, text: &str) -> Result<Report, Error> {
    let mut compiler = Compiler::new(default());
    compiler.text(Path::new("site.mof"), text)?;
    compiler.apply(contents)
}

/// Returns the error message for a text.
fn error(text: &str) -> String {
    compile(&mut Contents::default(), text).unwrap_err().to_string()
}
