use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Arc;

use telarch_config::{
    Config, Listener, ListenerError, ListenerKey, Policies, Setting, SettingError, Source, Store, StoreError,
};
use tempfile::TempDir;

struct Fixture {
    _folder: TempDir,
    path: PathBuf,
}

impl Fixture {
    fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("config.toml");
        Self { _folder: folder, path }
    }

    fn with(text: &str) -> Self {
        let fixture = Self::empty();
        fs::write(&fixture.path, text).unwrap();
        fixture
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
fn a_missing_file_counts_as_empty_and_is_created_by_the_first_change() {
    let fixture = Fixture::empty();
    let store = fixture.open();
    assert_eq!(*store.snapshot(), Config::default());
    assert!(!fixture.path.exists());
    set(&store, "Service.Auth.Basic", "true").unwrap();
    assert_eq!(fixture.text(), "[Service.Auth]\nBasic = true\n");
    assert!(fixture.open().snapshot().service.auth.basic);
}

#[test]
fn a_missing_directory_is_an_error() {
    let fixture = Fixture::empty();
    let error = Store::open(fixture.path.with_file_name("missing").join("config.toml")).unwrap_err();
    assert!(error.to_string().starts_with("cannot find "), "{error}");
}

#[test]
fn a_change_keeps_comments_order_and_other_settings() {
    let fixture = Fixture::with(
        "# limits\nMaxTimeoutms   =  1000   # short\n\n[Winrs]\nMaxShellsPerUser = 5\n\n[Client.Auth] # ours\nBasic = false\n",
    );
    let store = fixture.open();
    set(&store, "MaxTimeoutms", "2000").unwrap();
    set(&store, "Client/Auth/Basic", "true").unwrap();
    set(&store, "Winrs/IdleTimeout", "60000").unwrap();
    set(&store, "MaxBatchItems", "10").unwrap();
    assert_eq!(
        fixture.text(),
        "# limits\nMaxTimeoutms   =  2000   # short\nMaxBatchItems = 10\n\n[Winrs]\nMaxShellsPerUser = 5\n\
         IdleTimeout = 60000\n\n[Client.Auth] # ours\nBasic = true\n"
    );
}

#[test]
fn listeners_are_added_changed_and_deleted_in_place() {
    let fixture = Fixture::with("# first\n[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\" # open\n");
    let store = fixture.open();
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
        fixture.text(),
        "# first\n[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\" # open\nEnabled = false\n\n\
         [[Listener]]\nAddress = \"*\"\nTransport = \"HTTPS\"\nHostname = \"node7\"\n"
    );
    store.update(|draft| Ok::<_, Failure>(draft.listeners.delete(http)?)).unwrap();
    assert_eq!(fixture.open().listeners(), store.listeners());
    store.update(|draft| Ok::<_, Failure>(draft.listeners.delete(https)?)).unwrap();
    assert!(fixture.open().listeners().is_empty());
    assert!(!fixture.text().contains("Listener"), "{}", fixture.text());
}

#[test]
fn a_listener_deleted_and_created_again_keeps_its_position() {
    let fixture = Fixture::with(
        "[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\n[[Listener]]\nAddress = \"*\"\nTransport = \"HTTPS\"\n",
    );
    let store = fixture.open();
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
fn a_change_that_fails_or_panics_changes_nothing() {
    let fixture = Fixture::with("MaxTimeoutms = 1000\n");
    let store = fixture.open();
    let result = store.update(|draft| {
        draft.config.set("MaxTimeoutms", "2000")?;
        Err(Failure::GaveUp)
    });
    assert!(matches!(result, Err(Failure::GaveUp)));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = store.update::<Failure>(|_| panic!("on purpose"));
    }));
    assert!(panicked.is_err());
    assert_eq!(fixture.text(), "MaxTimeoutms = 1000\n");
    set(&store, "MaxTimeoutms", "3000").unwrap();
    assert_eq!(store.snapshot().max_timeoutms.get(), 3_000);
}

