//! Runs the oracle over the stored corpus of the fuzz target and over mutations of it.

use telarch_corpus::{cases, mutate};
use telarch_ipmi::oracle;

#[test]
fn cache_files_of_the_corpus_are_decoded_unchanged_or_rejected() {
    let seeds = cases("ipmi_cached_records", 3);
    mutate(&seeds, 300, &[0x00, 0x01, 0x80, 0xff], oracle::cached_records);
}
