use telarch_oracles::wmi;

use crate::corpus::{cases, mutate};

#[test]
fn queries_of_the_corpus_find_the_same_by_keys_and_by_looking() {
    mutate(&cases("wmi_query", 10), usize::MAX, b"aA1'\"=<% ", wmi::query);
}
