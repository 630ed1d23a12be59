//! Tests of the store, in both forms.

use postgres_server::PostgresServer;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

/// Store that can be closed and opened again.
struct Place {
    folder: TempDir,
    server: Option<PostgresServer>,
}

impl Place {
    /// Returns a place for SQLite, and one for PostgreSQL if it is installed.
    fn all() -> Vec<Self> {
        let place = |server| Self { folder: tempfile::tempdir().unwrap(), server };
        let database = PostgresServer::start();
        std::iter::once(place(None)).chain(database.map(|server| place(Some(server)))).collect()
    }

    /// Opens the store as a node.
    async fn open_as(&self, node: &str) -> Result<Store, CollectorError> {
        Store::open(match &self.server {
            None => StoreSettings::File(self.folder.path().join("events.sqlite")),
            Some(server) => StoreSettings::Database {
                settings: database_settings(&server.settings()),
                node_file: self.folder.path().join(node),
            },
        })
        .await
    }

    async fn open(&self) -> Store {
        self.open_as("node").await.unwrap()
    }
}

fn database_settings(text: &str) -> Box<DatabaseSettings> {
    Box::new(DatabaseSettings::parse("event-store.toml".as_ref(), text.as_bytes()).unwrap())
}

/// Calls a function on a thread without a runtime, like the one that writes.
async fn on_thread<T: Send + 'static>(
    store: &Store,
    function: impl FnOnce(Store) -> Result<T, CollectorError> + Send + 'static,
) -> T {
    let store = store.clone();
    blocking(move || std::thread::spawn(move || function(store)).join().unwrap()).await.unwrap()
}

async fn commit(store: &Store, batches: &[Committed], seen: &[Seen]) {
    let group = Group { batches: batches.to_vec(), seen: seen.to_vec(), files: Vec::new() };
    on_thread(store, move |store| store.commit(&group)).await;
}

async fn contains(store: &Store, batch: Committed) -> bool {
    on_thread(store, move |store| store.contains(&[&batch])).await[0]
}

fn seen(now: i64) -> Seen {
    Seen {
        source: "certificate:win10".to_owned(),
        proof: "certificate",
        principal: "win10".to_owned(),
        machine_id: Some("win10.example".to_owned()),
        subscription: "S".to_owned(),
        remote_ip: "127.0.0.1".to_owned(),
        version: Some("V".to_owned()),
        fault: None,
        failure: None,
        now,
    }
}

fn batch(digest: u8, bookmark: Option<String>) -> Committed {
    Committed { seen: seen(5), bookmark, has_events: true, digest: [digest; 32] }
}

fn position(records: &[(&str, u64)]) -> Option<String> {
    let bookmarks = records.iter().map(|(channel, record)| {
        format!("<Bookmark Channel=\"{channel}\" RecordId=\"{record}\" IsCurrent=\"true\"/>")
    });
    Some(format!("<BookmarkList>{}</BookmarkList>", bookmarks.collect::<String>()))
}

async fn bookmark(store: &Store) -> Option<String> {
    let bookmarks = store.bookmarks("certificate:win10").await.unwrap();
    bookmarks.into_iter().find(|(subscription, _)| subscription == "S").map(|(_, bookmark)| bookmark)
}

/// Returns the states without the node, whose identifier is random.
async fn states(store: &Store) -> Vec<SourceState> {
    let states = store.states("S").await.unwrap();
    assert!(states.iter().all(|state| state.node.is_some() == matches!(store, Store::Postgres(_))));
    states.into_iter().map(|state| SourceState { node: None, ..state }).collect()
}

