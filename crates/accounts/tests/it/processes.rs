//! Several processes that change one file, and writers that are killed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use auth::account_file::{PasswordHash, UnixTime};
use telarch_accounts::{FileAccounts, IfMissing, read, update};

use super::{CHEAP_HASH, Error, add};

const PATH: &str = "TELARCH_ACCOUNTS_PATH";
const NAME: &str = "TELARCH_ACCOUNTS_NAME";
const WRITERS: usize = 6;
const EACH: usize = 20;
const KILLS: u64 = 100;

#[test]
fn concurrent_updates_by_processes_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    let mut writers: Vec<Child> = (0..WRITERS)
        .map(|writer| {
            start("processes::adder_process", &path).env(NAME, format!("w{writer}")).spawn().unwrap()
        })
        .collect();
    for writer in &mut writers {
        assert!(writer.wait().unwrap().success());
    }
    let file = read(&path).unwrap();
    let mut names: Vec<_> = file.records().map(|record| record.name.to_string()).collect();
    names.sort();
    let mut expected: Vec<_> =
        (0..WRITERS).flat_map(|writer| (0..EACH).map(move |at| format!("w{writer}-{at}"))).collect();
    expected.sort();
    assert_eq!(names, expected);
    let last = file.records().map(|record| record.rid.number()).max().unwrap();
    assert_eq!(last, 3_000_000_000 + u32::try_from(WRITERS * EACH).unwrap() - 1);
}

/// Not a test: one of the processes of the test above.
#[test]
fn adder_process() {
    let (Some(path), Ok(name)) = (env::var_os(PATH), env::var(NAME)) else { return };
    for at in 0..EACH {
        add(Path::new(&path), &format!("{name}-{at}"), PasswordHash::parse(CHEAP_HASH).unwrap()).unwrap();
    }
}

#[test]
fn a_killed_writer_leaves_the_old_or_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    for at in 0..40 {
        add(&path, &format!("a{at}"), PasswordHash::parse(CHEAP_HASH).unwrap()).unwrap();
    }
    let mut last = 0;
    for kill in 0..KILLS {
        let promised = write_until_killed(&path, kill);
        FileAccounts::open(&path).unwrap_or_else(|error| panic!("after kill {kill}: {error}"));
        let file = read(&path).unwrap();
        let mut times = file.records().map(|record| record.changed.seconds());
        let number = times.next().expect("accounts");
        assert!(times.all(|other| other == number), "after kill {kill} the file mixes old and new content");
        assert_eq!(file.records().count(), 40);
        assert!(number >= promised.max(last), "after kill {kill}: {number} instead of at least {promised}");
        last = number;
    }
    assert!(last > KILLS, "the writers wrote too little");
}

/// Not a test: the process that the test above starts and kills.
#[test]
fn writer_process() {
    let Some(path) = env::var_os(PATH) else { return };
    if env::var_os(NAME).is_some() {
        return;
    }
    loop {
        let number = update(Path::new(&path), IfMissing::Fail, |file| {
            let names: Vec<_> = file.records().map(|record| record.name.to_string()).collect();
            let first = file.records().next().expect("accounts").changed.seconds() + 1;
            for name in names {
                let hash = PasswordHash::parse(CHEAP_HASH).unwrap();
                file.set_password(&name, hash, UnixTime::new(first))?;
            }
            Ok::<_, Error>(first)
        })
        .unwrap();
        eprintln!("{number}");
    }
}

/// Starts a writer, kills it after a varying delay, and returns the last number it has confirmed.
fn write_until_killed(path: &Path, kill: u64) -> u64 {
    let mut writer = start("processes::writer_process", path).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(writer.stderr.take().unwrap()).lines();
    let first = lines.next().expect("the writer wrote nothing").unwrap();
    // The kill must happen at any time between two confirmations, so there is no event to wait for.
    thread::sleep(Duration::from_micros(kill * 137 % 4_000));
    writer.kill().unwrap();
    writer.wait().unwrap();
    let confirmed = lines.map_while(Result::ok).filter_map(|line| line.parse().ok()).last();
    confirmed.unwrap_or_else(|| first.parse().unwrap_or_else(|_| panic!("the writer said {first}")))
}

fn start(test: &str, path: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(PATH, path).env_remove(NAME).stdout(Stdio::null());
    command
}
