use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Arc;

use telarch_config::{
    Config, Listener, ListenerError, ListenerKey, Policies, Setting, SettingError, Source, Store, StoreError,
};
use tempfile::TempDir;

struct Place {
    _folder: TempDir,
    path: PathBuf,
}

impl Place {
    fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("config.toml");
        Self { _folder: folder, path }
    }

    fn with(text: &str) -> Self {
        let place = Self::empty();
        fs::write(&place.path, text).unwrap();
        place
    }

    fn open(&self) -> Store {
        Store::open(&self.path).unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error(transparent)]
    Listener(#[from] ListenerError),
    #[error("the change gave up")]
    GaveUp,
}

fn set(store: &Store, name: &str, value: &str) -> Result<(), Failure> {
    store.update(|draft| Ok(draft.config.set(name, value)?)).map(|_| ())
}

#[test]
fn a_file_that_does_not_exist_is_empty_and_is_made_by_the_first_change() {
    let place = Place::empty();
    let store = place.open();
    assert_eq!(*store.snapshot(), Config::default());
    assert!(!place.path.exists());
    set(&store, "Service.Auth.Basic", "true").unwrap();
    assert_eq!(place.text(), "[Service.Auth]\nBasic = true\n");
    assert!(place.open().snapshot().service.auth.basic);
}

#[test]
fn a_directory_that_does_not_exist_is_an_error() {
    let place = Place::empty();
    let error = Store::open(place.path.with_file_name("missing").join("config.toml")).unwrap_err();
    assert!(error.to_string().starts_with("cannot find "), "{error}");
}

#[test]
fn a_change_keeps_comments_order_and_everything_it_does_not_concern() {
    let place = Place::with(
        "# limits\nMaxTimeoutms   =  1000   # short\n\n[Winrs]\nMaxShellsPerUser = 5\n\n[Client.Auth] # ours\nBasic = false\n",
    );
    let store = place.open();
    set(&store, "MaxTimeoutms", "2000").unwrap();
    set(&store, "Client/Auth/Basic", "true").unwrap();
    set(&store, "Winrs/IdleTimeout", "60000").unwrap();
    set(&store, "MaxBatchItems", "10").unwrap();
    assert_eq!(
        place.text(),
        "# limits\nMaxTimeoutms   =  2000   # short\nMaxBatchItems = 10\n\n[Winrs]\nMaxShellsPerUser = 5\n\
         IdleTimeout = 60000\n\n[Client.Auth] # ours\nBasic = true\n"
    );
}

#[test]
fn listeners_are_added_changed_and_taken_away_in_place() {
    let place = Place::with("# first\n[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\" # open\n");
    let store = place.open();
    let https = ListenerKey::parse("*", "HTTPS").unwrap();
    let http = ListenerKey::parse("*", "HTTP").unwrap();
    let state = store
        .update(|draft| {
            let mut new = Listener::new(https, &draft.config.service);
            new.hostname = "node7".parse().expect("a host name");
            draft.listeners.create(new)?;
            let mut old = draft.listeners.find(http).expect("the first").clone();
            old.enabled = false;
            draft.listeners.replace(old)?;
            Ok::<_, Failure>(())
        })
        .unwrap();
    assert_eq!(state.listeners.len(), 2);
    assert_eq!(
        place.text(),
        "# first\n[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\" # open\nEnabled = false\n\n\
         [[Listener]]\nAddress = \"*\"\nTransport = \"HTTPS\"\nHostname = \"node7\"\n"
    );
    store.update(|draft| Ok::<_, Failure>(draft.listeners.delete(http)?)).unwrap();
    assert_eq!(place.open().listeners(), store.listeners());
    store.update(|draft| Ok::<_, Failure>(draft.listeners.delete(https)?)).unwrap();
    assert!(place.open().listeners().is_empty());
    assert!(!place.text().contains("Listener"), "{}", place.text());
}

#[test]
fn a_listener_deleted_and_made_again_is_only_changed() {
    let place = Place::with(
        "[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\n[[Listener]]\nAddress = \"*\"\nTransport = \"HTTPS\"\n",
    );
    let store = place.open();
    let http = ListenerKey::parse("*", "HTTP").unwrap();
    store
        .update(|draft| {
            draft.listeners.delete(http)?;
            let mut again = Listener::new(http, &draft.config.service);
            again.enabled = false;
            Ok::<_, Failure>(draft.listeners.create(again)?)
        })
        .unwrap();
    assert!(!store.listeners().find(http).unwrap().enabled);
}