#[tokio::test]
async fn bookmarks_and_batches_survive_a_restart() {
    for place in Place::all() {
        let first = batch(1, Some("B".to_owned()));
        let store = place.open().await;
        assert!(!store.admits_source("certificate:win10", 0).await.unwrap());
        commit(&store, std::slice::from_ref(&first), &[seen(4)]).await;
        drop(store);
        let store = place.open().await;
        assert!(contains(&store, first).await && !contains(&store, batch(2, None)).await);
        assert_eq!(bookmark(&store).await.as_deref(), Some("B"));
        assert!(store.admits_source("certificate:win10", 0).await.unwrap());
        assert!(!store.admits_source("certificate:win11", 1).await.unwrap());
        assert!(store.admits_source("certificate:win11", 2).await.unwrap());
        commit(&store, &[], &[Seen { fault: Some("ended".to_owned()), version: None, ..seen(9) }]).await;
        let expected = SourceState {
            source: "certificate:win10".to_owned(),
            bookmark: Some("B".to_owned()),
            batches: 1,
            last_event: Some(5),
            last_heartbeat: Some(9),
            remote_ip: Some("127.0.0.1".to_owned()),
            version_seen: Some("V".to_owned()),
            last_fault: Some("ended".to_owned()),
            fault_code: None,
            fault_time: Some(9),
            retry_time: None,
            node: None,
        };
        assert_eq!(states(&store).await, std::slice::from_ref(&expected));
        // A failed connection is no message.
        let failure = Some(Failure { code: Some(1_326), retry: 40 });
        commit(&store, &[], &[Seen { fault: Some("refused".to_owned()), failure, ..seen(20) }]).await;
        let failed = SourceState {
            last_fault: Some("refused".to_owned()),
            fault_code: Some(1_326),
            fault_time: Some(20),
            retry_time: Some(40),
            ..expected
        };
        assert_eq!(states(&store).await, [failed]);
        let position = Committed { has_events: false, seen: seen(30), ..batch(3, Some("C".to_owned())) };
        commit(&store, &[position], &[]).await;
        let state = states(&store).await.remove(0);
        assert_eq!((state.bookmark.as_deref(), state.last_event, state.batches), (Some("C"), Some(5), 1));
        assert_eq!((state.last_fault, state.retry_time), (None, None));
    }
}

#[tokio::test]
async fn only_the_latest_batches_are_recognised() {
    for place in Place::all() {
        let store = place.open().await;
        for digest in 0..20 {
            commit(&store, &[batch(digest, None)], &[]).await;
        }
        assert!(contains(&store, batch(19, None)).await && contains(&store, batch(12, None)).await);
        assert!(!contains(&store, batch(11, None)).await);
    }
}

#[tokio::test]
async fn a_store_of_a_later_version_is_refused() {
    let insert = "INSERT INTO migration (version, applied_at) VALUES (99, 0)";
    for place in Place::all() {
        drop(place.open().await);
        let error = match &place.server {
            None => {
                let connection = Connection::open(place.folder.path().join("events.sqlite")).unwrap();
                connection.execute(insert, []).unwrap();
                place.open_as("node").await.err().unwrap()
            }
            Some(server) => {
                server.execute(insert);
                place.open_as("node").await.err().unwrap()
            }
        };
        let is_refused = match error {
            CollectorError::LaterStore { found, .. } | CollectorError::LaterDatabase { found, .. } => {
                found == 99
            }
            _ => false,
        };
        assert!(is_refused, "{error}");
    }
}

#[tokio::test]
async fn lengths_of_files_belong_to_their_node() {
    for place in Place::all() {
        let file = |length| CommittedFile { path: "/e.jsonl".into(), inode: u64::MAX, length };
        let store = place.open().await;
        let group = Group { files: vec![file(1), file(7)], ..Group::default() };
        on_thread(&store, move |store| store.commit(&group)).await;
        drop(store);
        assert_eq!(place.open().await.committed_files().await.unwrap(), [file(7)]);
        let store = place.open().await;
        if place.server.is_some() {
            let other = place.open_as("other").await.unwrap();
            assert_eq!(other.committed_files().await.unwrap(), []);
            other.forget_files(vec!["/e.jsonl".into()]).await.unwrap();
        }
        assert_eq!(store.committed_files().await.unwrap(), [file(7)]);
        store.forget_files(vec!["/e.jsonl".into()]).await.unwrap();
        assert_eq!(store.committed_files().await.unwrap(), []);
    }
}

#[tokio::test]
async fn deliveries_of_sources_are_remembered_until_their_end() {
    for place in Place::all() {
        let store = place.open().await;
        store.set_delivery("address:web1", "S", Some("first")).await.unwrap();
        store.set_delivery("address:web1", "S", Some("second")).await.unwrap();
        drop(store);
        let store = place.open().await;
        assert_eq!(store.delivery("address:web1", "S").await.unwrap().as_deref(), Some("second"));
        assert_eq!(store.delivery("address:web1", "T").await.unwrap(), None);
        store.set_delivery("address:web1", "S", None).await.unwrap();
        assert_eq!(store.delivery("address:web1", "S").await.unwrap(), None);
    }
}

/// Moves the content of the file to the database of a place.
async fn move_store(place: &Place, occupied: Occupied) -> Result<Moved, CollectorError> {
    let file = place.folder.path().join("events.sqlite");
    let settings = database_settings(&place.server.as_ref().unwrap().settings());
    let target = StoreSettings::Database { settings, node_file: place.folder.path().join("node") };
    blocking(move || move_to_database(&file, &target, occupied)).await
}

