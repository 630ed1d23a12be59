//! Rules of ARCHITECTURE.md that a program can check.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use telarch_architecture::sources::Source;
use telarch_architecture::{Package, packages, root};

/// Folder of the oracles.
const ORACLES: &str = "fuzz/oracles";

/// The floor a package stands on; arrows point to lower floors only.
fn floor(folder: &str) -> u8 {
    match folder {
        "crates/xml" | "crates/calendar" | "crates/conftext" => 0,
        "crates/http" | "crates/wsman" | "crates/auth" | "crates/sddl" | "crates/cim" => 1,
        "crates/ipmi/proto" | "crates/psrp" | "crates/winevent" | "crates/nats" | "crates/nginx" => 1,
        "crates/apache" | "crates/proxyprotocol" => 1,
        "crates/copy/proto" | "crates/files" | "crates/locks" | "crates/random" | "crates/tls" => 2,
        "crates/confinement" | "crates/metrics" => 2,
        "crates/accounts/store"
        | "crates/config"
        | "crates/credssp"
        | "crates/eventlog"
        | "crates/kerberos"
        | "crates/quickconfig"
        | "crates/limits"
        | "crates/linux"
        | "crates/outbound"
        | "crates/readiness"
        | "crates/deploy"
        | "crates/webserver" => 3,
        "crates/accounts" | "crates/broker" | "crates/client" | "crates/service" | "crates/wmi" => 4,
        "crates/ipmi" | "crates/eventing" => 4,
        "crates/management"
        | "crates/management/terminal"
        | "crates/wording"
        | "crates/copy"
        | "crates/iis"
        | "crates/repository"
        | "crates/eventing/forwarder"
        | "crates/eventing/puller"
        | "crates/eventing/pusher"
        | "crates/shells" => 5,
        "crates/cli" | "crates/api" | "crates/consumers" | "crates/management/web" => 6,
        // It makes a provider, which stands on the floor of plug-ins, a resource.
        "crates/plugins/hardware" => 7,
        folder if folder.starts_with("crates/plugins/") || folder.starts_with("crates/providers/") => 6,
        "crates/cimom" | "crates/cli/command" => 7,
        "crates/cli/admin" | "crates/cli/copy" | "crates/cli/events" | "crates/cli/ipmi"
        | "crates/cli/pwsh" | "crates/cli/mgmt" | "crates/cli/wmi" => 8,
        folder if folder.starts_with("programs/") => 9,
        "tests/ports" | "tests/skips" => 10,
        folder if folder.starts_with("tests/") => 11,
        ORACLES => 11,
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
fn every_oracle_has_a_fuzz_target() {
    let targets: String = fs::read_dir(root().join("fuzz/fuzz_targets"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let mut oracles = 0;
    for Source { path, text } in Source::below(&root().join("fuzz/oracles/src")) {
        let module = path.file_stem().unwrap().to_string_lossy().into_owned();
        for name in text.lines().filter_map(|line| line.strip_prefix("pub fn ")?.split('(').next()) {
            oracles += 1;
            let call = format!("telarch_oracles::{module}::{name}(data");
            assert!(targets.contains(&call), "the oracle {module}::{name} has no fuzz target");
        }
    }
    assert!(oracles >= 60, "only {oracles} oracles were found");
}

#[test]
fn oracles_are_not_part_of_the_product() {
    for folder in ["crates", "programs", "python/src"] {
        for Source { path, .. } in Source::below(&root().join(folder)) {
            let is_oracle = path.components().any(|part| {
                let name = Path::new(part.as_os_str()).file_stem().unwrap_or_default();
                name == "oracle" || name == "oracles"
            });
            assert!(!is_oracle, "{}: oracles belong into fuzz/oracles", path.display());
        }
    }
}

#[test]
fn only_the_oracles_enable_the_feature_fuzzing() {
    for package in packages().values().filter(|package| package.folder != ORACLES) {
        let enabling = &package.fuzzing;
        assert!(enabling.is_empty(), "{} enables the feature fuzzing of {enabling:?}", package.folder);
    }
    for manifest in ["python/Cargo.toml", "benches/Cargo.toml"] {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        assert!(!text.contains("fuzzing"), "{manifest} enables the feature fuzzing");
    }
}

#[test]
fn the_feature_fuzzing_only_exports() {
    let mut facades = 0;
    for package in packages().values().filter(|package| package.folder.starts_with("crates/")) {
        for Source { path, text } in Source::below(&root().join(&package.folder).join("src")) {
            let mut lines = text.lines();
            while let Some(line) = lines.next() {
                if !line.contains("feature = \"fuzzing\"") {
                    continue;
                }
                match line {
                    "#[cfg_attr(not(feature = \"fuzzing\"), allow(unreachable_pub))]" => {}
                    "#[cfg(feature = \"fuzzing\")]" if path.ends_with("src/lib.rs") => {
                        assert_eq!(lines.next(), Some("pub mod fuzzing {"), "{}", path.display());
                        let facade: Vec<_> = lines.by_ref().take_while(|line| *line != "}").collect();
                        let only_exports = facade.iter().map(|line| line.trim_start()).all(|line| {
                            ["pub use ", "pub mod ", "///", "}"].iter().any(|start| line.starts_with(start))
                        });
                        assert!(only_exports, "{}: {facade:#?}", path.display());
                        facades += 1;
                    }
                    other => panic!("{}: {other}", path.display()),
                }
            }
        }
    }
    assert!(facades <= 6, "{facades} crates export items for fuzzing: prefer their public interface");
}

#[test]
fn every_fuzz_target_is_in_the_table_and_tests_run_its_corpus() {
    let table = fs::read_to_string(root().join("fuzz/README.md")).unwrap();
    let exposures = fs::read_to_string(root().join("fuzz/exposure.txt")).unwrap();
    let tests = Source::below(&root().join("fuzz/oracles/tests/it"));
    let tests: String = tests.into_iter().map(|source| source.text).collect();
    for entry in fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(table.contains(&format!("`{name}`")), "fuzz/README.md does not say what {name} reads");
        let kinds = ["unproven", "processes", "other"].map(|kind| format!("{name} {kind}"));
        let has_exposure = exposures.lines().any(|line| kinds.iter().any(|kind| kind == line));
        assert!(has_exposure, "fuzz/exposure.txt does not say where the input of {name} comes from");
        // The seeds of this target are in the test itself.
        if name != "http_header_value" {
            assert!(tests.contains(&format!("\"{name}\"")), "no test runs the corpus of {name}");
        }
    }
}

#[test]
fn names_of_files_say_what_is_inside() {
    let drawers = ["util", "utils", "common", "helper", "helpers", "misc", "manager", "types", "handler"];
    for folder in ["crates", "programs", "tests", "fuzz"] {
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
    for package in packages.values().filter(|package| floor(&package.folder) < 9) {
        assert!(text.contains(&format!("`{}`", package.folder)), "{} is not on the map", package.folder);
        for dependency in package.dependencies.iter().filter(|dependency| !own.contains(*dependency)) {
            assert!(text.contains(&format!("`{dependency}`")), "no reason is given for {dependency}");
        }
    }
}
