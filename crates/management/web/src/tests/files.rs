//! Files of the repository: OpenAPI description, console, vendored modules.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::assets::CONSOLE;
use crate::openapi::description;

fn console() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../console")
}

/// Returns the paths of all files below a folder, relative to it.
fn files(folder: &Path, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(&entry.path(), &format!("{name}/")));
        } else {
            found.insert(name);
        }
    }
    found
}

#[test]
fn the_committed_description_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let text = format!("{:#}\n", description());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "openapi.json is outdated; run this test with UPDATE_GOLDEN=1");
}

#[test]
fn every_reference_of_the_description_exists() {
    let value = description();
    let text = value.to_string();
    let schemas = value.pointer("/components/schemas").and_then(serde_json::Value::as_object).unwrap();
    let mut used = 0;
    for rest in text.split("#/components/schemas/").skip(1) {
        let name = rest.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "there is no schema {name}");
        used += 1;
    }
    assert!(used > 50, "only {used} references were found");
}

#[test]
fn every_file_of_the_console_is_embedded() {
    let served = files(&console(), "");
    let served =
        served.into_iter().filter(|path| !path.ends_with("LICENSE") && !path.ends_with("SHA256SUMS"));
    let embedded: BTreeSet<_> = CONSOLE.iter().map(|asset| asset.path.to_owned()).collect();
    assert_eq!(embedded, served.collect());
}

#[test]
fn only_the_page_of_the_terminal_permits_styles_of_scripts() {
    let page = |name: &str| {
        let asset = CONSOLE.iter().find(|asset| asset.path == name).unwrap();
        let text = str::from_utf8(asset.bytes).unwrap();
        let (_, map) = text.split_once("<script type=\"importmap\">").unwrap();
        map.split_once("</script>").unwrap().0
    };
    // The policy of both pages has the hash of one import map.
    assert_eq!(page("index.html"), page("terminal.html"));
    let fixture = crate::tests::Fixture::new(management::Settings::default());
    for path in
        ["/", "/terminal", "/terminal.html", "/terminal.js", "/web/sites", "/vendor/xterm-6.0.0/xterm.mjs"]
    {
        let mut request = crate::tests::call("GET", "", &serde_json::json!({}), &[]);
        request.path = path.to_owned();
        let response = crate::response::of_reply(&fixture.console.answer(&request));
        assert_eq!(response.status(), 200, "{path}");
        let policies: Vec<_> = response.headers().get_all("content-security-policy").iter().collect();
        let policy = policies.first().unwrap().to_str().unwrap();
        assert_eq!(policies.len(), 1, "{path}");
        assert_eq!(
            policy.contains("unsafe-inline"),
            path.starts_with("/terminal") && path != "/terminal.js",
            "{path}"
        );
        assert!(policy.contains("default-src 'none'; script-src 'self' 'sha256-"), "{path}: {policy}");
    }
}

#[test]
fn vendored_modules_are_those_of_the_list_and_have_their_licences() {
    let vendor = console().join("vendor");
    let list = fs::read_to_string(vendor.join("SHA256SUMS")).unwrap();
    let mut listed = BTreeSet::from(["SHA256SUMS".to_owned()]);
    for line in list.lines() {
        let (hash, path) = line.split_once("  ").unwrap();
        let found: String = Sha256::digest(fs::read(vendor.join(path)).unwrap())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(found, hash, "{path} was changed");
        listed.insert(path.to_owned());
    }
    assert_eq!(files(&vendor, ""), listed);
    for entry in
        fs::read_dir(&vendor).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        let licence = fs::read_to_string(entry.join("LICENSE")).unwrap();
        let is_known = ["MIT License", "Permission is hereby granted, free of charge", "Apache License"]
            .into_iter()
            .any(|words| licence.contains(words));
        assert!(is_known, "{}", entry.display());
    }
}
