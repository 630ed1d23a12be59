//! `telarch mofcomp`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Ran, run, telarch};

fn mofcomp(repository: &Path, arguments: &[&str], input: &str) -> Ran {
    run(telarch(&["mofcomp"]).args(arguments).arg("--repository").arg(repository), input)
}

const ROOM: &str =
    "class Room { [Key] string Name; uint32 Seats = 4; };\ninstance of Room { Name = \"Oslo\"; };\n";

#[test]
fn compiled_classes_are_stored_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("repository.mof");
    let checked = mofcomp(&file, &["--check", "-"], ROOM);
    assert_eq!((checked.out.as_str(), checked.code), ("1 class and 1 instance would be compiled\n", 0));
    assert!(!file.exists());
    let made = mofcomp(&file, &["-"], ROOM);
    assert_eq!((made.out.as_str(), made.code), ("1 class and 1 instance compiled\n", 0), "{}", made.errors);
    let exported = mofcomp(&file, &["--export"], "");
    assert!(exported.out.contains("uint32 Seats = 4;"), "{}", exported.out);
    let copy = folder.path().join("copy.mof");
    fs::write(folder.path().join("backup.mof"), &exported.out).unwrap();
    mofcomp(&copy, &[folder.path().join("backup.mof").to_str().unwrap()], "");
    assert_eq!(fs::read_to_string(&copy).unwrap(), fs::read_to_string(&file).unwrap());
    let other = mofcomp(&file, &["--export", "-n", "root/cimv2"], "");
    assert!(!other.out.contains("Room"), "{}", other.out);
}

#[test]
fn an_error_names_its_position_and_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("site.mof");
    fs::write(&text, format!("{ROOM}\n  class B : Missing {{ }};\n")).unwrap();
    let file = folder.path().join("repository.mof");
    let ran = mofcomp(&file, &[text.to_str().unwrap()], "");
    let expected = format!("telarch: {}:4:3: class B: the superclass Missing is missing\n", text.display());
    assert_eq!((ran.errors, ran.code), (expected, 1));
    assert!(!file.exists());
    let ran = mofcomp(&file, &["/none/x.mof"], "");
    assert!(ran.errors.starts_with("telarch: cannot read /none/x.mof: "), "{}", ran.errors);
}

#[test]
fn concurrent_writers_lose_no_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("repository.mof");
    let children: Vec<_> = (0..8)
        .map(|number| {
            let text = folder.path().join(format!("{number}.mof"));
            fs::write(&text, format!("class Site_{number} {{ [Key] string Name; }};")).unwrap();
            let mut command = telarch(&["mofcomp"]);
            command.arg(&text).arg("--repository").arg(&file).stdout(Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let exported = mofcomp(&file, &["--export"], "").out;
    for number in 0..8 {
        assert!(exported.contains(&format!("class Site_{number} ")), "{number} is lost: {exported}");
    }
}

#[test]
fn a_killed_writer_leaves_the_old_or_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("repository.mof");
    // Large enough that writing takes some time.
    let instances: String =
        (0..2_000).map(|number| format!("instance of Room {{ Name = \"{number}\"; }};\n")).collect();
    let text = folder.path().join("rooms.mof");
    mofcomp(&file, &["-"], ROOM);
    let (mut old, mut new) = (0, 0);
    for round in 0..24_u64 {
        // Other than the default of the class.
        let seats = format!("Seats = {};", 100 + round);
        fs::write(&text, instances.replace("Name = \"", &format!("{seats} Name = \""))).unwrap();
        let before = fs::read_to_string(&file).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_telarch"))
            .args(["mofcomp".as_ref(), text.as_os_str(), "--repository".as_ref(), file.as_os_str()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The moment varies: in every second round, as soon as the temporary file exists.
        let beside = folder.path().join(".repository.mof.new");
        while round % 2 == 0 && !beside.exists() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let after = mofcomp(&file, &["--export"], "");
        assert_eq!(after.code, 0, "the file is broken: {}", after.errors);
        if fs::read_to_string(&file).unwrap() == before {
            old += 1;
        } else {
            assert_eq!(after.out.matches(&seats).count(), 2_000, "half of it is there");
            new += 1;
        }
    }
    assert!(old > 0, "no writer was killed in time ({old} old, {new} new)");
    let last = mofcomp(&file, &[text.to_str().unwrap()], "");
    assert_eq!(last.code, 0, "what a killed writer left is in the way: {}", last.errors);
}
