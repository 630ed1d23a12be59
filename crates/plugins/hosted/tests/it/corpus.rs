//! The oracle over the stored corpus of the fuzz target, its beginnings and its mutations.

use std::fs;
use std::path::Path;

use telarch_plugin_hosted::oracle;

#[test]
fn messages_of_the_corpus_and_their_mutations_keep_the_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus/plugin_hosted_message");
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        count += 1;
        oracle::host_message(&octets);
        for at in 0..octets.len() {
            oracle::host_message(&octets[..at]);
            for octet in [0, 1, 2, 0x7F, 0xFF] {
                let mut changed = octets.clone();
                changed[at] = octet;
                oracle::host_message(&changed);
            }
        }
    }
    assert!(count >= 10, "only {count} cases");
}
