//! The examples of `telarch wmi` in README.md and docs/ work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run;

/// Parts of commands that are not run: other machines, long-running commands, changes, and deliberate errors.
const LEFT_OUT: [&str; 8] =
    [" -r ", "--watch", " plot ", " call ", " security", " subscriptions", "Site_Room", "Nme"];

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    docs.filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .chain([root.join("README.md")])
        .collect()
}

#[test]
fn every_documented_wmi_command_works() {
    let programs = Path::new(env!("CARGO_BIN_EXE_telarch")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut requested = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let commands = text
            .lines()
            .filter_map(|line| line.strip_prefix("$ "))
            .filter(|line| line.starts_with("telarch wmi "));
        for command in commands.filter(|line| !LEFT_OUT.iter().any(|part| line.contains(part))) {
            let ran = run(Command::new("sh").args(["-c", command]).env("PATH", &path), "");
            assert_eq!((ran.errors.as_str(), ran.code), ("", 0), "{}: {command}", page.display());
            requested += 1;
        }
    }
    assert!(requested >= 6, "{requested}");
}
