//! Packages against `dpkg-query`.

use std::process::Command;

use crate::{rows, text};

#[tokio::test]
async fn products_are_the_packages_that_dpkg_query_lists() {
    let format = "${db:Status-Status} ${Package}|${Version}|${Package}_${Version}_${Architecture}\n";
    let Ok(output) = Command::new("dpkg-query").args(["-W", "-f", format]).output() else {
        eprintln!("SKIPPED: there is no dpkg-query here: this is no Debian");
        return;
    };
    let told = String::from_utf8(output.stdout).unwrap();
    let mut told: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("installed ")).collect();
    told.sort_unstable();
    let found = rows("SELECT * FROM Win32_Product").await;
    let line = |row: &cim::Instance| ["Name", "Version", "PackageName"].map(|name| text(row, name)).join("|");
    let mut ours: Vec<String> = found.iter().map(line).collect();
    ours.sort_unstable();
    assert_eq!(ours, told);
    let identities: std::collections::BTreeSet<_> =
        found.iter().map(|row| text(row, "IdentifyingNumber")).collect();
    assert_eq!(identities.len(), found.len(), "no two have the same");
    let (name, version) = (text(&found[0], "Name"), text(&found[0], "Version"));
    let id = text(&found[0], "IdentifyingNumber");
    let by_key = format!(
        "SELECT * FROM Win32_Product WHERE IdentifyingNumber='{id}' AND Name='{name}' AND Version='{version}'"
    );
    assert_eq!(rows(&by_key).await, found[..1]);
}

#[tokio::test]
async fn updates_are_of_packages_in_the_version_that_is_installed() {
    let products = rows("SELECT Name, Version FROM Win32_Product").await;
    for update in rows("SELECT * FROM Win32_QuickFixEngineering").await {
        let id = text(&update, "HotFixID");
        let (package, version) = id.split_once('=').unwrap();
        let name = package.split(':').next().unwrap();
        assert!(
            products.iter().any(|row| text(row, "Name") == name && text(row, "Version") == version),
            "{id}"
        );
        assert_eq!(text(&update, "InstalledOn").split('/').count(), 3);
    }
}
