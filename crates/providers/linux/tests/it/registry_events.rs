//! Tests that requested changes of the registry are reported, and no others.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cim::{Identity, Instance, Name, Namespace, ObjectPath, Status, Value};
use telarch_provider_linux::Machine;
use tokio::time::timeout;
use wmi::{Context, Error, Events, Occurrence};

use crate::{engine, text};

/// Longer than the rest between two comparisons.
const SILENCE: Duration = Duration::from_millis(600);

const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the time in units of 100 ns since 1601 (MS-DTYP 2.3.3).
fn file_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() / 100;
    116_444_736_000_000_000 + u64::try_from(since).unwrap()
}

fn namespace() -> Namespace {
    Namespace::parse("root/default").unwrap()
}

async fn subscribe(machine: &Arc<Machine>, query: &str) -> Result<Events, Error> {
    engine(machine).subscribe(&Context::of_this_process("test"), &namespace(), query).await
}

async fn next(events: &mut Events) -> Instance {
    match timeout(PATIENCE, events.next()).await.expect("an event in time").unwrap().unwrap() {
        Occurrence::Event(event) => event,
        other => panic!("{other:?}"),
    }
}

/// Sets a number, creating the key.
async fn set(machine: &Arc<Machine>, key: &str, name: &str, number: u32) {
    let class = Name::parse("StdRegProv").unwrap();
    let path = ObjectPath { server: None, namespace: None, class, identity: Identity::Class };
    let input = |operation: &cim::Operation| {
        let begin = Instance::with_defaults(operation.input.clone());
        begin.with("sSubKeyName", key.to_owned())?.with("sValueName", name.to_owned())?.with("uValue", number)
    };
    let context = Context::of_this_process("test");
    let answer = engine(machine).invoke(&context, &namespace(), &path, "SetDWORDValue", input).await.unwrap();
    assert_eq!(text(&answer, "ReturnValue"), "0");
}

fn keeping(folder: &Path) -> Arc<Machine> {
    Arc::new(Machine::this().keeping(folder, None))
}

#[tokio::test]
async fn only_changes_of_the_watched_key_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let machine = keeping(folder.path());
    set(&machine, "SOFTWARE\\Site\\Deep", "a", 0).await;
    let of = |class: &str, rest: &str| {
        format!("SELECT * FROM {class} WHERE Hive = 'HKEY_LOCAL_MACHINE' AND {rest}")
    };
    let mut key =
        subscribe(&machine, &of("RegistryKeyChangeEvent", "KeyPath = 'SOFTWARE\\\\Site'")).await.unwrap();
    let value = "ValueName = 'b' AND KeyPath = 'software\\\\site'";
    let mut value = subscribe(&machine, &of("RegistryValueChangeEvent", value)).await.unwrap();
    let mut tree =
        subscribe(&machine, &of("RegistryTreeChangeEvent", "RootPath = 'SOFTWARE\\\\Site'")).await.unwrap();

    // A key below, and a sibling.
    set(&machine, "SOFTWARE\\Site\\Deep", "a", 1).await;
    let event = next(&mut tree).await;
    assert_eq!([text(&event, "Hive"), text(&event, "RootPath")], ["HKEY_LOCAL_MACHINE", "SOFTWARE\\Site"]);
    assert!(matches!(event.value("TIME_CREATED"), Some(Value::Uint64(_))));
    set(&machine, "SOFTWARE\\Site2", "a", 1).await;
    // Another value of the key.
    set(&machine, "SOFTWARE\\Site", "a", 1).await;
    assert_eq!(text(&next(&mut key).await, "KeyPath"), "SOFTWARE\\Site");
    next(&mut tree).await;
    // A new subkey, then the value itself: created, then changed.
    set(&machine, "SOFTWARE\\Site\\New", "a", 1).await;
    next(&mut key).await;
    next(&mut tree).await;
    for number in [1, 2] {
        set(&machine, "SOFTWARE\\Site", "B", number).await;
        let event = next(&mut value).await;
        assert_eq!([text(&event, "ValueName"), text(&event, "KeyPath")], ["b", "software\\site"]);
        next(&mut key).await;
        next(&mut tree).await;
    }
    // Further events would have been queued before this change, and have earlier times.
    let changed = file_time();
    set(&machine, "SOFTWARE\\Site", "B", 3).await;
    for events in [&mut key, &mut value, &mut tree] {
        let event = next(events).await;
        let Some(Value::Uint64(time)) = event.value("TIME_CREATED") else { panic!("{event:?}") };
        assert!(*time >= changed, "{event:?}");
    }
}