#[tokio::test]
async fn the_content_of_a_file_moves_to_a_database_as_a_whole() {
    let Some(place) = database() else { return };
    let path = place.folder.path().join("events.sqlite");
    let file = CommittedFile { path: "/e.jsonl".into(), inode: 3, length: 7 };
    let store = Store::open(StoreSettings::File(path.clone())).await.unwrap();
    let Store::Sqlite(sqlite) = &store else { panic!("no file") };
    let row = |name: &str| SubscriptionRow {
        id: name.to_owned(),
        name: format!("name of {name}"),
        document: "<Subscription/>".to_owned(),
        version: "V".to_owned(),
    };
    sqlite.set_subscriptions(&[row("S"), row("T")], 1).unwrap();
    sqlite.set_subscriptions(&[row("S")], 2).unwrap();
    let failed = Seen {
        source: "address:web1".to_owned(),
        failure: Some(Failure { code: Some(5), retry: 9 }),
        fault: Some("cannot\0connect".to_owned()),
        ..seen(6)
    };
    let group = Group {
        batches: vec![batch(1, position(&[("System", 10)]))],
        seen: vec![failed],
        files: vec![file.clone()],
    };
    on_thread(&store, move |store| store.commit(&group)).await;
    store.set_delivery("address:web1", "S", Some("first")).await.unwrap();
    let before = states(&store).await;
    let error = move_store(&place, Occupied::Refuse).await.unwrap_err();
    assert!(matches!(error, CollectorError::StoreInUse { .. }), "{error}");
    drop(store);

    let moved = move_store(&place, Occupied::Refuse).await.unwrap();
    let renamed = path.with_extension("sqlite.moved");
    assert_eq!(moved, Moved { subscriptions: 2, sources: 2, bookmarks: 1, renamed: renamed.clone() });
    assert!(!path.exists() && renamed.exists());
    let store = place.open().await;
    let after = store.states("S").await.unwrap();
    let after: Vec<SourceState> = after.into_iter().map(|one| SourceState { node: None, ..one }).collect();
    let clean = |mut state: SourceState| {
        state.last_fault = state.last_fault.map(|fault| fault.replace('\0', "\u{FFFD}"));
        state
    };
    assert_eq!(after, before.into_iter().map(clean).collect::<Vec<_>>());
    assert!(contains(&store, batch(1, None)).await, "a repeated batch is not recognised");
    assert_eq!(store.delivery("address:web1", "S").await.unwrap().as_deref(), Some("first"));
    assert_eq!(store.committed_files().await.unwrap(), [file]);
    let server = place.server.as_ref().unwrap();
    assert_eq!(server.execute("SELECT string_agg(id, ',') FROM subscription WHERE enabled"), "S");
    assert_eq!(server.execute("SELECT string_agg(id, ',') FROM node_subscription"), "S");
    // An older bookmark does not win after the move either.
    commit(&store, &[batch(2, position(&[("System", 9)]))], &[]).await;
    assert_eq!(bookmark(&store).await, position(&[("System", 10)]));
    drop(store);

    let error = move_store(&place, Occupied::Refuse).await.unwrap_err();
    assert!(matches!(error, CollectorError::NoStore { .. }), "{error}");
    drop(Store::open(StoreSettings::File(path.clone())).await.unwrap());
    let error = move_store(&place, Occupied::Refuse).await.unwrap_err();
    let CollectorError::DatabaseOccupied { subscriptions: 2, sources: 2, .. } = error else {
        panic!("{error}")
    };
    assert!(path.exists(), "a refused move renames nothing");
    assert_eq!(server.execute("SELECT count(*) FROM source_state"), "2");
    let moved = move_store(&place, Occupied::Replace).await.unwrap();
    assert_eq!((moved.subscriptions, moved.sources, moved.bookmarks), (0, 0, 0));
    assert_eq!(server.execute("SELECT count(*) FROM source_state"), "0");
}

/// Returns the place with a database, if PostgreSQL is installed.
fn database() -> Option<Place> {
    Place::all().into_iter().find(|place| place.server.is_some())
}

