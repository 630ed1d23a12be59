use telarch_oracles::management as oracles;

use crate::corpus::{cases, mutate};

#[test]
fn the_oracle_holds_for_the_corpus_and_mutations_of_it() {
    let seeds = cases("management_restrictions", 6);
    mutate(&seeds, 200, &[0x00, 0x19, 0x67, 0xFF, b','], oracles::restrictions);
}
