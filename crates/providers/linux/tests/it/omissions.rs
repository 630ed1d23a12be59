//! Sources that cannot be read are errors or omissions of their class, and cost no other rows.

use std::sync::Arc;

use cim::Namespace;
use telarch_provider_linux::Machine;
use wmi::{Context, Outcome};

use crate::tree::Tree;
use crate::{engine, text};

/// Rows of a query by a property, and what is missing: omissions, or the error that ended the rows.
async fn rows_and_omissions(
    machine: &Arc<Machine>,
    namespace: &str,
    query: &str,
    property: &str,
) -> (Vec<String>, Vec<String>) {
    let namespace = Namespace::parse(namespace).unwrap();
    let outcome = engine(machine).run(&Context::of_this_process("alice"), &namespace, query).unwrap();
    let Outcome::Rows(mut rows, _) = outcome else { panic!("{query} returns classes") };
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next().await {
        match row {
            Ok(row) => found.push(text(&row, property)),
            Err(error) => missing.push(format!("error: {error}")),
        }
    }
    missing.extend(rows.take_omissions().iter().map(ToString::to_string));
    found.sort_unstable();
    (found, missing)
}

/// A file that cannot be read even by root: a folder in its place.
fn unreadable(tree: Tree, path: &str) -> Tree {
    tree.file(&format!("{path}/file"), "")
}

#[tokio::test]
async fn a_class_without_its_source_is_an_omission_of_its_superclass() {
    let (_tree, machine) = Tree::new().machine_kept();
    let (rows, missing) =
        rows_and_omissions(&machine, "root/cimv2", "SELECT Name FROM CIM_Service", "Name").await;
    assert_eq!(rows, [""; 0]);
    assert_eq!(missing, ["Win32_Service: systemd is not available on this machine"]);
    let query = "SELECT Name FROM CIM_Service WHERE Name = 'cron'";
    assert_eq!(rows_and_omissions(&machine, "root/cimv2", query, "Name").await.1, missing);
    // Clients ask for the source of the class that they name.
    let named = rows_and_omissions(&machine, "root/cimv2", "SELECT Name FROM Win32_Service", "Name").await;
    assert_eq!(named, (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn without_resolved_and_nft_their_classes_are_omissions() {
    let (_tree, machine) = Tree::new().machine_kept();
    for (class, superclass, source) in [
        ("MSFT_DNSClientCache", "CIM_ManagedElement", "resolved"),
        ("MSFT_NetFirewallProfile", "CIM_ManagedElement", "nft"),
        ("MSFT_NetFirewallRule", "CIM_PolicyRule", "nft"),
    ] {
        let named =
            rows_and_omissions(&machine, "root/standardcimv2", &format!("SELECT * FROM {class}"), "Name")
                .await;
        assert_eq!(named, (Vec::new(), Vec::new()), "{class}");
        let query = format!("SELECT Caption FROM {superclass}");
        let (_, missing) = rows_and_omissions(&machine, "root/standardcimv2", &query, "Caption").await;
        let expected = format!("{class}: {source} is not available on this machine");
        assert!(missing.contains(&expected), "{missing:?}");
    }
}

#[tokio::test]
async fn an_unreadable_table_of_cron_costs_only_its_own_jobs() {
    let tree = Tree::new().file("etc/crontab", "0 5 * * * root /bin/one\n");
    let (_tree, machine) = unreadable(tree, "etc/cron.d/broken").machine_kept();
    let (rows, missing) =
        rows_and_omissions(&machine, "root/cimv2", "SELECT * FROM Win32_ScheduledJob", "Command").await;
    assert_eq!(rows, ["/bin/one"]);
    let [missing] = missing.as_slice() else { panic!("{missing:?}") };
    assert!(missing.starts_with("Win32_ScheduledJob: cannot read /etc/cron.d/broken: "), "{missing}");
}

#[tokio::test]
async fn an_unreadable_file_of_exports_costs_only_its_own_shares() {
    let tree = Tree::new().file("etc/exports", "/export node1(ro)\n");
    let (_tree, machine) = unreadable(tree, "etc/exports.d/more.exports").machine_kept();
    let (rows, missing) =
        rows_and_omissions(&machine, "root/cimv2", "SELECT * FROM Win32_Share", "Name").await;
    assert_eq!(rows, ["/export"]);
    let [missing] = missing.as_slice() else { panic!("{missing:?}") };
    assert!(missing.starts_with("Win32_Share: cannot read /etc/exports.d/more.exports: "), "{missing}");
    let query = "SELECT * FROM Win32_Share WHERE Name = '/more'";
    let (rows, missing) = rows_and_omissions(&machine, "root/cimv2", query, "Name").await;
    assert_eq!((rows.len(), missing.len()), (0, 1), "the share may be in the other file");
}

#[tokio::test]
async fn unreadable_accounts_are_an_error() {
    let (_tree, machine) = unreadable(Tree::new(), "etc/passwd").machine_kept();
    for class in ["Win32_UserAccount", "Win32_SystemUsers", "Win32_NetworkLoginProfile"] {
        let (rows, missing) =
            rows_and_omissions(&machine, "root/cimv2", &format!("SELECT * FROM {class}"), "Name").await;
        assert_eq!(rows.len(), 0, "{class}");
        let [missing] = missing.as_slice() else { panic!("{missing:?}") };
        assert!(missing.contains("cannot read /etc/passwd: "), "{missing}");
    }
    // Groups have a file of their own, and the group of administrators has none.
    let (rows, missing) =
        rows_and_omissions(&machine, "root/cimv2", "SELECT Name FROM CIM_LogicalElement", "Name").await;
    assert!(rows.contains(&"Administrators".to_owned()), "{rows:?}");
    assert!(missing.iter().any(|one| one.starts_with("Win32_UserAccount: cannot read /etc/passwd")));
}

#[tokio::test]
async fn sockets_of_an_unreadable_table_are_an_omission() {
    let header =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    let line =
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1\n";
    let tree = Tree::new().file("proc/net/tcp", format!("{header}{line}"));
    let (_tree, machine) = unreadable(tree, "proc/net/tcp6").machine_kept();
    let query = "SELECT * FROM MSFT_NetTCPConnection";
    let (rows, missing) = rows_and_omissions(&machine, "root/standardcimv2", query, "LocalPort").await;
    assert_eq!(rows, ["8080"]);
    let [missing] = missing.as_slice() else { panic!("{missing:?}") };
    assert!(missing.starts_with("MSFT_NetTCPConnection: cannot read /proc/net/tcp6: "), "{missing}");
}

#[tokio::test]
async fn unreadable_mounts_are_an_error() {
    let (_tree, machine) = unreadable(Tree::new(), "proc/self/mountinfo").machine_kept();
    for class in ["Win32_LogicalDisk", "Win32_Volume", "Win32_MappedLogicalDisk", "Win32_NetworkConnection"] {
        let (rows, missing) =
            rows_and_omissions(&machine, "root/cimv2", &format!("SELECT * FROM {class}"), "Name").await;
        assert_eq!(rows.len(), 0, "{class}");
        let [missing] = missing.as_slice() else { panic!("{missing:?}") };
        assert!(missing.contains("cannot read /proc/self/mountinfo: "), "{missing}");
    }
}
