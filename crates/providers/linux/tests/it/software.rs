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

#[tokio::test]
async fn updates_are_found_in_packed_histories_too() {
    let tree = crate::tree::Tree::new()
        .file(
            "var/lib/dpkg/status",
            "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 3\n\n\
             Package: b\nStatus: install ok installed\nArchitecture: all\nVersion: 2\n",
        )
        .file("var/log/apt/history.log", "\nStart-Date: 2026-05-09  10:00:00\nUpgrade: a:amd64 (2, 3)\n")
        .file("var/log/apt/history.log.1", "\nStart-Date: 2026-04-01  10:00:00\nUpgrade: a:amd64 (1, 2)\n")
        .file("var/log/apt/history.log.2", "\nStart-Date: 2026-03-01  10:00:00\nUpgrade: b:all (1, 2)\n");
    let packed = Command::new("gzip").arg(tree.path().join("var/log/apt/history.log.2")).status();
    assert!(packed.unwrap().success());
    let (_tree, machine) = tree.machine_kept();
    let found = crate::rows_of(&machine, "SELECT * FROM Win32_QuickFixEngineering").await;
    let told: Vec<String> =
        found.iter().map(|row| format!("{} {}", text(row, "HotFixID"), text(row, "InstalledOn"))).collect();
    assert_eq!(told, ["a:amd64=3 5/9/2026", "b:all=2 3/1/2026"]);
}