#[tokio::test]
async fn an_older_bookmark_of_another_node_never_wins() {
    let Some(place) = database() else { return };
    let (one, other) = (place.open_as("one").await.unwrap(), place.open_as("other").await.unwrap());
    commit(&one, &[batch(1, position(&[("System", 10), ("Security", 5)]))], &[]).await;
    commit(&other, &[batch(2, position(&[("System", 9), ("Security", 5)]))], &[]).await;
    assert_eq!(bookmark(&one).await, position(&[("System", 10), ("Security", 5)]));
    assert_eq!(states(&one).await[0].batches, 2, "the batch was stored");
    // In one transaction the latest position wins, too.
    let batches = [batch(3, position(&[("System", 12)])), batch(4, position(&[("System", 11)]))];
    commit(&other, &batches, &[]).await;
    assert_eq!(bookmark(&one).await, position(&[("System", 12)]));
    // A batch that another node has committed changes nothing.
    assert!(contains(&one, batch(4, None)).await);
    commit(&one, &[batch(3, position(&[("System", 50)]))], &[]).await;
    assert_eq!(bookmark(&one).await, position(&[("System", 12)]));
    assert_eq!(states(&one).await[0].batches, 4);
    // The administrator's reset lets record numbers begin anew.
    let settings = database_settings(&place.server.as_ref().unwrap().settings());
    let settings = StoreSettings::Database { settings, node_file: PathBuf::new() };
    let reset = blocking(move || {
        let reader = StoreReader::open(&settings)?.unwrap();
        reader.reset(&["certificate:win10".to_owned()])
    });
    assert_eq!(reset.await.unwrap(), 1);
    assert_eq!(bookmark(&other).await, None);
    commit(&other, &[batch(5, position(&[("System", 1)]))], &[]).await;
    assert_eq!(bookmark(&one).await, position(&[("System", 1)]));
}

