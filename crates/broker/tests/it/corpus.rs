//! The oracle over the stored corpus of the fuzz target, its beginnings and its mutations.

use std::fs;
use std::path::Path;

use telarch_broker::{Ask, Order, Report, Tell, oracle};

#[test]
fn messages_of_the_corpus_and_their_mutations_keep_the_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/broker_message");
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        count += 1;
        let is_message = Ask::decode(&octets).is_ok()
            || Tell::decode(&octets).is_ok()
            || Order::decode(&octets).is_ok()
            || Report::decode(&octets).is_ok();
        assert!(is_message, "{octets:?} is none");
        oracle::broker_message(&octets);
        for at in 0..octets.len() {
            oracle::broker_message(&octets[..at]);
            for octet in [0, 1, 2, 0x7F, 0xFF] {
                let mut changed = octets.clone();
                changed[at] = octet;
                oracle::broker_message(&changed);
            }
        }
    }
    assert!(count >= 20, "only {count} cases");
}