#[tokio::test]
async fn frequently_written_key_is_checked_at_intervals() {
    let folder = tempfile::tempdir().unwrap();
    let machine = keeping(folder.path());
    set(&machine, "SOFTWARE\\Site", "a", 0).await;
    let query = "SELECT * FROM RegistryKeyChangeEvent WHERE Hive = 'HKEY_LOCAL_MACHINE' AND \
                 KeyPath = 'SOFTWARE\\\\Site'";
    let mut events = subscribe(&machine, query).await.unwrap();
    let begun = Instant::now();
    let (mut reported, mut last) = (0, begun);
    for number in 1..=50 {
        set(&machine, "SOFTWARE\\Site", "a", number).await;
        tokio::task::yield_now().await;
    }
    while let Ok(Some(Ok(Occurrence::Event(_)))) = timeout(SILENCE, events.next()).await {
        (reported, last) = (reported + 1, Instant::now());
    }
    let most = (last - begun).as_millis() / 200 + 2;
    assert!((1..=most).contains(&reported), "{reported} events in {:?}", last - begun);
}

#[tokio::test]
async fn registry_file_created_later_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let machine = keeping(&folder.path().join("below/further"));
    let query =
        "SELECT * FROM RegistryTreeChangeEvent WHERE Hive = 'hkey_local_machine' AND RootPath = 'SOFTWARE'";
    let mut events = subscribe(&machine, query).await.unwrap();
    for number in [1, 2] {
        set(&machine, "SOFTWARE\\Site", "a", number).await;
        assert_eq!(text(&next(&mut events).await, "Hive"), "hkey_local_machine");
    }
}

#[tokio::test]
async fn registry_views_report_changes_of_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("etc/systemd/system/web.service", "[Unit]\nDescription=Web\n");
    let machine = Arc::new(Machine::at(folder.path()));
    let services = "SYSTEM\\\\CurrentControlSet\\\\Services";
    let query = format!(
        "SELECT * FROM RegistryKeyChangeEvent WHERE Hive = 'HKEY_LOCAL_MACHINE' \
         AND (KeyPath = '{services}' OR KeyPath = '{services}\\\\web')"
    );
    let mut events = subscribe(&machine, &query).await.unwrap();
    let services = services.replace("\\\\", "\\");
    write("etc/systemd/system/web.service", "[Unit]\nDescription=The web\n");
    assert_eq!(text(&next(&mut events).await, "KeyPath"), format!("{services}\\web"));
    write("usr/lib/systemd/system/mail.service", "[Unit]\n");
    assert_eq!(text(&next(&mut events).await, "KeyPath"), services);
    // The unit now starts at boot, in a folder that is new.
    write("etc/systemd/system/multi-user.target.wants/web.service", "");
    assert_eq!(text(&next(&mut events).await, "KeyPath"), format!("{services}\\web"));
}

#[tokio::test]
async fn registry_event_query_without_key_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let machine = keeping(folder.path());
    for (query, status) in [
        ("RegistryKeyChangeEvent", Status::RegistrationTooBroad),
        ("RegistryEvent", Status::RegistrationTooBroad),
        ("RegistryKeyChangeEvent WHERE Hive = 'HKEY_LOCAL_MACHINE'", Status::RegistrationTooBroad),
        (
            "RegistryKeyChangeEvent WHERE Hive = 'HKEY_LOCAL_MACHINE' OR KeyPath = 'SOFTWARE'",
            Status::RegistrationTooBroad,
        ),
        (
            "RegistryKeyChangeEvent WHERE Hive = 'HKEY_LOCAL_MACHINE' AND KeyPath LIKE 'SOFT%'",
            Status::RegistrationTooBroad,
        ),
        (
            "RegistryValueChangeEvent WHERE Hive = 'HKEY_LOCAL_MACHINE' AND KeyPath = 'SOFTWARE'",
            Status::RegistrationTooBroad,
        ),
        (
            "RegistryKeyChangeEvent WHERE Hive = 'HKEY_CURRENT_USER' AND KeyPath = 'SOFTWARE'",
            Status::InvalidParameter,
        ),
        (
            "RegistryTreeChangeEvent WHERE Hive = 'HKEY_LOCAL_MACHINE' AND RootPath = 'SOFTWARE\\\\No'",
            Status::NotFound,
        ),
    ] {
        let error = subscribe(&machine, &format!("SELECT * FROM {query}")).await.expect_err(query);
        assert_eq!(error.status(), status, "{query}: {error}");
    }
}
