//! The crate's public promises: the schema, both presets, the XML, the file and the store.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;
mod documentation;
mod file;
mod killed;
mod listeners;
mod plugins;
mod policies;
mod presets;
mod put;
mod representation;
mod setting;
mod store;

use std::path::Path;
use std::{env, fs};

/// Compares with a file in `tests/golden`; with `UPDATE_GOLDEN=1` in the environment it writes that file.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{} differs; UPDATE_GOLDEN=1 rewrites it", path.display());
}

fn element(text: &str) -> xml::Document {
    xml::Document::parse(text, &xml::Bounds::default()).unwrap()
}
