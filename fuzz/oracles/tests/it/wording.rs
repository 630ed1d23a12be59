use telarch_oracles::wording;

use crate::corpus::{cases, mutate};

#[test]
fn corpus_output_is_safe_and_well_formed() {
    mutate(&cases("wording_printed", 5), usize::MAX, b"<>&\"' :x\x7F", wording::printed);
}
