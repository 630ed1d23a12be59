//! Runs the oracle over the stored corpus of the fuzz target, prefixes of its cases and mutations of them.

use telarch_corpus::{cases, mutate};
use telarch_wmi::oracle;

#[test]
fn queries_of_the_corpus_find_the_same_by_keys_and_by_looking() {
    mutate(&cases("wmi_query", 10), usize::MAX, b"aA1'\"=<% ", oracle::query);
}
