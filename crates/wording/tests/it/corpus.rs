//! Runs the fuzz oracle on the stored corpus, its prefixes and its mutations.

use telarch_corpus::{cases, mutate};
use telarch_wording::oracle;

#[test]
fn corpus_output_is_safe_and_well_formed() {
    mutate(&cases("wording_printed", 5), usize::MAX, b"<>&\"' :x\x7F", oracle::printed);
}
