//! Deployments of archives that `tar` and Python's `zipfile` have written, and hostile ones.

use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::history::{History, Pending};
use crate::{
    ChangeKind, DeployError, DeployRequest, Deployment, DeploymentKind, Mode, Prepared, SiteContent,
};

/// A folder with the site `web/site`, whose content is `index.html` and `img/logo.png`.
struct Fixture {
    folder: TempDir,
    /// Folder of the site.
    root: PathBuf,
    site: SiteContent,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("web/site");
        fs::create_dir_all(root.join("img")).unwrap();
        fs::set_permissions(folder.path().join("web"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(root.join("index.html"), "old").unwrap();
        fs::write(root.join("img/logo.png"), "logo").unwrap();
        let site = SiteContent::open(&root, &[folder.path().join("web")]).unwrap();
        Self { folder, root, site }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// Files below the folder of the site, with their contents.
    fn content(&self) -> Vec<(String, String)> {
        let mut found: Vec<_> = files::Walk::new(&self.root)
            .unwrap()
            .map(Result::unwrap)
            .filter(|entry| entry.metadata.is_file())
            .map(|entry| {
                let text = fs::read_to_string(self.root.join(&entry.path)).unwrap();
                (entry.path.display().to_string(), text)
            })
            .collect();
        found.sort();
        found
    }

    /// Makes an archive of files with a real program.
    fn archive(&self, kind: &str, entries: &[(&str, &str)]) -> File {
        let source = tempfile::tempdir_in(self.folder.path()).unwrap();
        for (name, text) in entries {
            let path = source.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let archive = self.folder.path().join(format!("archive.{kind}"));
        let _ = fs::remove_file(&archive);
        let status = match kind {
            "zip" => Command::new("python3")
                .args(["-m", "zipfile", "-c"])
                .arg(&archive)
                .args(fs::read_dir(source.path()).unwrap().map(|entry| entry.unwrap().path()))
                .status(),
            "tar" => {
                Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(source.path()).arg(".").status()
            }
            _ => Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(source.path()).arg(".").status(),
        };
        assert!(status.unwrap().success());
        File::open(archive).unwrap()
    }

    fn deploy(&self, kind: &str, entries: &[(&str, &str)], mode: Mode) -> Deployment {
        let prepared = self.site.prepare(&mut self.archive(kind, entries), mode).unwrap();
        prepared.apply(request()).unwrap()
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("web/.telarch-site")
    }
}

fn request() -> DeployRequest {
    DeployRequest { author: "alice".to_owned(), message: "release".to_owned(), time: 1_700_000_000 }
}

fn listed(prepared: &Prepared) -> Vec<(String, ChangeKind)> {
    prepared.changes().iter().map(|change| (change.path.to_string(), change.kind)).collect()
}

#[test]
fn archives_of_every_format_replace_the_content() {
    for kind in ["zip", "tar", "tar.gz"] {
        let fixture = Fixture::new();
        let before = fs::metadata(fixture.path("img/logo.png")).unwrap();
        let entries = [("index.html", "new"), ("img/logo.png", "logo"), ("js/app.js", "run()")];
        let prepared = fixture.site.prepare(&mut fixture.archive(kind, &entries), Mode::Replace).unwrap();
        let expected = [("index.html", ChangeKind::Changed), ("js/app.js", ChangeKind::Added)];
        assert_eq!(listed(&prepared), expected.map(|(path, change)| (path.to_owned(), change)), "{kind}");
        assert_eq!(fixture.read("index.html").as_deref(), Some("old"), "nothing changes before");
        let deployment = prepared.apply(request()).unwrap();
        assert_eq!(
            (deployment.number, deployment.added, deployment.changed, deployment.removed),
            (1, 1, 1, 0)
        );
        let content = fixture.content();
        let expected = [("img/logo.png", "logo"), ("index.html", "new"), ("js/app.js", "run()")];
        assert_eq!(content, expected.map(|(path, text)| (path.to_owned(), text.to_owned())), "{kind}");
        let after = fs::metadata(fixture.path("img/logo.png")).unwrap();
        assert_eq!(after.modified().unwrap(), before.modified().unwrap(), "an unchanged file keeps its time");
        assert_eq!(fs::metadata(fixture.path("js")).unwrap().mode() & 0o777, 0o755);
        assert_eq!(fs::metadata(fixture.path("js/app.js")).unwrap().mode() & 0o777, 0o644);
        assert_eq!(fixture.site.deployments().unwrap(), [deployment]);
    }
}

#[test]
fn replacing_removes_other_files_and_adding_keeps_them() {
    let fixture = Fixture::new();
    symlink("index.html", fixture.path("start")).unwrap();
    fs::set_permissions(fixture.path("img/logo.png"), fs::Permissions::from_mode(0o640)).unwrap();
    fixture.deploy("zip", &[("a.html", "a")], Mode::Add);
    assert_eq!(fixture.content().len(), 3);
    assert_eq!(fs::read_link(fixture.path("start")).unwrap(), Path::new("index.html"));
    assert_eq!(fs::metadata(fixture.path("img/logo.png")).unwrap().mode() & 0o777, 0o640);
    let removed = fixture.deploy("tar", &[("a.html", "a")], Mode::Replace);
    assert_eq!((removed.added, removed.changed, removed.removed), (0, 0, 3));
    assert_eq!(fixture.content(), [("a.html".to_owned(), "a".to_owned())]);
}

#[test]
fn a_rollback_restores_what_was_before_a_deployment() {
    let fixture = Fixture::new();
    let original = fixture.content();
    fixture.deploy("zip", &[("index.html", "one")], Mode::Replace);
    fixture.deploy("zip", &[("index.html", "two")], Mode::Replace);
    let prepared = fixture.site.prepare_rollback(1).unwrap();
    let expected = [("img/logo.png", ChangeKind::Added), ("index.html", ChangeKind::Changed)];
    assert_eq!(listed(&prepared), expected.map(|(path, change)| (path.to_owned(), change)));
    drop(prepared);
    let rollback = fixture.site.prepare_rollback(1).unwrap().apply(request()).unwrap();
    assert_eq!((rollback.number, rollback.kind), (3, DeploymentKind::Rollback { restored_before: 1 }));
    assert_eq!(fixture.content(), original);
    // The content before the rollback can be restored, too; the one that is in use again cannot.
    assert!(matches!(fixture.site.prepare_rollback(1), Err(DeployError::NotStored(1))));
    fixture.site.prepare_rollback(3).unwrap().apply(request()).unwrap();
    assert_eq!(fixture.read("index.html").as_deref(), Some("two"));
}

#[test]
fn only_the_newest_contents_are_stored() {
    let fixture = Fixture::new();
    for number in 1..=8 {
        fixture.deploy("tar", &[("index.html", &format!("{number}"))], Mode::Replace);
    }
    let restorable: Vec<u64> = fixture
        .site
        .deployments()
        .unwrap()
        .iter()
        .filter(|entry| entry.is_restorable)
        .map(|entry| entry.number)
        .collect();
    assert_eq!(restorable, [8, 7, 6, 5, 4]);
    let stored =
        fs::read_dir(fixture.store()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(stored.count(), 5);
}

#[test]
fn changes_between_preview_and_deployment_are_a_conflict() {
    let fixture = Fixture::new();
    let prepared = fixture.site.prepare(&mut fixture.archive("zip", &[("a", "a")]), Mode::Replace).unwrap();
    fs::write(fixture.path("upload"), "by another program").unwrap();
    assert!(matches!(prepared.apply(request()), Err(DeployError::Conflict { .. })));
    assert_eq!(fixture.read("index.html").as_deref(), Some("old"));
    assert!(!fixture.store().join("next").exists());
}

#[test]
fn a_second_deployment_at_the_same_time_is_refused() {
    let fixture = Fixture::new();
    let first = fixture.site.prepare(&mut fixture.archive("zip", &[("a", "a")]), Mode::Replace).unwrap();
    let second = fixture.site.prepare(&mut fixture.archive("zip", &[("b", "b")]), Mode::Replace);
    assert!(matches!(second, Err(DeployError::Busy)));
    first.apply(request()).unwrap();
    assert_eq!(fixture.content(), [("a".to_owned(), "a".to_owned())]);
}

#[test]
fn hostile_archives_change_nothing() {
    let fixture = Fixture::new();
    let before = fixture.content();
    let outside = fixture.folder.path().join("outside");
    let refused = |mut file: File| {
        let error = fixture.site.prepare(&mut file, Mode::Add).unwrap_err();
        assert_eq!(fixture.content(), before);
        assert!(!outside.exists() && !fixture.store().join("next").exists(), "{error}");
        error.to_string()
    };
    for (name, expected) in [
        ("../outside", "\"..\""),
        ("a/../../outside", "\"..\""),
        ("/outside", "absolute"),
        ("a\\outside", "backslash"),
        ("a\nb", "control character"),
    ] {
        for error in
            [refused(zip_with(&[(name, 0o100_644)])), refused(tar_with(name, tar::EntryType::Regular, ""))]
        {
            assert!(error.contains(expected), "{name:?}: {error}");
        }
    }
    let link = fixture.folder.path().display().to_string();
    for (kind, expected) in [
        (tar::EntryType::Symlink, "symbolic link"),
        (tar::EntryType::Link, "hard link"),
        (tar::EntryType::Char, "special file"),
        (tar::EntryType::Fifo, "special file"),
    ] {
        let error = refused(tar_with("a", kind, &link));
        assert!(error.contains(expected), "{error}");
    }
    let error = refused(zip_with(&[("a", 0o120_777)]));
    assert!(error.contains("symbolic link"), "{error}");
    for entries in [[("a", 0o100_644), ("a", 0o100_644)], [("a", 0o100_644), ("a/b", 0o100_644)]] {
        let error = refused(zip_with(&entries));
        assert!(error.contains("more than once"), "{error}");
    }
    for bytes in [&b""[..], b"PK\x03\x04", b"\x1f\x8b\x08", b"#!/bin/sh"] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let error = refused(file);
        assert!(error.contains("archive"), "{error}");
    }
}

#[test]
fn damaged_archives_change_nothing() {
    let fixture = Fixture::new();
    let before = fixture.content();
    let text = "x".repeat(100_000);
    for kind in ["zip", "tar.gz"] {
        drop(fixture.archive(kind, &[("index.html", &text), ("b", &text)]));
        let path = fixture.folder.path().join(format!("archive.{kind}"));
        let whole = fs::read(&path).unwrap();
        for length in [whole.len() / 2, whole.len() - 8] {
            fs::write(&path, whole.get(..length).unwrap()).unwrap();
            assert!(
                fixture.site.prepare(&mut File::open(&path).unwrap(), Mode::Add).is_err(),
                "{kind} {length}"
            );
        }
        assert_eq!(fixture.content(), before);
    }
}

#[test]
fn an_interrupted_deployment_is_completed_or_forgotten() {
    for was_exchanged in [false, true] {
        let fixture = Fixture::new();
        let first = fixture.deploy("tar", &[("index.html", "one")], Mode::Replace);
        // State of the disk before and after the exchange of a second deployment, without its history.
        let next = fixture.store().join("next");
        fs::create_dir(&next).unwrap();
        fs::write(next.join("index.html"), "two").unwrap();
        let file = fixture.store().join("deployments.json");
        let mut history = History::read(&file).unwrap();
        let deployment = Deployment { number: 2, ..first };
        let inode = fs::metadata(&next).unwrap().ino();
        history.pending = Some(Pending { deployment, source: "next".to_owned(), inode });
        history.write(&file).unwrap();
        if was_exchanged {
            let (aside, site) = (fixture.folder.path().join("aside"), &fixture.root);
            fs::rename(site, &aside).unwrap();
            fs::rename(&next, site).unwrap();
            fs::rename(&aside, &next).unwrap();
        }
        let third = fixture.deploy("tar", &[("index.html", "three")], Mode::Replace);
        assert_eq!(third.number, if was_exchanged { 3 } else { 2 });
        fixture.site.prepare_rollback(third.number).unwrap().apply(request()).unwrap();
        let restored = if was_exchanged { "two" } else { "one" };
        assert_eq!(fixture.read("index.html").as_deref(), Some(restored));
    }
}

#[test]
fn folders_that_others_can_replace_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (open, root) = (folder.path().join("open"), folder.path().join("root"));
    for path in [&open, &root] {
        fs::create_dir_all(path.join("site")).unwrap();
    }
    let reason = |site: &Path, roots: &[PathBuf]| SiteContent::open(site, roots).unwrap_err().to_string();
    assert!(reason(&root.join("site"), &[]).contains("ContentRoots"));
    assert!(reason(&root.join("site"), std::slice::from_ref(&open)).contains("not below"));
    assert!(
        reason(&root, std::slice::from_ref(&root)).contains("not below"),
        "the root itself is not released"
    );
    symlink(open.join("site"), root.join("link")).unwrap();
    assert!(
        reason(&root.join("link"), std::slice::from_ref(&root)).contains("not below"),
        "links are resolved first"
    );
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(reason(&open.join("site"), std::slice::from_ref(&open)).contains("other users can replace it"));
}

/// Writes a ZIP file with entries of these Unix modes.
fn zip_with(entries: &[(&str, u32)]) -> File {
    let mut bytes = Vec::new();
    let mut central = Vec::new();
    for (name, mode) in entries {
        let offset = u32::try_from(bytes.len()).unwrap();
        let length = u16::try_from(name.len()).unwrap();
        let common = |to: &mut Vec<u8>| {
            to.extend([20, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            to.extend([0; 12]);
            to.extend(length.to_le_bytes());
            to.extend([0, 0]);
        };
        bytes.extend(b"PK\x03\x04");
        common(&mut bytes);
        bytes.extend(name.as_bytes());
        central.extend(b"PK\x01\x02\x14\x03");
        common(&mut central);
        central.extend([0; 6]);
        central.extend((mode << 16).to_le_bytes());
        central.extend(offset.to_le_bytes());
        central.extend(name.as_bytes());
    }
    let (begin, size) = (u32::try_from(bytes.len()).unwrap(), u32::try_from(central.len()).unwrap());
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    bytes.extend(central);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count);
    bytes.extend(count);
    bytes.extend(size.to_le_bytes());
    bytes.extend(begin.to_le_bytes());
    bytes.extend([0, 0]);
    file_with(&bytes)
}

/// Writes a tar file with one entry, whose name is not checked.
fn tar_with(name: &str, kind: tar::EntryType, link: &str) -> File {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes().get_mut(..name.len()).unwrap().copy_from_slice(name.as_bytes());
    header.as_mut_bytes().get_mut(157..157 + link.len()).unwrap().copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(0);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend([0; 1_024]);
    file_with(&bytes)
}

fn file_with(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}
