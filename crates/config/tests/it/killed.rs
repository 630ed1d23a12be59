//! A process killed while writing leaves either the old or the new file.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use telarch_config::{Config, Listener, ListenerKey, Store, StoreError};
use tempfile::TempDir;

const VARIABLE: &str = "TELARCH_CONFIG_WRITTEN_UNTIL_KILLED";
/// Minimum number of kills; the test continues until one has interrupted the writing of a file.
const KILLS: u64 = 100;
const KILLS_AT_MOST: u64 = 2_000;

#[test]
fn a_killed_writer_leaves_the_old_or_the_new_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.toml");
    let (mut last, mut half_written) = (0, 0);
    for kill in 0.. {
        if kill >= KILLS && half_written > 0 {
            break;
        }
        assert!(kill < KILLS_AT_MOST, "no kill fell into the writing of a file");
        let promised = write_until_killed(&path, kill);
        half_written += u64::from(folder.path().join(".config.toml.new").exists());
        let store = Store::open(&path).unwrap_or_else(|error| panic!("after kill {kill}: {error}"));
        let number = assert_whole(&store);
        assert!(number >= promised.max(last), "after kill {kill}: {number} instead of at least {promised}");
        last = number;
    }
    assert!(last > KILLS, "the writers wrote too few files");
}

/// Process that the test above starts and kills; not a test of its own.
#[test]
fn writer_process() {
    let Some(path) = env::var_os(VARIABLE) else { return };
    let store = Store::open(path).unwrap();
    loop {
        let number = u64::from(store.snapshot().max_batch_items.get()) + 1;
        write(&store, number).unwrap();
        eprintln!("{number}");
    }
}

/// Starts a writer, kills it after a delay that depends on `kill`, and returns the last number it has confirmed.
fn write_until_killed(path: &Path, kill: u64) -> u64 {
    let mut writer = Command::new(env::current_exe().unwrap())
        .args(["--exact", "killed::writer_process", "--nocapture"])
        .env(VARIABLE, path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stderr.take().unwrap()).lines();
    let first = lines.next().expect("the writer wrote nothing").unwrap();
    // The delay is intended: the kill must happen at any moment between two confirmations.
    thread::sleep(Duration::from_micros(kill * 137 % 4_000));
    writer.kill().unwrap();
    writer.wait().unwrap();
    let confirmed = lines.map_while(Result::ok).filter_map(|line| line.parse().ok()).last();
    confirmed.unwrap_or_else(|| first.parse().unwrap_or_else(|_| panic!("the writer said {first}")))
}

/// Writes one number into many settings, so that an incomplete file is noticed.
fn write(store: &Store, number: u64) -> Result<(), StoreError> {
    store
        .update(|draft| {
            let text = number.to_string();
            for name in ["MaxBatchItems", "Service/MaxConcurrentOperationsPerUser", "Winrs/MaxShellsPerUser"]
            {
                draft.config.set(name, &text)?;
            }
            for place in 1..=40 {
                let key = ListenerKey::parse(&format!("IP:10.0.0.{place}"), "HTTP").expect("a key");
                let mut listener = Listener::new(key, &draft.config.service);
                listener.hostname = format!("host-{text}").parse().expect("a host name");
                if draft.listeners.find(key).is_some() {
                    draft.listeners.replace(listener).expect("our own listener");
                } else {
                    draft.listeners.create(listener).expect("room");
                }
            }
            Ok(())
        })
        .map(|_| ())
}

fn assert_whole(store: &Store) -> u64 {
    let config: &Config = &store.snapshot();
    let number = config.max_batch_items.get();
    assert_eq!(config.service.max_concurrent_operations_per_user.get(), number);
    assert_eq!(config.winrs.max_shells_per_user.get(), number);
    assert_eq!(store.listeners().len(), 40);
    for listener in &store.listeners() {
        assert_eq!(listener.hostname.as_str(), format!("host-{number}"));
    }
    number.into()
}
