use telarch_oracles::winevent_delivery as oracles;

use crate::corpus::{cases, mutate};

#[test]
fn the_oracle_holds_for_the_corpus_and_mutations_of_it() {
    mutate(&cases("winevent_message", 5), 200, b"<>&'\"/ ]\0\xFF", oracles::message);
}

#[test]
fn the_oracle_holds_for_answers_and_mutations() {
    mutate(&cases("winevent_answer", 1), 200, b"<>&'\"/ ]\0\xFF", oracles::answer);
}
