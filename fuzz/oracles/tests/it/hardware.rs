use telarch_oracles::hardware;

use crate::corpus::{cases, mutate};

#[test]
fn controller_files_of_the_corpus_are_parsed_or_rejected() {
    mutate(&cases("hardware_host_file", 4), usize::MAX, b"\t\n:-=0A]\xC3", hardware::host_file);
}
