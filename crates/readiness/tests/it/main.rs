//! Tests that changes of the watched files are reported, and changes of other files are not.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use telarch_readiness::FileChanges;
use tokio::time::timeout;

#[tokio::test]
async fn writing_replacing_and_removing_a_file_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (file, new) = (folder.path().join("passwd"), folder.path().join("passwd.new"));
    let mut changes = FileChanges::of([&file]).unwrap();
    fs::write(&file, "one").unwrap();
    changes.next().await.unwrap();
    fs::write(&new, "two").unwrap();
    fs::rename(&new, &file).unwrap();
    changes.next().await.unwrap();
    fs::remove_file(&file).unwrap();
    changes.next().await.unwrap();
}

/// The clock is paused, so that the timeout expires when no notification of the kernel is left.
#[tokio::test(start_paused = true)]
async fn other_files_of_the_folder_are_not_reported() {
    let folder = tempfile::tempdir().unwrap();
    let mut changes = FileChanges::of([folder.path().join("passwd")]).unwrap();
    fs::write(folder.path().join("shadow"), "one").unwrap();
    assert!(timeout(Duration::from_millis(100), changes.next()).await.is_err());
    fs::write(folder.path().join("passwd"), "one").unwrap();
    changes.next().await.unwrap();
}

#[tokio::test]
async fn a_missing_or_deleted_folder_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    assert!(FileChanges::of([inner.join("passwd")]).is_err());
    fs::create_dir(&inner).unwrap();
    let mut changes = FileChanges::of([inner.join("passwd")]).unwrap();
    fs::remove_dir(&inner).unwrap();
    assert!(changes.next().await.is_err());
}

/// The clock is paused, so that the timeout expires when no notification of the kernel is left.
#[tokio::test(start_paused = true)]
async fn every_file_of_a_watched_folder_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (file, all) = (folder.path().join("passwd"), folder.path().join("all"));
    fs::create_dir(&all).unwrap();
    let mut changes = FileChanges::of([&file]).unwrap().and_all_in([&all]).unwrap();
    for written in [all.join("one"), file, all.join("two")] {
        fs::write(written, "one").unwrap();
        changes.next().await.unwrap();
    }
    fs::write(folder.path().join("shadow"), "one").unwrap();
    assert!(timeout(Duration::from_millis(100), changes.next()).await.is_err());
}
