//! Installed packages against `dpkg-query`.

use std::process::Command;

use crate::{machine, rows_of, text};

#[tokio::test]
async fn products_are_the_packages_that_dpkg_lists() {
    let format = "${db:Status-Status}\t${Package}\t${Version}\t${Maintainer}\n";
    let Ok(output) = Command::new("dpkg-query").args(["-W", "-f", format]).output() else {
        eprintln!("SKIPPED: there is no dpkg-query here");
        return;
    };
    let listed = String::from_utf8(output.stdout).unwrap();
    let mut listed: Vec<&str> = listed.lines().filter_map(|line| line.strip_prefix("installed\t")).collect();
    listed.sort_unstable();
    let machine = machine();
    let found = rows_of(&machine, "SELECT * FROM Win32_Product").await;
    let mut ours: Vec<String> = found
        .iter()
        .map(|row| ["Name", "Version", "Vendor"].map(|name| text(row, name)).join("\t"))
        .collect();
    ours.sort_unstable();
    assert_eq!(ours, listed);
    let numbers: std::collections::BTreeSet<_> =
        found.iter().map(|row| text(row, "IdentifyingNumber")).collect();
    assert_eq!(numbers.len(), found.len(), "each has a number of its own");
    // Nobody reads the database again before it has changed.
    let opened = machine.opened();
    assert_eq!(rows_of(&machine, "SELECT Name FROM Win32_Product").await.len(), found.len());
    assert_eq!(machine.opened(), opened);
}
