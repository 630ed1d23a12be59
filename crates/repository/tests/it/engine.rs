//! Tests of queries for the contents of the repository, through the engine.

use std::sync::Arc;

use cim::{ColumnSet, Instance, Name, Namespace, ObjectPath, Schema, Status, Value};
use sddl::{DomainSid, Token, well_known};
use telarch_repository::{ReloadingEngine, Repository};
use wmi::{Context, Engine, Error};

use crate::{compile, default};

fn reloading(repository: Repository) -> ReloadingEngine {
    let begin = || {
        Engine::builder("node7", 0)
            .namespace(Schema::of(Namespace::cimv2()))
            .namespace(Schema::of(Namespace::parse("root/scx").unwrap()))
    };
    ReloadingEngine::new(Arc::new(repository), begin).unwrap()
}

fn me() -> Context {
    Context::of_this_process("alice")
}

async fn count(engine: &Engine, namespace: &Namespace, query: &str) -> Result<usize, Error> {
    let mut rows = engine.query(&me(), namespace, query)?;
    let mut count = 0;
    while let Some(row) = rows.next().await {
        row?;
        count += 1;
    }
    Ok(count)
}

const NOTE: &str = "class Note { [Key] string Id; string Text; };\nclass Long : Note { };\n";

#[tokio::test]
async fn instances_can_be_found_created_changed_and_removed() {
    let reloading = reloading(Repository::in_memory());
    reloading.repository().update(|contents| compile(contents, NOTE)).unwrap();
    let engine = reloading.engine();
    let class = engine.schema(&default()).unwrap().require("Long").unwrap();
    let note = Instance::new(class.clone()).with("Id", "Ä").unwrap().with("Text", "a").unwrap();
    let path = engine.create(&me(), &default(), note.clone()).await.unwrap();
    let error = engine.create(&me(), &default(), note.clone()).await.unwrap_err();
    assert_eq!(error.status(), Status::AlreadyExists);
    // The instance is found through superclasses, and by keys that differ in case.
    assert_eq!(count(&engine, &default(), "SELECT * FROM Note WHERE Id = 'ä'").await.unwrap(), 1);
    assert_eq!(count(&engine, &default(), "SELECT * FROM Note WHERE __CLASS = 'Note'").await.unwrap(), 0);
    let given: ColumnSet = class.column("Text").into_iter().collect();
    let changed = engine.put(&me(), &default(), note.with("Text", "b").unwrap(), &given).await.unwrap();
    assert_eq!(changed.value("Text"), Some(&Value::text("b")));
    engine.delete(&me(), &default(), &path).await.unwrap();
    assert_eq!(engine.delete(&me(), &default(), &path).await.unwrap_err().status(), Status::NotFound);
}

#[tokio::test]
async fn a_compiled_class_is_available_immediately() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repository.mof");
    let reloading = reloading(Repository::open(&path).unwrap());
    let query = "SELECT * FROM Note";
    let error = count(&reloading.engine(), &default(), query).await.unwrap_err();
    assert_eq!(error.status(), Status::InvalidClass);
    let other = Repository::open(&path).unwrap();
    let text = format!("{NOTE}instance of Note {{ Id = \"1\"; }};");
    other.update(|contents| compile(contents, &text)).unwrap();
    assert_eq!(count(&reloading.engine(), &default(), query).await.unwrap(), 1);
    other.update(|contents| compile(contents, "#pragma deleteclass(\"Note\", FAIL)")).unwrap();
    let error = count(&reloading.engine(), &default(), query).await.unwrap_err();
    assert_eq!(error.status(), Status::InvalidClass);
}

#[tokio::test]
async fn namespaces_are_instances_that_can_be_created_and_removed() {
    let reloading = reloading(Repository::in_memory());
    let root = Namespace::parse("root").unwrap();
    let engine = reloading.engine();
    let class = engine.schema(&root).unwrap().require("__Namespace").unwrap();
    let site = Instance::new(class).with("Name", "Site").unwrap();
    let path = engine.create(&me(), &root, site.clone()).await.unwrap();
    let engine = reloading.engine();
    let names = "SELECT * FROM __Namespace WHERE Name = 'site' OR Name = 'scx' OR Name = 'cimv2'";
    assert_eq!(count(&engine, &root, names).await.unwrap(), 3);
    engine.schema(&Namespace::parse("root/site").unwrap()).unwrap();
    let again = engine.create(&me(), &root, site).await.unwrap_err();
    assert_eq!(again.status(), Status::AlreadyExists);
    engine.delete(&me(), &root, &path).await.unwrap();
    assert_eq!(count(&reloading.engine(), &root, names).await.unwrap(), 2);
    let builtin = ObjectPath::parse("__Namespace.Name='cimv2'").unwrap();
    let error = reloading.engine().delete(&me(), &root, &builtin).await.unwrap_err();
    assert_eq!(error.status(), Status::InvalidOperation);
}

#[tokio::test]
async fn provider_registrations_are_stored_like_other_instances() {
    let reloading = reloading(Repository::in_memory());
    let engine = reloading.engine();
    let class = engine.schema(&Namespace::cimv2()).unwrap().require("__Win32Provider").unwrap();
    let provider = Instance::new(class).with("Name", "Site").unwrap();
    let path = engine.create(&me(), &Namespace::cimv2(), provider).await.unwrap();
    assert_eq!(path.to_string(), "__Win32Provider.Name=\"Site\"");
    assert_eq!(count(&engine, &Namespace::cimv2(), "SELECT * FROM __Provider").await.unwrap(), 1);
}

#[tokio::test]
async fn writing_stored_instances_requires_other_rights_than_provider_instances() {
    let machine = DomainSid::new([1, 2, 3]);
    let alice = Context::local(
        "alice",
        Token::new(machine.account(3000), [well_known::AUTHENTICATED_USERS], machine),
    );
    let reloading = reloading(Repository::in_memory());
    reloading.repository().update(|contents| compile(contents, NOTE)).unwrap();
    let engine = reloading.engine();
    let of = |class: &str, key: &str| {
        let class = engine.schema(&default()).unwrap().require(class).unwrap();
        Instance::new(class).with(key, "1").unwrap()
    };
    for (sddl, note, registration) in [
        (None, false, false),
        (Some("D:(A;;SW;;;AU)"), true, false),
        (Some("D:(A;;LC;;;AU)"), true, true),
        (Some("D:(A;;RP;;;AU)"), false, false),
    ] {
        if let Some(sddl) = sddl {
            let guard = sddl::Guard::parse(sddl).unwrap();
            let secure = |contents: &mut telarch_repository::Contents| {
                contents.secure(&default(), guard);
                Ok(())
            };
            reloading.repository().update(secure).unwrap();
        }
        for (class, key, may) in [("Note", "Id", note), ("__Win32Provider", "Name", registration)] {
            let instance = of(class, key);
            let path = instance.path().unwrap();
            let made = engine.create(&alice, &default(), instance).await;
            assert_eq!(made.is_ok(), may, "{sddl:?} {class}: {made:?}");
            if may {
                engine.delete(&alice, &default(), &path).await.unwrap();
            }
        }
    }
    assert!(
        engine
            .schema(&default())
            .unwrap()
            .class("Note")
            .is_some_and(|class| { *class.name() == Name::parse("note").unwrap() })
    );
}