#[test]
fn subscribers_see_real_changes_immediately_and_no_others() {
    let fixture = Fixture::empty();
    let store = fixture.open();
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
fn reload_applies_a_valid_file_and_ignores_an_invalid_one() {
    let fixture = Fixture::with("MaxTimeoutms = 1000\n");
    let store = fixture.open();
    fs::write(&fixture.path, "MaxTimeoutms = 2000\n").unwrap();
    store.reload().unwrap();
    assert_eq!(store.snapshot().max_timeoutms.get(), 2_000);
    fs::write(&fixture.path, "MaxTimeoutms = 1\n").unwrap();
    assert!(matches!(store.reload(), Err(StoreError::Content { line: 1, .. })));
    assert_eq!(store.snapshot().max_timeoutms.get(), 2_000);
    assert!(set(&store, "MaxBatchItems", "7").is_err());
    assert_eq!(fixture.text(), "MaxTimeoutms = 1\n");
}

#[test]
fn edits_of_the_file_in_the_meantime_are_kept() {
    let fixture = Fixture::with("MaxTimeoutms = 1000\n");
    let (store, other) = (fixture.open(), fixture.open());
    set(&other, "MaxBatchItems", "7").unwrap();
    set(&store, "Winrs.MaxShellsPerUser", "3").unwrap();
    let config = store.snapshot();
    assert_eq!((config.max_batch_items.get(), config.winrs.max_shells_per_user.get()), (7, 3));
    assert_eq!(config, fixture.open().snapshot());
}

#[test]
fn changes_from_several_threads_are_serialized() {
    let fixture = Fixture::empty();
    let store = fixture.open();
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
    assert_eq!(fixture.open().snapshot().winrs.max_shells_per_user.get(), 30 + 20);
}

#[test]
fn command_line_values_apply_to_the_process_and_are_not_saved() {
    let fixture = Fixture::with("MaxTimeoutms = 1000\n");
    let overrides = [("MaxTimeoutms", "2000"), ("Service.Auth.Basic", "true")];
    let store = Store::open_with(&fixture.path, &overrides).unwrap();
    set(&store, "MaxBatchItems", "7").unwrap();
    assert_eq!(fixture.text(), "MaxTimeoutms = 1000\nMaxBatchItems = 7\n");
    store.reload().unwrap();
    let config = store.snapshot();
    assert_eq!((config.max_timeoutms.get(), config.service.auth.basic), (2_000, true));
    set(&store, "MaxTimeoutms", "3000").unwrap();
    assert_eq!(store.snapshot().max_timeoutms.get(), 3_000);
    assert!(fixture.text().starts_with("MaxTimeoutms = 3000\n"));
    let wrong = Store::open_with(&fixture.path, &[("MaxTimeoutms", "1")]).unwrap_err();
    assert_eq!(wrong.to_string(), "MaxTimeoutms: 1 is outside 500 to 4294967295");
}

#[test]
fn values_in_the_file_have_the_source_local() {
    let store = Fixture::with("MaxTimeoutms = 1000\n").open();
    let source = |name: &str| store.snapshot().source(Setting::find(name).unwrap());
    assert_eq!((source("MaxTimeoutms"), source("MaxBatchItems")), (Source::Local, Source::Default));
}

#[test]
fn read_only_settings_changed_through_fields_are_not_saved() {
    let fixture = Fixture::empty();
    let store = fixture.open();
    let result = store.update(|draft| {
        draft.config.service.allow_remote_access = false;
        Ok::<_, StoreError>(())
    });
    assert!(matches!(result, Err(StoreError::Content { .. })), "{result:?}");
    assert!(store.snapshot().service.allow_remote_access);
    assert!(!fixture.path.exists());
}

#[test]
fn a_world_writable_file_is_rejected() {
    let fixture = Fixture::with("MaxTimeoutms = 1000\n");
    fs::set_permissions(&fixture.path, fs::Permissions::from_mode(0o646)).unwrap();
    let error = Store::open(&fixture.path).unwrap_err();
    assert!(matches!(error, StoreError::WorldWritable { .. }));
    assert!(error.to_string().contains("run chmod o-w "), "{error}");
}

#[test]
fn a_group_writable_file_is_rejected_for_root() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let fixture = Fixture::with("MaxTimeoutms = 1000\n");
    fs::set_permissions(&fixture.path, fs::Permissions::from_mode(0o664)).unwrap();
    let is_root = fs::metadata(&fixture.path).unwrap().uid() == 0;
    // Private groups of ordinary users and the group of root are trusted.
    assert!(Store::open(&fixture.path).is_ok());
    if is_root && chown(&fixture.path, None, Some(50)).is_ok() {
        fs::set_permissions(&fixture.path, fs::Permissions::from_mode(0o664)).unwrap();
        let error = Store::open(&fixture.path).unwrap_err();
        assert!(matches!(error, StoreError::GroupWritable { group: 50, .. }), "{error}");
        assert!(error.to_string().contains("run chmod g-w "), "{error}");
    }
}

