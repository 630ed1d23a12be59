//! Tests that the file is always replaced as a whole.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use cim::{Namespace, Status};
use sddl::Guard;
use telarch_repository::{Compiler, Error, Repository};
use wmi::Descriptors as _;

use crate::{compile, default};

fn add(repository: &Repository, text: &str) -> Result<(), Error> {
    repository.update(|contents| compile(contents, text)).map(drop)
}

fn classes(repository: &Repository) -> usize {
    repository.contents().namespace(&default()).unwrap().declarations().len()
}

#[test]
fn contents_and_descriptors_are_read_back_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repository.mof");
    let repository = Repository::open(&path).unwrap();
    add(&repository, "class A { [Key] string X; };\ninstance of A { X = \"\\\"\\n\"; };").unwrap();
    let cimv2 = Namespace::cimv2();
    repository.replace(&cimv2, Guard::parse("D:P(A;;CC;;;AU)").unwrap()).unwrap();
    // A namespace of a provider is unknown to the repository, but can have a descriptor.
    let other = Namespace::parse("root/scx").unwrap();
    repository.replace(&other, Guard::parse("D:P").unwrap()).unwrap();
    let again = Repository::open(&path).unwrap();
    assert_eq!(again.export(None), repository.export(None));
    assert_eq!(again.descriptor(&cimv2).unwrap().to_string(), "D:P(A;;CC;;;AU)");
    assert_eq!(again.descriptor(&other).unwrap().to_string(), "D:P");
    assert_eq!(again.descriptor(&default()), None);
}

#[test]
fn changes_written_by_another_repository_are_read_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repository.mof");
    let (one, other) = (Repository::open(&path).unwrap(), Repository::open(&path).unwrap());
    add(&one, "class A { };").unwrap();
    add(&other, "class B { };").unwrap();
    assert_eq!((classes(&one), classes(&other)), (1, 2));
    assert!(one.refresh().unwrap());
    assert_eq!(classes(&one), 2);
    one.refresh().unwrap();
    assert!(!one.refresh().unwrap(), "nothing has changed since");
}

#[test]
fn concurrent_writers_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let path = Arc::new(folder.path().join("repository.mof"));
    let threads = (0..4).map(|thread| {
        let path = path.clone();
        std::thread::spawn(move || {
            let repository = Repository::open(&path).unwrap();
            for number in 0..20 {
                add(&repository, &format!("class A{thread}_{number} {{ }};")).unwrap();
            }
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(classes(&Repository::open(&path).unwrap()), 80);
}

#[test]
fn leftovers_of_a_killed_writer_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repository.mof");
    add(&Repository::open(&path).unwrap(), "class A { };").unwrap();
    fs::write(folder.path().join(".repository.mof.new"), "class Hal").unwrap();
    let repository = Repository::open(&path).unwrap();
    assert_eq!(classes(&repository), 1);
    add(&repository, "class B { };").unwrap();
    assert_eq!(classes(&Repository::open(&path).unwrap()), 2);
}

#[test]
fn an_invalid_file_is_reported_with_its_line_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repository.mof");
    let repository = Repository::open(&path).unwrap();
    add(&repository, "class A { };").unwrap();
    repository.refresh().unwrap();
    fs::write(&path, "#pragma namespace(\"root/default\")\nclass B : C { };").unwrap();
    let error = repository.refresh().unwrap_err().to_string();
    assert!(error.ends_with("repository.mof:2:1: class B: the superclass C is missing"), "{error}");
    assert_eq!(classes(&repository), 1);
    assert!(!repository.refresh().unwrap(), "it is told of once");
    add(&repository, "class D { };").unwrap_err();
    assert!(fs::read_to_string(&path).unwrap().contains("class B : C"), "nothing was written over it");
}

#[test]
fn an_unreadable_file_denies_all_access_until_it_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repository.mof");
    fs::write(&path, "class").unwrap();
    let (repository, wrong) = Repository::open_or_closed(&path);
    assert!(wrong.is_some());
    for namespace in ["root", "root/cimv2"] {
        let namespace = Namespace::parse(namespace).unwrap();
        assert_eq!(repository.descriptor(&namespace).unwrap().to_string(), "D:P");
    }
    fs::write(&path, "// nothing yet").unwrap();
    assert!(repository.refresh().unwrap());
    assert_eq!(repository.descriptor(&Namespace::cimv2()), None);
    let (_, wrong) = Repository::open_or_closed(&folder.path().join("none/repository.mof"));
    assert!(wrong.is_some());
}

#[test]
fn a_file_writable_by_others_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repository.mof");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let error = Repository::open(&path).unwrap_err().to_string();
    assert!(error.contains("is writable by all users"), "{error}");
}

#[test]
fn contents_over_the_read_limit_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repository.mof");
    let repository = Repository::open(&path).unwrap();
    let mut compiler = Compiler::new(default());
    let text = format!("instance of A {{ X = \"{}\"; }};", "x".repeat(3 << 20));
    compiler.text("0.mof".as_ref(), "class A { [Key] string X; };").unwrap();
    for number in 0..3 {
        compiler.text("a.mof".as_ref(), &text.replacen('x', &format!("{number}"), 1)).unwrap();
    }
    let error = repository.update(|contents| compiler.apply(contents)).unwrap_err();
    assert_eq!(error.status(), Status::QuotaViolation, "{error}");
    assert!(!path.exists() && classes(&repository) == 0);
}