#[test]
fn a_change_that_gives_up_or_panics_changes_nothing() {
    let place = Place::with("MaxTimeoutms = 1000\n");
    let store = place.open();
    let result = store.update(|draft| {
        draft.config.set("MaxTimeoutms", "2000")?;
        Err(Failure::GaveUp)
    });
    assert!(matches!(result, Err(Failure::GaveUp)));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = store.update::<Failure>(|_| panic!("on purpose"));
    }));
    assert!(panicked.is_err());
    assert_eq!(place.text(), "MaxTimeoutms = 1000\n");
    set(&store, "MaxTimeoutms", "3000").unwrap();
    assert_eq!(store.snapshot().max_timeoutms.get(), 3_000);
}

#[test]
fn subscribers_see_a_change_at_once_and_no_change_that_is_none() {
    let place = Place::empty();
    let store = place.open();
    let mut states = store.subscribe();
    states.mark_unchanged();
    set(&store, "Winrs/MaxShellsPerUser", "3").unwrap();
    assert!(states.has_changed().unwrap());
    assert_eq!(states.borrow_and_update().config.winrs.max_shells_per_user.get(), 3);
    set(&store, "Winrs/MaxShellsPerUser", "3").unwrap();
    assert!(!states.has_changed().unwrap());
    assert!(Arc::ptr_eq(&store.snapshot(), &store.state().config));
}

#[test]
fn reload_takes_what_is_right_and_keeps_the_old_state_otherwise() {
    let place = Place::with("MaxTimeoutms = 1000\n");
    let store = place.open();
    fs::write(&place.path, "MaxTimeoutms = 2000\n").unwrap();
    store.reload().unwrap();
    assert_eq!(store.snapshot().max_timeoutms.get(), 2_000);
    fs::write(&place.path, "MaxTimeoutms = 1\n").unwrap();
    assert!(matches!(store.reload(), Err(StoreError::Content { line: 1, .. })));
    assert_eq!(store.snapshot().max_timeoutms.get(), 2_000);
    assert!(set(&store, "MaxBatchItems", "7").is_err());
    assert_eq!(place.text(), "MaxTimeoutms = 1\n");
}

#[test]
fn what_somebody_wrote_into_the_file_in_the_meantime_is_kept() {
    let place = Place::with("MaxTimeoutms = 1000\n");
    let (store, other) = (place.open(), place.open());
    set(&other, "MaxBatchItems", "7").unwrap();
    set(&store, "Winrs.MaxShellsPerUser", "3").unwrap();
    let config = store.snapshot();
    assert_eq!((config.max_batch_items.get(), config.winrs.max_shells_per_user.get()), (7, 3));
    assert_eq!(config, place.open().snapshot());
}

#[test]
fn changes_from_many_threads_happen_one_after_the_other() {
    let place = Place::empty();
    let store = place.open();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    store
                        .update(|draft| {
                            let more = draft.config.winrs.max_shells_per_user.get() + 1;
                            Ok::<_, Failure>(draft.config.set("Winrs/MaxShellsPerUser", &more.to_string())?)
                        })
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(place.open().snapshot().winrs.max_shells_per_user.get(), 30 + 20);
}

#[test]
fn values_of_the_command_line_hold_for_the_process_and_are_not_written() {
    let place = Place::with("MaxTimeoutms = 1000\n");
    let overrides = [("MaxTimeoutms", "2000"), ("Service.Auth.Basic", "true")];
    let store = Store::open_with(&place.path, &overrides).unwrap();
    set(&store, "MaxBatchItems", "7").unwrap();
    assert_eq!(place.text(), "MaxTimeoutms = 1000\nMaxBatchItems = 7\n");
    store.reload().unwrap();
    let config = store.snapshot();
    assert_eq!((config.max_timeoutms.get(), config.service.auth.basic), (2_000, true));
    set(&store, "MaxTimeoutms", "3000").unwrap();
    assert_eq!(store.snapshot().max_timeoutms.get(), 3_000);
    assert!(place.text().starts_with("MaxTimeoutms = 3000\n"));
    let wrong = Store::open_with(&place.path, &[("MaxTimeoutms", "1")]).unwrap_err();
    assert_eq!(wrong.to_string(), "MaxTimeoutms: 1 is outside 500 to 4294967295");
}

