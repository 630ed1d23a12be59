//! A process that is killed during a commit leaves the old files or the new ones, never a mixture.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use telarch_webserver::{
    Apache, ApacheOptions, Change, CommitKind, FilePath, NewSite, Nginx, NginxOptions, WebServer as _,
};

use crate::fixture::{Fixture, Product, listener, request, site};

/// Folder in which the test that is started as a process of its own commits changes.
const FOLDER: &str = "TELARCH_TEST_WEBSERVER_FOLDER";
/// Number of files that each commit changes.
const FILES: usize = 12;

#[test]
fn a_killed_commit_is_undone() {
    let Some(fixture) = Fixture::create() else { return };
    for number in 0..FILES {
        fixture.put(&format!("conf/sites/part{number:02}"), "map $host $part_0 { default 0; }\n");
    }
    let mut interrupted = 0;
    for round in 0..60_u64 {
        let mut child = spawn("crash::commits_without_end", &fixture);
        // The first commit of the process shows that it runs. Then the moments differ between the rounds.
        let first = format!("$part_{} ", child.id());
        while !fixture.text("conf/sites/part00").contains(&first) {
            assert!(child.try_wait().unwrap().is_none(), "the process ended");
            thread::sleep(Duration::from_millis(2));
        }
        thread::sleep(Duration::from_millis(round * 17 % 101));
        child.kill().unwrap();
        child.wait().unwrap();
        let nginx = open(&fixture);
        let last = nginx.history(None, 1).unwrap();
        interrupted += usize::from(last.first().is_some_and(|commit| commit.kind == CommitKind::Recovery));
        let texts: Vec<String> =
            (0..FILES).map(|number| fixture.text(&format!("conf/sites/part{number:02}"))).collect();
        assert!(texts.iter().all(|text| *text == texts[0]), "round {round}: {texts:?}");
        let names = fs::read_dir(fixture.path("conf/sites")).unwrap();
        let hidden =
            names.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
        assert_eq!(hidden.count(), 0, "round {round}: temporary files remain");
        if interrupted >= 4 {
            break;
        }
    }
    assert!(interrupted > 0, "no commit was interrupted");
}

#[test]
fn a_killed_creation_of_links_is_undone() {
    let Some(fixture) = Product::Apache.create() else { return };
    let mut interrupted = 0;
    for round in 0..60_u64 {
        let mut child = spawn("crash::creates_and_deletes_sites_without_end", &fixture);
        // The temporary file exists while a commit replaces files. Then the moments differ between the rounds.
        let temporary = fixture.path(".ports.conf.telarch-new");
        while !temporary.exists() {
            assert!(child.try_wait().unwrap().is_none(), "the process ended");
            thread::yield_now();
        }
        thread::sleep(Duration::from_millis(round % 10));
        child.kill().unwrap();
        child.wait().unwrap();
        let apache = open_apache(fixture.folder.path());
        let last = apache.history(None, 1).unwrap();
        interrupted += usize::from(last.first().is_some_and(|commit| commit.kind == CommitKind::Recovery));
        // All sites exist, with their links and addresses, or none.
        let counts = ["sites-available", "sites-enabled"].map(|folder| {
            let names = fs::read_dir(fixture.path(folder)).unwrap();
            names.map(|entry| entry.unwrap()).filter(|entry| entry.file_name() != "main.conf").count()
        });
        let listens =
            fixture.text("ports.conf").lines().filter(|line| line.starts_with("Listen")).count() - 1;
        assert!(
            counts == [listens; 2] && [0, FILES].contains(&listens),
            "round {round}: {counts:?} {listens}"
        );
        if interrupted >= 4 {
            break;
        }
    }
    assert!(interrupted > 0, "no commit was interrupted");
}

/// Process that the test above starts and kills; not a test of its own.
#[test]
fn creates_and_deletes_sites_without_end() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = std::path::PathBuf::from(folder);
    let apache = open_apache(&folder);
    let root = FilePath::parse(folder.join("www/main").to_str().unwrap()).unwrap();
    loop {
        let snapshot = apache.snapshot().unwrap();
        let shops = snapshot.sites.iter().filter(|site| site.id.as_str() != "main");
        let mut changes: Vec<Change> =
            shops.map(|site| Change::DeleteSite { site: site.id.clone() }).collect();
        if changes.is_empty() {
            changes.extend((0..FILES).map(|number| {
                Change::CreateSite(NewSite {
                    id: site(&format!("shop{number}")),
                    listeners: vec![listener(20_000 + u16::try_from(number).unwrap())],
                    names: Vec::new(),
                    root: root.clone(),
                    certificate: None,
                    key: None,
                })
            }));
        }
        let plan = apache.plan(&snapshot.revision, &changes).unwrap();
        apache.commit(&plan, &request("again")).unwrap();
    }
}

/// Process that the first test starts and kills; not a test of its own.
#[test]
fn commits_without_end() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = std::path::PathBuf::from(folder);
    let nginx = Nginx::open(&NginxOptions::of_folder(&folder, &folder.join("state")).unwrap()).unwrap();
    for number in 0.. {
        let snapshot = nginx.snapshot().unwrap();
        let parts = snapshot.files.iter().filter(|file| file.path.contains("/part"));
        let changes: Vec<Change> = parts
            .map(|file| Change::RawEdit {
                file: file.path.parse().unwrap(),
                text: format!("map $host $part_{} {{ default {number}; }}\n", std::process::id()),
            })
            .collect();
        let plan = nginx.plan(&snapshot.revision, &changes).unwrap();
        nginx.commit(&plan, &request("again")).unwrap();
    }
}

fn open(fixture: &Fixture) -> Nginx {
    let folder = fixture.folder.path();
    Nginx::open(&NginxOptions::of_folder(folder, &folder.join("state")).unwrap()).unwrap()
}

fn open_apache(folder: &Path) -> Apache {
    Apache::open(&ApacheOptions::of_folder(folder, &folder.join("state")).unwrap()).unwrap()
}

/// Starts a test as a process of its own, which commits changes in the folder of a fixture.
fn spawn(test: &str, fixture: &Fixture) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, fixture.folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}
