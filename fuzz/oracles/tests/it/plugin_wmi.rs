use telarch_oracles::plugin_wmi;

use crate::corpus::{cases, mutate};

#[test]
fn parts_of_the_corpus_are_found_where_walking_finds_them() {
    mutate(&cases("wmi_fragment", 8), usize::MAX, b"[]:/()0123+- nT\xC3", plugin_wmi::fragment);
}