#[test]
fn what_stands_in_the_file_is_the_administrators() {
    let store = Place::with("MaxTimeoutms = 1000\n").open();
    let source = |name: &str| store.snapshot().source(Setting::find(name).unwrap());
    assert_eq!((source("MaxTimeoutms"), source("MaxBatchItems")), (Source::Local, Source::Default));
}

#[test]
fn what_may_not_be_changed_does_not_reach_the_file_by_way_of_the_fields() {
    let place = Place::empty();
    let store = place.open();
    let result = store.update(|draft| {
        draft.config.service.allow_remote_access = false;
        Ok::<_, StoreError>(())
    });
    assert!(matches!(result, Err(StoreError::Content { .. })), "{result:?}");
    assert!(store.snapshot().service.allow_remote_access);
    assert!(!place.path.exists());
}

#[test]
fn a_file_that_everyone_may_write_is_refused() {
    let place = Place::with("MaxTimeoutms = 1000\n");
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o646)).unwrap();
    let error = Store::open(&place.path).unwrap_err();
    assert!(matches!(error, StoreError::WorldWritable { .. }));
    assert!(error.to_string().contains("run chmod o-w "), "{error}");
}

#[test]
fn root_does_not_obey_a_file_that_a_group_may_write() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let place = Place::with("MaxTimeoutms = 1000\n");
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o664)).unwrap();
    let is_root = fs::metadata(&place.path).unwrap().uid() == 0;
    // The group of a user is the user's own; that of root has nobody else in it.
    assert!(Store::open(&place.path).is_ok());
    if is_root && chown(&place.path, None, Some(50)).is_ok() {
        fs::set_permissions(&place.path, fs::Permissions::from_mode(0o664)).unwrap();
        let error = Store::open(&place.path).unwrap_err();
        assert!(matches!(error, StoreError::GroupWritable { group: 50, .. }), "{error}");
        assert!(error.to_string().contains("run chmod g-w "), "{error}");
    }
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let place = Place::empty();
    fs::create_dir(&place.path).unwrap();
    assert!(Store::open(&place.path).unwrap_err().to_string().contains("it is not a file"));
    fs::remove_dir(&place.path).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg("-m").arg("600").arg(&place.path).status().unwrap();
    assert!(fifo.success());
    assert!(Store::open(&place.path).unwrap_err().to_string().contains("it is not a file"));
}

#[test]
fn root_does_not_obey_a_file_of_another_user() {
    let place = Place::with("MaxTimeoutms = 1000\n");
    // Only root may give a file away; for anyone else there is nothing to refuse.
    if std::os::unix::fs::chown(&place.path, Some(65_534), None).is_ok() {
        let error = Store::open(&place.path).unwrap_err();
        assert!(matches!(error, StoreError::ForeignOwner { owner: 65_534, .. }), "{error}");
    }
}

#[test]
fn a_change_keeps_permissions_and_symbolic_links_and_leaves_nothing_behind() {
    let place = Place::with("MaxTimeoutms = 1000\n");
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o640)).unwrap();
    let link = place.path.with_file_name("link.toml");
    symlink(&place.path, &link).unwrap();
    set(&Store::open(&link).unwrap(), "MaxTimeoutms", "2000").unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::metadata(&place.path).unwrap().mode() & 0o777, 0o640);
    assert_eq!(place.text(), "MaxTimeoutms = 2000\n");
    let mut names: Vec<_> =
        fs::read_dir(place.path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    // The lock stays, because another process may wait for it.
    assert_eq!(names, [".config.toml.lock", "config.toml", "link.toml"]);
}

#[test]
fn who_may_only_read_keeps_nobody_from_changing() {
    let place = Place::with("MaxTimeoutms = 1000\n");
    let folder = place.path.parent().unwrap();
    let held = [folder, &place.path].map(|path| fs::File::open(path).unwrap());
    held.iter().for_each(|file| file.lock().unwrap());
    let (done, is_done) = std::sync::mpsc::channel();
    let store = place.open();
    std::thread::spawn(move || done.send(set(&store, "MaxTimeoutms", "2000")));
    is_done.recv_timeout(std::time::Duration::from_secs(30)).expect("it waits for a lock of others").unwrap();
    assert_eq!(place.text(), "MaxTimeoutms = 2000\n");
    let lock = fs::metadata(folder.join(".config.toml.lock")).unwrap();
    assert_eq!(lock.mode() & 0o777, 0o600);
}

