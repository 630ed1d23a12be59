//! The journal reader against `systemd-journal-remote`, which writes journals, and `journalctl`, which reads them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod journals;

use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;

use telarch_eventlog::export::{ExportedEntry, read_entry};
use telarch_eventlog::journal::{Entry, ExportedJournal, Journal, JournalFile, RecordNumber, Sequences};
use telarch_eventlog::local::LogPaths;
use telarch_eventlog::{EventOptions, NewestFirst};

use crate::journals::{export_text, remote};

fn entries(path: &Path) -> Vec<Entry> {
    let mut journal = Journal::open(path, Sequences::default()).unwrap();
    std::iter::from_fn(|| journal.next_entry()).collect()
}

/// Returns the fields as `journalctl -o export` writes them.
fn exported(entry: &Entry) -> ExportedEntry {
    let head = &entry.head;
    let mut all = vec![
        ("__CURSOR".to_owned(), head.cursor().into_bytes()),
        ("__REALTIME_TIMESTAMP".to_owned(), head.realtime.to_string().into_bytes()),
        ("__MONOTONIC_TIMESTAMP".to_owned(), head.monotonic.to_string().into_bytes()),
    ];
    all.extend(entry.fields.all.clone());
    if !all.iter().any(|(name, _)| name == "_BOOT_ID") {
        all.push(("_BOOT_ID".to_owned(), head.boot.to_string().into_bytes()));
    }
    all.sort();
    all
}

#[test]
fn every_field_equals_that_of_journalctl() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.journal");
    for options in [&[][..], &["--compress=no"], &["--seal=no"]] {
        let _ = fs::remove_file(&path);
        if !remote(&path, &export_text(1..700), options) {
            return skips::skip!("there is no systemd-journal-remote");
        }
        let output = Command::new("journalctl").arg("--file").arg(&path).args(["-o", "export"]).output();
        let Ok(output) = output else { return skips::skip!("there is no journalctl") };
        let mut reader = BufReader::new(output.stdout.as_slice());
        let mut theirs = Vec::new();
        while let Some(mut entry) = read_entry(&mut reader).unwrap() {
            // Newer versions add the position of the entry in its sequence.
            entry.retain(|(name, _)| !name.starts_with("__SEQNUM"));
            entry.sort();
            theirs.push(entry);
        }
        let ours: Vec<ExportedEntry> = entries(&path).iter().map(exported).collect();
        assert_eq!(ours.len(), 699, "{options:?}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(ours.len(), theirs.len());
    }
}

#[test]
fn a_position_survives_rotation_and_new_sequences() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.journal");
    if !remote(&path, &export_text(1..101), &[]) {
        return skips::skip!("there is no systemd-journal-remote");
    }
    let mut journal = Journal::open(folder.path(), Sequences::default()).unwrap();
    let first: Vec<Entry> = std::iter::from_fn(|| journal.next_entry()).collect();
    assert_eq!(first.len(), 100);
    assert!(first.iter().zip(first.iter().skip(1)).all(|(one, next)| one.record < next.record));
    // Journald renames a full file and begins another one.
    fs::rename(&path, folder.path().join("system@0000.journal")).unwrap();
    assert!(remote(&path, &export_text(101..151), &[]));
    journal.refresh().unwrap();
    let second: Vec<Entry> = std::iter::from_fn(|| journal.next_entry()).collect();
    assert_eq!(second.len(), 50);
    assert!(second[0].record > first[99].record);
    // A reader of a later process knows the sequences, so its numbers are the same without the first file.
    let sequences = Sequences::parse(&journal.sequences().to_text());
    fs::remove_file(folder.path().join("system@0000.journal")).unwrap();
    let mut again = Journal::open(folder.path(), sequences).unwrap();
    again.seek(second[19].record);
    assert_eq!(again.next_entry().unwrap(), second[20]);
    again.seek(RecordNumber(first[99].record.0));
    assert_eq!(again.next_entry().unwrap(), second[0]);
    again.seek_time(second[30].head.realtime);
    assert_eq!(again.next_entry().unwrap(), second[30]);
    again.seek_end();
    assert!(again.next_entry().is_none());
}

#[test]
fn the_newest_events_are_first_and_a_position_continues_before_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.journal");
    if !remote(&path, &export_text(1..101), &[]) {
        return skips::skip!("there is no systemd-journal-remote");
    }
    let paths = LogPaths { journal: Some(folder.path().to_owned()), audit: None };
    let open = || NewestFirst::open(&paths, EventOptions::default()).unwrap();
    let mut logs = open();
    let first: Vec<u64> = (0..40).map(|_| logs.next_event().unwrap().unwrap().record_id).collect();
    assert!(first.windows(2).all(|pair| pair[0] > pair[1]), "{first:?}");
    let mut again = open();
    again.seek_before(logs.positions());
    let rest: Vec<u64> =
        std::iter::from_fn(|| again.next_event().unwrap()).map(|event| event.record_id).collect();
    assert_eq!((rest.len(), rest[0]), (60, first[39] - 1));
}

