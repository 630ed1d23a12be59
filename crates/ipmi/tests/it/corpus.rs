//! The oracle over the stored corpus of the fuzz target, its beginnings and its mutations.

use std::fs;
use std::path::Path;

use telarch_ipmi::oracle;

#[test]
fn cached_records_of_the_corpus_are_read_as_they_were_packed_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/ipmi_cached_records");
    let files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!files.is_empty());
    for octets in files {
        oracle::cached_records(&octets);
        for at in (0..octets.len()).step_by((octets.len() / 300).max(1)) {
            oracle::cached_records(&octets[..at]);
            for change in [0x01, 0x80, 0xff] {
                let mut changed = octets.clone();
                changed[at] ^= change;
                oracle::cached_records(&changed);
            }
        }
    }
}