#[test]
fn what_a_killed_writer_left_does_not_matter() {
    let place = Place::with("MaxTimeoutms = 1000\n");
    let left = place.path.with_file_name(".config.toml.new");
    fs::write(&left, "half a fi").unwrap();
    set(&place.open(), "MaxTimeoutms", "2000").unwrap();
    assert!(!left.exists());
    assert_eq!(place.text(), "MaxTimeoutms = 2000\n");
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_and_changes_nothing() {
    let place = Place::with("MaxTimeoutms = 1000\n");
    let store = place.open();
    // A directory where the new file should be written stops root, too.
    let obstacle = place.path.with_file_name(".config.toml.new");
    fs::create_dir(&obstacle).unwrap();
    let error = set(&store, "MaxTimeoutms", "2000").unwrap_err();
    assert!(error.to_string().starts_with("cannot write "), "{error}");
    assert_eq!(store.snapshot().max_timeoutms.get(), 1_000);
    assert_eq!(place.text(), "MaxTimeoutms = 1000\n");
}

#[test]
fn of_several_files_the_last_that_names_a_setting_wins() {
    let machine =
        Place::with("Client.TrustedHosts = \"a\"\nClient.AllowUnencrypted = true\nMaxBatchItems = 7\n");
    let own = Place::with("[Client]\nTrustedHosts = \"b\"\n[Client.Auth]\nBasic = true\n");
    let missing = Place::empty();
    let nowhere = missing.path.join("no/such/folder/config.toml");
    let config =
        Config::of_files([&machine.path, &missing.path, &own.path, &nowhere], &Policies::default()).unwrap();
    assert_eq!(config.client.trusted_hosts.to_string(), "b");
    assert!(config.client.allow_unencrypted, "what only the first names is kept");
    assert_eq!(u32::from(config.max_batch_items), 7);
    let source = |name| config.source(Setting::find(name).unwrap());
    assert_eq!(source("Client.Auth.Basic"), Source::Local, "even if it is the default");
    assert_eq!(source("Client.Auth.Digest"), Source::Default);
    let reversed = Config::of_files([&own.path, &machine.path], &Policies::default()).unwrap();
    assert_eq!(reversed.client.trusted_hosts.to_string(), "a");
    let none: [&PathBuf; 0] = [];
    assert_eq!(Config::of_files(none, &Policies::default()).unwrap(), Config::default());
}

#[test]
fn of_several_files_one_that_is_wrong_is_named_with_its_line() {
    let right = Place::with("Client.AllowUnencrypted = false\n");
    let wrong = Place::with("\nClient.AllowUnencrypted = \"perhaps\"\n");
    let error = Config::of_files([&right.path, &wrong.path], &Policies::default()).unwrap_err();
    assert!(error.to_string().ends_with(&format!("({}, line 2)", wrong.path.display())), "{error}");
}

#[test]
fn another_process_replaces_what_a_change_was_made_to_and_only_what_messages_may_change() {
    let place = Place::with("Winrs.MaxShellsPerUser = 3 # few\n");
    let (keeper, other) = (place.open(), place.open());
    let before = place.text();
    let after = before.replace('3', "4");
    keeper.replace(&before, &after).unwrap();
    assert_eq!(place.text(), after);
    assert!(matches!(keeper.replace(&before, &after), Err(StoreError::Changed { .. })));
    other.adopt(&after).unwrap();
    assert_eq!(Setting::find("Winrs.MaxShellsPerUser").unwrap().show(&other.snapshot()), "4");
    for more in ["Shell.LoginShell = \"/bin/false\"\n", "Preset = \"winrm-2.0\"\n"] {
        let forbidden = [more, &after].concat();
        let error = keeper.replace(&after, &forbidden).unwrap_err();
        assert!(matches!(error, StoreError::NotByMessage { .. }), "{error}");
    }
    assert_eq!(place.text(), after, "the file is as it was");

    let changed = other.update_through(
        |draft| Ok::<_, Failure>(draft.config.set("Winrs.MaxShellsPerUser", "5")?),
        |before, after| Ok(keeper.replace(before, after).map(drop)?),
    );
    changed.unwrap();
    assert!(place.text().contains("= 5 # few"), "{}", place.text());
}