#[test]
fn audit_events_are_returned_in_reverse_from_windows_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    // Events with pauses of seconds and of days.
    let times: Vec<u64> = (0..30_u64).map(|at| 1_700_000_000 + at * 7 + at / 10 * 400_000).collect();
    let lines = times.iter().zip(1..).map(|(time, serial)| {
        format!("type=USER_LOGIN msg=audit({time}.000:{serial}): pid={serial} uid=0 res=success\n")
    });
    fs::write(&path, lines.collect::<String>()).unwrap();
    let paths = LogPaths { journal: None, audit: Some(path) };
    let mut logs = NewestFirst::open(&paths, EventOptions::default()).unwrap();
    let found: Vec<u64> =
        std::iter::from_fn(|| logs.next_event().unwrap()).map(|event| event.time / 1_000_000).collect();
    assert_eq!(found, times.into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn entries_are_found_while_a_file_grows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.journal");
    if !remote(&path, &export_text(1..11), &[]) {
        return skips::skip!("there is no systemd-journal-remote");
    }
    let mut journal = Journal::open(folder.path(), Sequences::default()).unwrap();
    assert_eq!(std::iter::from_fn(|| journal.next_entry()).count(), 10);
    for begin in [11, 1_000, 20_000] {
        assert!(remote(&path, &export_text(begin..begin + 300), &[]));
        journal.refresh().unwrap();
        assert_eq!(std::iter::from_fn(|| journal.next_entry()).count(), 300);
    }
}

#[test]
fn a_damaged_file_ends_in_an_error_or_in_fewer_entries() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.journal");
    if !remote(&path, &export_text(1..60), &[]) {
        return skips::skip!("there is no systemd-journal-remote");
    }
    let good = fs::read(&path).unwrap();
    let end = good.iter().rposition(|byte| *byte != 0).unwrap();
    let mut state = 1_u64;
    for _ in 0..300 {
        let mut bad = good.clone();
        for _ in 0..20 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(state >> 33).unwrap() % end;
            bad[at] = u8::try_from(state >> 20 & 0xFF).unwrap();
        }
        bad.truncate(end);
        let Ok(mut file) = JournalFile::open(Box::new(bad)) else { continue };
        let count = file.header().entries;
        for index in 0..count.min(10_000) {
            if let Ok(Some(entry)) = file.entry(index) {
                let _ = file.fields(&entry);
            }
        }
    }
}

#[test]
fn entries_are_read_backwards_and_through_journalctl_with_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.journal");
    if !remote(&path, &export_text(1..101), &[]) {
        return skips::skip!("there is no systemd-journal-remote");
    }
    fs::rename(&path, folder.path().join("system@0000.journal")).unwrap();
    assert!(remote(&path, &export_text(101..151), &[]));
    let forwards = entries(folder.path());
    let mut journal = Journal::open(folder.path(), Sequences::default()).unwrap();
    journal.seek_end();
    let mut backwards: Vec<Entry> = std::iter::from_fn(|| journal.previous_entry()).collect();
    backwards.reverse();
    assert_eq!(backwards, forwards);
    assert_eq!(std::iter::from_fn(|| journal.next_entry()).count(), 150);

    let mut program = match ExportedJournal::open(folder.path(), Sequences::default()) {
        Ok(program) => program,
        Err(_) => return skips::skip!("there is no journalctl"),
    };
    let theirs: Vec<_> = std::iter::from_fn(|| program.next_entry().unwrap())
        .map(|entry| (entry.record, exported(&entry)))
        .collect();
    let ours: Vec<_> = forwards.iter().map(|entry| (entry.record, exported(entry))).collect();
    assert_eq!(theirs, ours);
    let sequences = program.sequences().clone();
    let mut again = ExportedJournal::open(folder.path(), sequences).unwrap();
    again.seek(forwards[119].record).unwrap();
    assert_eq!(again.next_entry().unwrap().unwrap().record, forwards[120].record);
    assert_eq!(again.seek_end().unwrap(), forwards[149].record);
    assert!(again.next_entry().unwrap().is_none());
    assert!(remote(&path, &export_text(151..161), &[]));
    again.refresh().unwrap();
    assert_eq!(std::iter::from_fn(|| again.next_entry().unwrap()).count(), 10);
}
