//! Associations of folders, processes, the computer system and accounts, compared with the shell and `/proc`.

use crate::world::sh;
use crate::{machine, rows, rows_of, text};

/// Returns the values of a property, sorted.
async fn sorted(query: &str, property: &str) -> Vec<String> {
    let mut found: Vec<String> = rows(query).await.iter().map(|row| text(row, property)).collect();
    found.sort();
    found
}

fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn folders_contain_what_find_lists() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    sh(&format!("mkdir -p '{root}/one/deep' '{root}/two' && touch '{root}/file' '{root}/one/other'"));
    let source = format!("ASSOCIATORS OF {{Win32_Directory.Name=\"{root}\"}} WHERE AssocClass =");
    let found = sorted(&format!("{source} Win32_SubDirectory ResultRole = PartComponent"), "Name").await;
    assert_eq!(found, lines(&sh(&format!("find '{root}' -mindepth 1 -maxdepth 1 -type d"))));
    let found = sorted(&format!("{source} CIM_DirectoryContainsFile"), "Name").await;
    assert_eq!(found, [format!("{root}/file")]);
    let up = format!(
        "ASSOCIATORS OF {{Win32_Directory.Name=\"{root}/one\"}} WHERE AssocClass = Win32_SubDirectory \
         ResultRole = GroupComponent"
    );
    assert_eq!(sorted(&up, "Name").await, [root.to_owned()]);
    let of_file = format!("ASSOCIATORS OF {{CIM_DataFile.Name=\"{root}/one/other\"}} WHERE AssocClass = ");
    assert_eq!(
        sorted(&format!("{of_file} CIM_DirectoryContainsFile"), "Name").await,
        [format!("{root}/one")]
    );
}

#[tokio::test]
async fn listing_all_folders_is_refused_and_does_not_end_other_queries() {
    let engine = crate::engine(&machine());
    for class in ["Win32_SubDirectory", "CIM_DirectoryContainsFile"] {
        let context = wmi::Context::of_this_process("alice");
        let query = format!("SELECT * FROM {class}");
        let mut rows = engine.query(&context, &cim::Namespace::cimv2(), &query).unwrap();
        let error = rows.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("ASSOCIATORS OF"), "{error}");
    }
    let opened = machine();
    let found =
        rows_of(&opened, "SELECT * FROM CIM_SystemComponent WHERE __CLASS = 'Win32_SystemBIOS'").await;
    assert!(found.len() <= 1);
    let parts = rows("SELECT * FROM CIM_Component").await;
    assert!(!parts.is_empty(), "other associations of the superclass are returned");
}

#[tokio::test]
async fn results_are_limited_to_classes_with_a_qualifier() {
    let source = "ASSOCIATORS OF {Win32_OperatingSystem=@} WHERE RequiredQualifier =";
    let dynamic = rows(&format!("{source} Dynamic")).await;
    assert!(!dynamic.is_empty() && dynamic.iter().all(|row| row.class().qualifiers().says("Dynamic")));
    assert!(rows(&format!("{source} Abstract")).await.is_empty());
}

#[tokio::test]
async fn a_process_executes_the_files_that_are_mapped() {
    let number = std::process::id();
    let script = format!(
        "awk '$2 ~ /x/ && $6 ~ /^\\// && $0 !~ /\\(deleted\\)$/ {{print $6}}' /proc/{number}/maps | sort -u"
    );
    let query =
        format!("SELECT * FROM CIM_ProcessExecutable WHERE Dependent = 'Win32_Process.Handle=\"{number}\"'");
    let found = rows(&query).await;
    let paths = |rows: &[cim::Instance]| {
        let mut paths: Vec<String> =
            rows.iter().map(|row| text(row, "Antecedent").split('"').nth(1).unwrap().to_owned()).collect();
        paths.sort();
        paths
    };
    assert_eq!(paths(&found), lines(&sh(&script)));
    let own = std::env::current_exe().unwrap();
    let base = sh(&format!("awk '$6 == \"{}\" {{print $1; exit}}' /proc/{number}/maps", own.display()));
    let base = u64::from_str_radix(base.split('-').next().unwrap(), 16).unwrap();
    let row = found.iter().find(|row| text(row, "Antecedent").contains(own.to_str().unwrap())).unwrap();
    assert_eq!(text(row, "BaseAddress"), base.to_string());
    let files = format!(
        "ASSOCIATORS OF {{Win32_Process.Handle=\"{number}\"}} WHERE AssocClass = CIM_ProcessExecutable"
    );
    assert_eq!(rows(&files).await.len(), found.len(), "each file is an instance");
}

