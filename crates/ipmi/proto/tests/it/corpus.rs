//! The oracles over the stored corpora of the fuzz targets, their beginnings and their mutations.

use std::fs;
use std::path::Path;
use std::time::Instant;

use telarch_ipmi_proto::oracle;

#[test]
fn datagrams_of_the_corpus_and_their_mutations_keep_the_promises() {
    let now = Instant::now();
    mutate("ipmi_datagrams", 3, |octets| oracle::datagrams(octets, now));
}

#[test]
fn answers_of_the_corpus_and_their_mutations_are_told_as_they_are() {
    let now = Instant::now();
    mutate("ipmi_answers", 4, |octets| oracle::answers(octets, now));
}

#[test]
fn requests_of_the_corpus_and_their_mutations_never_reach_a_device() {
    let now = Instant::now();
    mutate("ipmi_responder", 6, |octets| oracle::responder(octets, now));
}

#[test]
fn replies_of_the_corpus_and_their_mutations_keep_the_promises() {
    mutate("ipmi_replies", 1, oracle::replies);
}

#[test]
fn records_of_the_corpus_and_their_mutations_keep_the_promises() {
    mutate("ipmi_record", 6, oracle::record);
}

/// Every beginning of each file, and each of its octets changed in turn.
fn mutate(target: &str, at_least: usize, oracle: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus").join(target);
    let files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(files.len() >= at_least, "{target} has {} files", files.len());
    for octets in files {
        for end in 0..=octets.len() {
            oracle(&octets[..end]);
        }
        for place in 0..octets.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = octets.clone();
                changed[place] ^= change;
                oracle(&changed);
            }
        }
    }
}
