//! Compares `CIM_DataFile` and `Win32_Directory` with the shell.

use crate::world::sh;
use crate::{call, machine, rows, rows_of, text};

#[tokio::test]
async fn file_values_match_stat() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "abc").unwrap();
    let path = path.to_str().unwrap();
    let found = rows(&format!("SELECT * FROM CIM_DataFile WHERE Name = '{path}'")).await;
    let [file] = found.as_slice() else { panic!("{} files", found.len()) };
    assert_eq!(["FileName", "Extension", "FileSize"].map(|name| text(file, name)), ["notes", "txt", "3"]);
    assert_eq!(text(file, "Path"), format!("{}/", folder.path().to_str().unwrap()));
    let modified = sh(&format!("TZ=UTC date -d @$(stat -c %Y '{path}') +%Y%m%d%H%M%S"));
    let offset = sh("date +%z");
    if offset == "+0000" {
        assert!(text(file, "LastModified").starts_with(&modified));
    }
    assert!(rows(&format!("SELECT * FROM Win32_Directory WHERE Name = '{path}'")).await.is_empty());
}

#[tokio::test]
async fn folder_lists_only_its_direct_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("inner")).unwrap();
    std::fs::write(folder.path().join("inner/deep"), "").unwrap();
    std::fs::write(folder.path().join(".hidden"), "").unwrap();
    let query = format!(
        "SELECT Name, Hidden FROM CIM_LogicalFile WHERE Path = '{}/'",
        folder.path().to_str().unwrap()
    );
    let mut found: Vec<_> = rows(&query).await.iter().map(|row| text(row, "Name")).collect();
    found.sort();
    let expected = [".hidden", "inner"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    assert_eq!(found, expected);
}

#[tokio::test]
async fn listing_all_files_requires_a_superclass_query() {
    let engine = crate::engine(&machine());
    let namespace = cim::Namespace::cimv2();
    let mut rows = engine
        .query(&wmi::Context::of_this_process("alice"), &namespace, "SELECT * FROM CIM_DataFile")
        .unwrap();
    let error = rows.next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("WHERE Name"), "{error}");
    assert!(!rows_of(&machine(), "SELECT Name FROM CIM_LogicalElement").await.is_empty());
}

#[tokio::test]
async fn files_are_copied_renamed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("a"), "content").unwrap();
    let of = |class: &str, name: &str| format!("{class}.Name=\"{}\"", path(name));
    let copied = call(&of("CIM_DataFile", "a"), "Copy", &[("FileName", path("b").into())]).await;
    assert_eq!(text(&copied, "ReturnValue"), "0");
    let again = call(&of("CIM_DataFile", "a"), "Copy", &[("FileName", path("b").into())]).await;
    assert_eq!(text(&again, "ReturnValue"), "10", "what is there is not overwritten");
    let renamed = call(&of("CIM_DataFile", "b"), "Rename", &[("FileName", path("a").into())]).await;
    assert_eq!(text(&renamed, "ReturnValue"), "10");
    let renamed = call(&of("CIM_DataFile", "b"), "Rename", &[("FileName", path("c").into())]).await;
    assert_eq!(text(&renamed, "ReturnValue"), "0");
    assert_eq!(std::fs::read_to_string(path("c")).unwrap(), "content");
    let removed = call(&of("CIM_DataFile", "c"), "Delete", &[]).await;
    assert_eq!(text(&removed, "ReturnValue"), "0");
    std::fs::create_dir_all(path("d/e")).unwrap();
    let full = call(&of("Win32_Directory", "d"), "Delete", &[]).await;
    assert_eq!(text(&full, "ReturnValue"), "14", "a folder that is not empty stays");
}