#[tokio::test]
async fn partitions_and_processors_are_devices_of_the_system_once() {
    let parts = rows("SELECT * FROM Win32_SystemPartitions").await;
    assert_eq!(parts.len(), rows("SELECT DeviceID FROM Win32_DiskPartition").await.len());
    let processors = rows("SELECT * FROM Win32_ComputerSystemProcessor").await;
    assert_eq!(processors.len(), rows("SELECT DeviceID FROM Win32_Processor").await.len());
    let path = rows("SELECT DeviceID FROM Win32_Processor").await[0].path().unwrap().to_string();
    assert_eq!(text(&processors[0], "PartComponent"), path);
    let bios = rows("SELECT * FROM Win32_SystemBIOS").await;
    assert_eq!(bios.len(), rows("SELECT Name FROM Win32_BIOS").await.len());
}

#[tokio::test]
async fn accounts_belong_to_the_domain_of_the_machine() {
    let host = machine().host_name();
    let query = format!(
        "ASSOCIATORS OF {{Win32_NTDomain.Name=\"Domain: {host}\"}} WHERE AssocClass = Win32_UserInDomain"
    );
    let found = sorted(&query, "Name").await;
    assert_eq!(found, lines(&sh("cut -d: -f1 /etc/passwd")));
    let profiles = rows("SELECT * FROM Win32_NetworkLoginProfile").await;
    assert_eq!(profiles.len(), found.len());
    let root = profiles.iter().find(|row| text(row, "Caption") == "root").unwrap();
    assert_eq!(text(root, "Name"), format!("{host}\\root"));
    assert_eq!(text(root, "HomeDirectory"), sh("getent passwd root | cut -d: -f6"));
    assert_eq!(text(root, "Privileges"), "2");
}

#[tokio::test]
async fn login_profiles_show_the_dates_of_passwords() {
    let (_tree, machine) = crate::tree::Tree::new()
        .file("etc/passwd", "ann:x:1000:1000:Ann Lee,R 7:/home/ann:/bin/sh\nbob:x:1001:1001::/:/bin/false\n")
        .file("etc/shadow", "ann:$y$x:20000:0:90:7::20200:\nbob:!:20000:0:99999:7:::\n")
        .machine_kept();
    let found = rows_of(&machine, "SELECT * FROM Win32_NetworkLoginProfile").await;
    let day = |row: &cim::Instance, name: &str| text(row, name).get(..8).unwrap_or_default().to_owned();
    let date = |days: u32| sh(&format!("date -u -d '1970-01-01 +{days} days' +%Y%m%d"));
    assert_eq!(text(&found[0], "FullName"), "Ann Lee");
    if sh("date +%z") == "+0000" {
        assert_eq!(day(&found[0], "PasswordExpires"), date(20_090));
        assert_eq!(day(&found[0], "AccountExpires"), date(20_200));
    }
    assert_eq!(found[1].value("PasswordExpires"), Some(&cim::Value::Null));
    assert_eq!(text(&found[0], "Flags"), "512");
    assert_eq!(text(&found[1], "Flags"), (0x1_0000 + 0x200 + 2).to_string());
    let age: u64 = day(&found[0], "PasswordAge").parse().unwrap();
    let today: u64 = sh("echo $(($(date +%s) / 86400))").parse().unwrap();
    assert!((today - 20_000).abs_diff(age) <= 1);
}
