//! Runs the oracle over the stored corpus of the fuzz target, prefixes of its cases and mutations of them.

use telarch_corpus::{cases, mutate};
use telarch_plugin_wmi::oracle;

#[test]
fn parts_of_the_corpus_are_found_where_walking_finds_them() {
    mutate(&cases("wmi_fragment", 8), usize::MAX, b"[]:/()0123+- nT\xC3", oracle::fragment);
}
