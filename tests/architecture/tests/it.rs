//! Rules of ARCHITECTURE.md that a program can check.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;

use telarch_architecture::sources::Source;
use telarch_architecture::{Package, packages, root};

/// The floor a package stands on; arrows point to lower floors only.
fn floor(folder: &str) -> u8 {
    match folder {
        "crates/xml" => 0,
        "crates/http" | "crates/wsman" | "crates/auth" | "crates/sddl" | "crates/cim" => 1,
        "crates/ipmi/proto" => 1,
        "crates/config" | "crates/credssp" | "crates/kerberos" | "crates/files" | "crates/quickconfig"
        | "crates/limits" | "crates/linux" | "crates/random" | "crates/readiness" => 2,
        "crates/accounts" | "crates/broker" | "crates/client" | "crates/service" | "crates/wmi" => 3,
        "crates/ipmi" => 3,
        "crates/wording" | "crates/repository" => 4,
        "crates/cli" | "crates/api" | "crates/consumers" => 5,
        // It makes a provider, which stands on the floor of plug-ins, a resource.
        "crates/plugins/hardware" => 6,
        folder if folder.starts_with("crates/plugins/") || folder.starts_with("crates/providers/") => 5,
        "crates/cimom" | "crates/cli/command" => 6,
        "crates/cli/admin" | "crates/cli/ipmi" | "crates/cli/wmi" => 7,
        folder if folder.starts_with("programs/") => 8,
        "tests/skips" => 9,
        folder if folder.starts_with("tests/") => 10,
        other => panic!("{other} has no floor yet: give it one here and in ARCHITECTURE.md"),
    }
}

fn is_protocol(package: &Package) -> bool {
    floor(&package.folder) <= 1
}

#[test]
fn arrows_point_down() {
    let packages = packages();
    for package in packages.values() {
        for dependency in &package.dependencies {
            let Some(below) = packages.values().find(|other| other.name == *dependency) else { continue };
            assert!(
                floor(&below.folder) < floor(&package.folder),
                "{} must not need {}: it does not stand below it",
                package.folder,
                below.folder
            );
        }
    }
}

#[test]
fn the_protocol_floor_does_no_input_or_output() {
    let forbidden = ["tokio", "tokio-rustls", "rustls", "rustix", "libc", "getrandom", "rand", "tracing"];
    for package in packages().values().filter(|package| is_protocol(package)) {
        let found: Vec<_> = package.dependencies.iter().filter(|d| forbidden.contains(&d.as_str())).collect();
        assert!(found.is_empty(), "{} needs {found:?}", package.folder);
        let words = [
            "std::fs",
            "TcpStream",
            "UdpSocket",
            "std::thread",
            "std::process",
            "Instant::now",
            "SystemTime::now",
        ];
        for source in Source::below(&root().join(&package.folder).join("src")) {
            // Unit tests may read the clock for a first moment.
            let product = source.product();
            for word in words {
                let used =
                    product.lines().any(|line| line.contains(word) && !line.trim_start().starts_with("//"));
                assert!(!used, "{} uses {word}", source.path.display());
            }
        }
    }
}

#[test]
fn every_oracle_has_a_fuzz_target_and_a_corpus() {
    let targets: BTreeSet<String> = fs::read_dir(root().join("fuzz/fuzz_targets"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let mut oracles = 0;
    for package in packages().values().filter(|package| package.folder.starts_with("crates/")) {
        let path = root().join(&package.folder).join("src/oracle.rs");
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for name in text.lines().filter_map(|line| line.strip_prefix("pub fn ")?.split('(').next()) {
            oracles += 1;
            let call = format!("oracle::{name}(");
            let krate = package.folder.rsplit('/').next().unwrap();
            let found = targets.iter().any(|target| target.contains(&call) && target.contains(krate));
            assert!(found, "{}::oracle::{name} has no fuzz target", package.name);
        }
    }
    assert!(oracles >= 8, "only {oracles} oracles were found");
}

#[test]
fn every_fuzz_target_is_in_the_table_and_tests_run_its_corpus() {
    let table = fs::read_to_string(root().join("fuzz/README.md")).unwrap();
    let exposures = fs::read_to_string(root().join("fuzz/exposure.txt")).unwrap();
    let mut tests = String::new();
    for package in packages().values().filter(|package| package.folder.starts_with("crates/")) {
        for source in Source::below(&root().join(&package.folder).join("tests/it")) {
            tests.push_str(&source.text);
        }
    }
    for entry in fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(table.contains(&format!("`{name}`")), "fuzz/README.md does not say what {name} reads");
        let kinds = ["unproven", "processes", "other"].map(|kind| format!("{name} {kind}"));
        let has_exposure = exposures.lines().any(|line| kinds.iter().any(|kind| kind == line));
        assert!(has_exposure, "fuzz/exposure.txt does not say where the input of {name} comes from");
        // The seeds of this target are in the test itself.
        if name != "http_header_value" {
            let is_run =
                tests.contains(&format!("\"{name}\"")) || tests.contains(&format!("corpus/{name}\""));
            assert!(is_run, "no test runs the corpus of {name}");
        }
    }
}

#[test]
fn names_of_files_say_what_is_inside() {
    let drawers = ["util", "utils", "common", "helper", "helpers", "misc", "manager", "types", "handler"];
    for folder in ["crates", "programs", "tests"] {
        for Source { path, .. } in Source::below(&root().join(folder)) {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(!drawers.contains(&name.as_str()), "{} is a drawer, not a room", path.display());
        }
    }
}

#[test]
fn files_stay_small_enough_to_hold_in_the_head() {
    for folder in ["crates", "programs"] {
        for Source { path, text } in Source::below(&root().join(folder)) {
            let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
            assert!(lines <= 620, "{} has {lines} lines: it is two rooms by now", path.display());
        }
    }
}

#[test]
fn every_dependency_is_accounted_for_in_the_architecture() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let packages = packages();
    let own: BTreeSet<_> = packages.values().map(|package| package.name.clone()).collect();
    for package in packages.values().filter(|package| floor(&package.folder) < 8) {
        assert!(text.contains(&format!("`{}`", package.folder)), "{} is not on the map", package.folder);
        for dependency in package.dependencies.iter().filter(|dependency| !own.contains(*dependency)) {
            assert!(text.contains(&format!("`{dependency}`")), "no reason is given for {dependency}");
        }
    }
}
