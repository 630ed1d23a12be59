//! Runs the oracle over the stored corpus of the fuzz target, prefixes of its cases and mutations of them.

use telarch_corpus::{cases, mutate};
use telarch_hardware::oracle;

#[test]
fn controller_files_of_the_corpus_are_parsed_or_rejected() {
    mutate(&cases("hardware_host_file", 4), usize::MAX, b"\t\n:-=0A]\xC3", oracle::host_file);
}