#[test]
fn directories_and_fifos_are_rejected_without_blocking() {
    let fixture = Fixture::empty();
    fs::create_dir(&fixture.path).unwrap();
    assert!(Store::open(&fixture.path).unwrap_err().to_string().contains("not a regular file"));
    fs::remove_dir(&fixture.path).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg("-m").arg("600").arg(&fixture.path).status().unwrap();
    assert!(fifo.success());
    assert!(Store::open(&fixture.path).unwrap_err().to_string().contains("not a regular file"));
}

#[test]
fn a_file_of_another_user_is_rejected_for_root() {
    let fixture = Fixture::with("MaxTimeoutms = 1000\n");
    // Only root can change the owner of a file, so others cannot run this check.
    if std::os::unix::fs::chown(&fixture.path, Some(65_534), None).is_ok() {
        let error = Store::open(&fixture.path).unwrap_err();
        assert!(matches!(error, StoreError::ForeignOwner { owner: 65_534, .. }), "{error}");
    }
}

#[test]
fn a_change_keeps_permissions_and_links_and_leaves_no_other_files() {
    let fixture = Fixture::with("MaxTimeoutms = 1000\n");
    fs::set_permissions(&fixture.path, fs::Permissions::from_mode(0o640)).unwrap();
    let link = fixture.path.with_file_name("link.toml");
    symlink(&fixture.path, &link).unwrap();
    set(&Store::open(&link).unwrap(), "MaxTimeoutms", "2000").unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::metadata(&fixture.path).unwrap().mode() & 0o777, 0o640);
    assert_eq!(fixture.text(), "MaxTimeoutms = 2000\n");
    let mut names: Vec<_> = fs::read_dir(fixture.path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    // The lock file remains, because another process may be waiting for it.
    assert_eq!(names, [".config.toml.lock", "config.toml", "link.toml"]);
}

#[test]
fn a_lock_on_the_readable_file_does_not_block_changes() {
    let fixture = Fixture::with("MaxTimeoutms = 1000\n");
    let folder = fixture.path.parent().unwrap();
    let held = [folder, &fixture.path].map(|path| fs::File::open(path).unwrap());
    held.iter().for_each(|file| file.lock().unwrap());
    let (done, is_done) = std::sync::mpsc::channel();
    let store = fixture.open();
    std::thread::spawn(move || done.send(set(&store, "MaxTimeoutms", "2000")));
    is_done.recv_timeout(std::time::Duration::from_secs(60)).expect("it waits for a lock of others").unwrap();
    assert_eq!(fixture.text(), "MaxTimeoutms = 2000\n");
    let lock = fs::metadata(folder.join(".config.toml.lock")).unwrap();
    assert_eq!(lock.mode() & 0o777, 0o600);
}

#[test]
fn files_left_by_a_killed_writer_are_ignored() {
    let fixture = Fixture::with("MaxTimeoutms = 1000\n");
    let left = fixture.path.with_file_name(".config.toml.new");
    fs::write(&left, "half a fi").unwrap();
    set(&fixture.open(), "MaxTimeoutms", "2000").unwrap();
    assert!(!left.exists());
    assert_eq!(fixture.text(), "MaxTimeoutms = 2000\n");
}

