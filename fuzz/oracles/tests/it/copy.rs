use telarch_oracles::copy as oracles;

use crate::corpus::cases;

#[test]
fn the_oracle_holds_for_the_corpus() {
    for seed in cases("copy_message", 6) {
        oracles::message(&seed);
    }
}
