//! The oracle over the stored corpus of the fuzz target, its beginnings and its mutations.

use telarch_corpus::{cases, mutate};
use telarch_wording::oracle;

#[test]
fn answers_of_the_corpus_are_printed_as_promised() {
    mutate(&cases("wording_printed", 5), usize::MAX, b"<>&\"' :x\x7F", oracle::printed);
}