#[test]
fn an_unwritable_directory_is_an_error_and_changes_nothing() {
    let fixture = Fixture::with("MaxTimeoutms = 1000\n");
    let store = fixture.open();
    // A directory in place of the new file makes the change fail for root, too.
    let obstacle = fixture.path.with_file_name(".config.toml.new");
    fs::create_dir(&obstacle).unwrap();
    let error = set(&store, "MaxTimeoutms", "2000").unwrap_err();
    assert!(error.to_string().starts_with("cannot write "), "{error}");
    assert_eq!(store.snapshot().max_timeoutms.get(), 1_000);
    assert_eq!(fixture.text(), "MaxTimeoutms = 1000\n");
}

#[test]
fn of_several_files_the_last_with_the_setting_wins() {
    let machine =
        Fixture::with("Client.TrustedHosts = \"a\"\nClient.AllowUnencrypted = true\nMaxBatchItems = 7\n");
    let own = Fixture::with("[Client]\nTrustedHosts = \"b\"\n[Client.Auth]\nBasic = true\n");
    let missing = Fixture::empty();
    let nowhere = missing.path.join("no/such/folder/config.toml");
    let config =
        Config::of_files([&machine.path, &missing.path, &own.path, &nowhere], &Policies::default()).unwrap();
    assert_eq!(config.client.trusted_hosts.to_string(), "b");
    assert!(config.client.allow_unencrypted, "values only in the first file are kept");
    assert_eq!(u32::from(config.max_batch_items), 7);
    let source = |name| config.source(Setting::find(name).unwrap());
    assert_eq!(source("Client.Auth.Basic"), Source::Local, "also for a default value");
    assert_eq!(source("Client.Auth.Digest"), Source::Default);
    let reversed = Config::of_files([&own.path, &machine.path], &Policies::default()).unwrap();
    assert_eq!(reversed.client.trusted_hosts.to_string(), "a");
    let none: [&PathBuf; 0] = [];
    assert_eq!(Config::of_files(none, &Policies::default()).unwrap(), Config::default());
}

#[test]
fn of_several_files_the_invalid_one_is_named_with_its_line() {
    let right = Fixture::with("Client.AllowUnencrypted = false\n");
    let wrong = Fixture::with("\nClient.AllowUnencrypted = \"perhaps\"\n");
    let error = Config::of_files([&right.path, &wrong.path], &Policies::default()).unwrap_err();
    assert!(error.to_string().ends_with(&format!("({}, line 2)", wrong.path.display())), "{error}");
}

#[test]
fn another_process_replaces_only_the_text_its_change_is_based_on() {
    let fixture = Fixture::with("Winrs.MaxShellsPerUser = 3 # few\n");
    let (keeper, other) = (fixture.open(), fixture.open());
    let before = fixture.text();
    let after = before.replace('3', "4");
    keeper.replace(&before, &after).unwrap();
    assert_eq!(fixture.text(), after);
    assert!(matches!(keeper.replace(&before, &after), Err(StoreError::Changed { .. })));
    other.adopt(&after).unwrap();
    assert_eq!(Setting::find("Winrs.MaxShellsPerUser").unwrap().show(&other.snapshot()), "4");
    let run_as =
        "[[Plugin]]\nName = \"PowerShell\"\n[[Plugin.Endpoint]]\nName = \"X\"\nRunAsUser = \"root\"\n";
    let error = keeper.replace(&after, &[&after, run_as].concat()).unwrap_err();
    assert!(matches!(&error, StoreError::FileOnly { name } if name == "RunAsUser"), "{error}");
    for more in ["Shell.LoginShell = \"/bin/false\"\n", "Preset = \"winrm-2.0\"\n"] {
        let forbidden = [more, &after].concat();
        let error = keeper.replace(&after, &forbidden).unwrap_err();
        assert!(matches!(error, StoreError::FileOnly { .. }), "{error}");
    }
    assert_eq!(fixture.text(), after, "the file is unchanged");

    let changed = other.update_through(
        |draft| Ok::<_, Failure>(draft.config.set("Winrs.MaxShellsPerUser", "5")?),
        |before, after| Ok(keeper.replace(before, after).map(drop)?),
    );
    changed.unwrap();
    assert!(fixture.text().contains("= 5 # few"), "{}", fixture.text());
}
