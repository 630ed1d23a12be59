use telarch_oracles::ipmi;

use crate::corpus::{cases, mutate};

#[test]
fn cache_files_of_the_corpus_are_decoded_unchanged_or_rejected() {
    let seeds = cases("ipmi_cached_records", 3);
    mutate(&seeds, 300, &[0x00, 0x01, 0x80, 0xff], ipmi::cached_records);
}
