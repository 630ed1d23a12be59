//! Compares packages with `dpkg-query`.

use std::process::Command;

use crate::{rows, text};

#[tokio::test]
async fn products_are_the_packages_that_dpkg_query_lists() {
    let list = || {
        let format = "${db:Status-Status} ${Package}|${Version}|${Package}_${Version}_${Architecture}\n";
        let output = Command::new("dpkg-query").args(["-W", "-f", format]).output().ok()?;
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let Some(mut listed) = list() else {
        skips::skip!("there is no dpkg-query here: this is no Debian");
        return;
    };
    let found = loop {
        let found = rows("SELECT * FROM Win32_Product").await;
        // A package may have been installed meanwhile.
        let before = std::mem::replace(&mut listed, list().unwrap());
        if before == listed {
            break found;
        }
    };
    let mut reported: Vec<&str> = listed.lines().filter_map(|line| line.strip_prefix("installed ")).collect();
    reported.sort_unstable();
    let line = |row: &cim::Instance| ["Name", "Version", "PackageName"].map(|name| text(row, name)).join("|");
    let mut ours: Vec<String> = found.iter().map(line).collect();
    ours.sort_unstable();
    assert_eq!(ours, reported);
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
async fn changes_of_a_running_dpkg_count() {
    let paragraph = |name: &str, state: &str, version: u32| {
        format!("Package: {name}\nStatus: install ok {state}\nArchitecture: all\nVersion: {version}\n")
    };
    let status = ["a", "b", "c"].map(|name| paragraph(name, "installed", 1) + "\n").concat();
    let (_tree, machine) = crate::tree::Tree::new()
        .file("var/lib/dpkg/status", status)
        .file("var/lib/dpkg/updates/0001", paragraph("b", "unpacked", 2))
        .file("var/lib/dpkg/updates/0002", paragraph("b", "installed", 2))
        .file("var/lib/dpkg/updates/0003", paragraph("c", "config-files", 1))
        .file("var/lib/dpkg/updates/0004", paragraph("d", "installed", 4))
        .file("var/lib/dpkg/updates/tmp.i", paragraph("a", "unpacked", 9))
        .machine_kept();
    let found = crate::rows_of(&machine, "SELECT Name, Version FROM Win32_Product").await;
    let mut found: Vec<String> =
        found.iter().map(|row| format!("{} {}", text(row, "Name"), text(row, "Version"))).collect();
    found.sort_unstable();
    assert_eq!(found, ["a 1", "b 2", "d 4"]);
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
    let reported: Vec<String> =
        found.iter().map(|row| format!("{} {}", text(row, "HotFixID"), text(row, "InstalledOn"))).collect();
    assert_eq!(reported, ["a:amd64=3 5/9/2026", "b:all=2 3/1/2026"]);
}

#[tokio::test]
async fn updates_are_found_in_a_long_history() {
    let run = |day: u32, package: &str| {
        format!("\nStart-Date: 2026-05-{day:02}  10:00:00\nUpgrade: {package}:all (1, 2)\n")
    };
    // Longer than one read of a file or program, compressed and plain.
    let between = |text: &str| text.repeat((6 << 20) / text.len());
    let long = |first: &str, last: &str| run(1, first) + &between(&run(2, "x")) + &run(3, last);
    let installed =
        |name| format!("Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: 2\n\n");
    let tree = crate::tree::Tree::new()
        .file("var/lib/dpkg/status", ["a", "b", "c", "d"].map(installed).concat())
        .file("var/log/apt/history.log", long("c", "d"))
        .file("var/log/apt/history.log.1", long("a", "b"));
    let packed = Command::new("gzip").arg(tree.path().join("var/log/apt/history.log.1")).status();
    assert!(packed.unwrap().success());
    let (_tree, machine) = tree.machine_kept();
    let found = crate::rows_of(&machine, "SELECT * FROM Win32_QuickFixEngineering").await;
    let reported: Vec<String> =
        found.iter().map(|row| format!("{} {}", text(row, "HotFixID"), text(row, "InstalledOn"))).collect();
    assert_eq!(reported, ["a:all=2 5/1/2026", "b:all=2 5/3/2026", "c:all=2 5/1/2026", "d:all=2 5/3/2026"]);
}

/// A repository with two versions of a package and their advisories, and a machine with the second version.
fn machine_of_rpm() -> Option<(tempfile::TempDir, std::sync::Arc<telarch_provider_linux::Machine>)> {
    let is_there = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
    let needed = ["rpm", "rpmbuild", "createrepo_c", "modifyrepo_c", "dnf"];
    if let Some(missing) = needed.iter().find(|name| !is_there(name)) {
        skips::skip!("there is no {missing} here (./test --install, or rpm, dnf and createrepo-c)");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
        mkdir -p top repo root/etc/yum.repos.d root/etc/dnf root/root/.rpmdb root/usr/lib/sysimage
        # Where Debian's rpm has its database, and where it is on machines that live of it.
        ln -s ../../../root/.rpmdb root/usr/lib/sysimage/rpm
        printf '[main]\nplugins=0\n' > root/etc/dnf/dnf.conf
        printf '[tel]\nname=tel\nbaseurl=file://%s/repo\ngpgcheck=0\n' "$PWD" > root/etc/yum.repos.d/tel.repo
        for version in 1 2; do
            printf 'Name: app\nVersion: %s\nRelease: 1\nEpoch: 3\nSummary: x\nLicense: MIT\nBuildArch: noarch\n%%description\nx\n%%files\n' $version > app.spec
            rpmbuild -bb --quiet --define "_topdir $PWD/top" --define "_rpmdir $PWD/repo" app.spec
            rpm --root "$PWD/root" --dbpath /root/.rpmdb --nodeps --nosignature -U repo/noarch/app-$version-1.noarch.rpm
        done
        createrepo_c --quiet repo
        advisory() {
            printf '<update type="%s" from="x" status="stable" version="1"><id>%s</id><title>x</title><severity>%s</severity><issued date="2026-05-01 10:00:00"/><description>x</description><pkglist><collection short="x"><name>x</name><package name="app" version="%s" release="1" epoch="3" arch="noarch"><filename>app-%s-1.noarch.rpm</filename></package></collection></pkglist></update>' "$@"
        }
        { echo '<updates>'; advisory security T-1 Important 2 2; advisory bugfix T-2 None 1 1; advisory enhancement T-3 None 3 3; echo '</updates>'; } > updateinfo.xml
        modifyrepo_c --mdtype=updateinfo updateinfo.xml repo/repodata >/dev/null
        dnf -q --installroot "$PWD/root" --releasever 1 makecache
    "#;
    let made = Command::new("sh").args(["-ec", script]).current_dir(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let machine = std::sync::Arc::new(telarch_provider_linux::Machine::at(folder.path().join("root")));
    Some((folder, machine))
}

#[test]
fn updates_of_rpm_are_the_advisories_that_dnf_finds_installed() {
    // Only root may lock the database.
    if !rustix::process::geteuid().is_root() {
        skips::skip!("packages are installed as root only");
        return;
    }
    let Some((_folder, machine)) = machine_of_rpm() else { return };
    let rows = |query: &str| crate::world::run(crate::rows_of(&machine, query));
    let products = rows("SELECT * FROM Win32_Product");
    let reported: Vec<String> =
        products.iter().map(|row| format!("{} {}", text(row, "Name"), text(row, "Version"))).collect();
    assert_eq!(reported, ["app 3:2-1"]);
    let updates = rows("SELECT * FROM Win32_QuickFixEngineering");
    let reported: Vec<_> =
        updates.iter().map(|row| ["HotFixID", "Description"].map(|name| text(row, name))).collect();
    assert_eq!(reported, [["T-1", "Security Update"], ["T-2", "Update"]]);
    let days: Vec<String> = updates.iter().map(|row| text(row, "InstalledOn")).collect();
    assert_eq!(days[0].split('/').count(), 3, "{days:?}");
    assert_eq!(days[1], "", "when a version came that was replaced since nobody knows");
}
