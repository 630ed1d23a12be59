//! Every fault says what failed, why, and what to do.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;

use telarch_architecture::faults::{Entry, LIST, Place, parse, texts};
use telarch_architecture::root;
use telarch_architecture::sources::Source;

#[test]
fn every_text_of_a_fault_is_listed() {
    let mut complaints = Vec::new();
    for Place { path, entries } in places() {
        let text = fs::read_to_string(root().join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let found = texts(Source { path: path.clone().into(), text }.product());
        let listed: Vec<String> = entries.iter().map(Entry::text).collect();
        let news = found.iter().filter(|text| !listed.contains(text)).map(|text| format!("new: {text:?}"));
        let gone = listed.iter().filter(|text| !found.contains(text)).map(|text| format!("gone: {text:?}"));
        let all: Vec<String> = news.chain(gone).collect();
        if !all.is_empty() || found.len() != listed.len() {
            complaints.push(format!(
                "{path}: {} found, {} listed\n  {}",
                found.len(),
                listed.len(),
                all.join("\n  ")
            ));
        }
    }
    assert!(complaints.is_empty(), "faults.txt does not match:\n{}", complaints.join("\n"));
}

#[test]
fn every_file_that_makes_faults_is_listed() {
    let listed: BTreeMap<String, usize> =
        places().into_iter().map(|place| (place.path, place.entries.len())).collect();
    let mut missing = Vec::new();
    for source in ["crates", "programs"].into_iter().flat_map(|folder| Source::below(&root().join(folder))) {
        let path = source.path.strip_prefix(root()).unwrap().to_str().unwrap();
        let makes_faults = source.product().contains("Fault::new(") && !path.ends_with("/tests.rs");
        if makes_faults && !listed.contains_key(path) && !texts(source.product()).is_empty() {
            missing.push(path.to_owned());
        }
    }
    assert!(missing.is_empty(), "add these files to faults.txt: {missing:#?}");
}

#[test]
fn every_fault_has_a_cause_and_a_fix() {
    let mut wrong = Vec::new();
    for Place { path, entries } in places() {
        for entry in &entries {
            let text = entry.text();
            let is_complete = match entry {
                Entry::Fault { cause, fix } => !cause.trim().is_empty() && !fix.is_empty(),
                Entry::Advice(advice) => !advice.is_empty(),
                Entry::Part(_) => true,
            };
            let is_of_debug = text.contains(":?}");
            let is_sentence = text.ends_with('.') && !text.ends_with("...");
            let has_full_stop = is_sentence && !matches!(entry, Entry::Part(_));
            if !is_complete || is_of_debug || has_full_stop {
                wrong.push(format!("{path}: {text:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn places() -> Vec<Place> {
    let places = parse(LIST).unwrap_or_else(|error| panic!("faults.txt: {error}"));
    assert!(places.len() > 50, "only {} files are listed", places.len());
    places
}
