//! Tests of the public API: settings, presets, XML, configuration file, policies and store.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

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

/// Compares the text with a file in `tests/golden`, or writes the file if `UPDATE_GOLDEN=1` is set.
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
