//! The workspace as data, so that promises about its structure can be tests.

pub mod cycles;
pub mod faults;
pub mod language;
pub mod modules;
pub mod promises;
pub mod sources;
pub mod tokens;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The folder of the whole project.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Package of the workspace.
#[derive(Debug)]
pub struct Package {
    /// Name, such as `telarch-xml`.
    pub name: String,
    /// Directory from the root, such as `crates/xml`.
    pub folder: String,
    /// The packages it needs to be built, not counting those of its tests.
    pub dependencies: Vec<String>,
    /// Packages whose feature `fuzzing` it enables, also those of its tests; by default, or with another feature.
    pub fuzzing: Vec<String>,
}

/// Every package of the workspace by its folder.
///
/// # Panics
/// If `cargo metadata` does not answer: then nothing else would work either.
#[must_use]
pub fn packages() -> BTreeMap<String, Package> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("cargo metadata cannot be run: {error}"));
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("cargo metadata is not JSON: {error}"));
    let base = text(&metadata, "workspace_root").to_owned();
    let all = metadata.get("packages").and_then(Value::as_array).cloned().unwrap_or_default();
    all.iter().map(|package| read(package, &base)).map(|package| (package.folder.clone(), package)).collect()
}

fn read(package: &Value, base: &str) -> Package {
    let manifest = Path::new(text(package, "manifest_path"));
    let folder = manifest.parent().and_then(|folder| folder.strip_prefix(base).ok()).unwrap_or(manifest);
    let dependencies = package.get("dependencies").and_then(Value::as_array).cloned().unwrap_or_default();
    let needed = dependencies.iter().filter(|dependency| {
        dependency.get("kind").is_none_or(|kind| kind.is_null() || kind.as_str() == Some("build"))
    });
    let fuzzing = dependencies.iter().filter(|dependency| has_fuzzing(dependency, "features"));
    let mut fuzzing: Vec<String> = fuzzing.map(|dependency| text(dependency, "name").to_owned()).collect();
    let features = package.get("features").and_then(Value::as_object);
    for (feature, enabled) in features.into_iter().flatten() {
        let enabled = enabled.as_array().into_iter().flatten().filter_map(Value::as_str);
        fuzzing.extend(
            enabled.filter(|name| name.split('/').next_back() == Some("fuzzing")).map(|_| feature.clone()),
        );
    }
    Package {
        name: text(package, "name").to_owned(),
        folder: folder.to_string_lossy().into_owned(),
        dependencies: needed.map(|dependency| text(dependency, "name").to_owned()).collect(),
        fuzzing,
    }
}

fn has_fuzzing(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_array).is_some_and(|all| all.iter().any(|name| name == "fuzzing"))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
