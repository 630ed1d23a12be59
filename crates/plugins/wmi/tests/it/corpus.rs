//! The oracle over the stored corpus of the fuzz target, its beginnings and its mutations.

use telarch_corpus::{cases, mutate};
use telarch_plugin_wmi::oracle;

#[test]
fn parts_of_the_corpus_are_found_where_walking_finds_them() {
    mutate(&cases("wmi_fragment", 8), usize::MAX, b"[]:/()0123+- nT\xC3", oracle::fragment);
}