#[tokio::test]
async fn concurrent_commits_of_nodes_keep_the_latest_position_of_each_source() {
    let Some(place) = database() else { return };
    let (one, other) = (place.open_as("one").await.unwrap(), place.open_as("other").await.unwrap());
    let source = |number: u64| format!("certificate:host{number}");
    let mut tasks = Vec::new();
    for (node, store) in [(0u8, one.clone()), (1, other.clone())] {
        tasks.push(tokio::spawn(async move {
            for round in 0..30u8 {
                // Each node has its own order of sources, so that only the order of the statements avoids deadlocks.
                let mut numbers: Vec<u64> = (0..40).collect();
                if node == 1 {
                    numbers.reverse();
                }
                let batches: Vec<Committed> = numbers
                    .into_iter()
                    .map(|number| Committed {
                        seen: Seen { source: source(number), ..seen(5) },
                        bookmark: position(&[("System", u64::from(round) * 2 + u64::from(node))]),
                        has_events: true,
                        digest: [round * 2 + node; 32],
                    })
                    .collect();
                commit(&store, &batches, &[]).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for number in 0..40 {
        let bookmarks = one.bookmarks(&source(number)).await.unwrap();
        assert_eq!(bookmarks, [("S".to_owned(), position(&[("System", 59)]).unwrap())]);
    }
    let states = one.states("S").await.unwrap();
    assert!(states.len() == 40 && states.iter().all(|state| state.batches == 60), "{states:?}");
}

#[tokio::test]
async fn nodes_that_start_at_the_same_time_migrate_once() {
    let Some(place) = database() else { return };
    let nodes: Vec<String> = (0..6).map(|number| format!("node{number}")).collect();
    let opening = nodes.iter().map(|node| place.open_as(node));
    let mut stores = Vec::new();
    for opened in join_all(opening).await {
        stores.push(opened.unwrap());
    }
    let server = place.server.as_ref().unwrap();
    assert_eq!(server.execute("SELECT max(version) FROM migration"), "4");
    assert_eq!(server.execute("SELECT count(*) FROM node WHERE last_seen > 0"), "6");
}

/// Polls all futures until each has finished.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut finished: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut finished) {
            if output.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        if finished.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    finished.into_iter().flatten().collect()
}

#[tokio::test]
async fn the_lock_of_a_node_waits_for_the_last_transaction_of_its_previous_process() {
    let Some(place) = database() else { return };
    let first = place.open().await;
    let settings = place.server.as_ref().unwrap().settings();
    let second = tokio::spawn(Store::open(StoreSettings::Database {
        settings: database_settings(&settings),
        node_file: place.folder.path().join("node"),
    }));
    commit(&first, &[batch(1, Some("B".to_owned()))], &[]).await;
    assert!(!second.is_finished(), "two processes have the lock of one node");
    drop(first);
    let second = second.await.unwrap().unwrap();
    assert_eq!(bookmark(&second).await.as_deref(), Some("B"));
}

#[tokio::test]
async fn a_killed_database_is_used_again_when_it_runs() {
    let Some(mut place) = database() else { return };
    let store = place.open().await;
    commit(&store, &[batch(1, position(&[("System", 1)]))], &[]).await;
    let server = place.server.as_mut().unwrap();
    server.kill();
    let group = Group { batches: vec![batch(2, position(&[("System", 2)]))], ..Group::default() };
    let failed = {
        let (store, group) = (store.clone(), group.clone());
        blocking(move || std::thread::spawn(move || Ok(store.commit(&group).err())).join().unwrap()).await
    };
    let error = failed.unwrap().expect("the database was killed");
    assert!(matches!(error, CollectorError::DatabaseUnavailable { .. }), "{error}");
    assert!(store.bookmarks("certificate:win10").await.is_err());
    server.run();
    // The same group is committed once, however often it is repeated.
    let searched = on_thread(&store, {
        let batch = group.batches[0].clone();
        move |store| store.contains(&[&batch])
    });
    assert_eq!(searched.await, [false], "waits for the database");
    for _ in 0..2 {
        let group = group.clone();
        on_thread(&store, move |store| store.commit(&group)).await;
    }
    let until = std::time::Instant::now() + std::time::Duration::from_secs(120);
    let state = loop {
        match store.states("S").await {
            Ok(mut states) => break states.remove(0),
            Err(error) => assert!(std::time::Instant::now() < until, "{error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!((state.batches, state.bookmark), (2, position(&[("System", 2)])));
}

#[tokio::test]
async fn a_database_with_tls_verifies_the_server_and_the_password() {
    let Some(server) = PostgresServer::with_tls() else { return };
    let folder = tempfile::tempdir().unwrap();
    let open = |text: String| {
        let settings = database_settings(&text);
        Store::open(StoreSettings::Database { settings, node_file: folder.path().join("node") })
    };
    let store = open(server.settings()).await.unwrap();
    let sessions = "SELECT count(*) > 0, bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                    WHERE application_name = 'telarchd'";
    assert_eq!(server.execute(sessions), "t|t");
    drop(store);
    for (wrong, expected) in [
        (
            server.settings().replace("Password = \"geheim\"", "Password = \"falsch\""),
            "password authentication failed",
        ),
        (format!("Url = \"{}\"\nPassword = \"geheim\"\n", server.url()), "UnknownIssuer"),
        (
            server.settings().replace("localhost", "127.0.0.1").replace("verify-full", "require"),
            "not valid for name",
        ),
    ] {
        let error = open(wrong).await.err().unwrap().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[tokio::test]
async fn one_node_connects_to_sources_and_another_takes_over_when_it_ends() {
    let Some(place) = database() else { return };
    let mut nodes = Vec::new();
    for name in ["one", "other"] {
        let Store::Postgres(store) = place.open_as(name).await.unwrap() else { panic!("a file") };
        nodes.push(store);
    }
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
    let server = place.server.as_ref().unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(120);
    // Two locks of nodes, and one for the sources.
    while server.execute(locks) != "3" || !nodes.iter().any(|node| node.shared().borrow().is_puller) {
        assert!(std::time::Instant::now() < until, "no node connects to sources");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let puller = nodes.iter().position(|node| node.shared().borrow().is_puller).unwrap();
    let mut other = nodes[1 - puller].shared();
    assert!(!other.borrow().is_puller);
    drop(nodes.remove(puller));
    other.wait_for(|shared| shared.is_puller).await.unwrap();
}

/// Prints rates of commits; run it with `--run-ignored only --no-capture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn rates_of_commits() {
    for place in Place::all() {
        let store = place.open().await;
        let kind = if place.server.is_some() { "PostgreSQL" } else { "SQLite" };
        for size in [1u64, 10, 100, 500] {
            let begun = std::time::Instant::now();
            let rounds = 2_000 / size + 10;
            for round in 0..rounds {
                let batches: Vec<Committed> = (0..size)
                    .map(|number| {
                        let mut digest = [0; 32];
                        digest[..8]
                            .copy_from_slice(&(round * 1_000 + number + size * 1_000_000).to_le_bytes());
                        Committed {
                            seen: Seen { source: format!("certificate:host{number}"), ..seen(5) },
                            bookmark: position(&[("System", round)]),
                            has_events: true,
                            digest,
                        }
                    })
                    .collect();
                commit(&store, &batches, &[]).await;
            }
            let rate = (rounds * size) as f64 / begun.elapsed().as_secs_f64();
            eprintln!("{kind}: {rate:.0} batches/s in groups of {size}");
        }
    }
}
