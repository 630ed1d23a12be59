use telarch_oracles::apache as oracles;

use crate::corpus::cases;
use crate::random::Random;

fn corpus() -> Vec<Vec<u8>> {
    cases("apache_document", 6)
}

#[test]
fn the_oracle_holds_for_the_corpus() {
    for seed in corpus() {
        oracles::document(&seed);
    }
}

#[test]
fn the_oracle_holds_for_mutations_of_the_corpus() {
    let seeds = corpus();
    let mut random = Random::new(12);
    for _ in 0..4_000 {
        let mut bytes = random.of(&seeds).clone();
        bytes.truncate(600);
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len().max(1)).min(bytes.len());
            let special = random.of(b"<>/\"'\\#$) \n\tab").to_owned();
            if random.below(2) == 0 {
                bytes.insert(at, special);
            } else if at < bytes.len() {
                bytes[at] = special;
            }
        }
        oracles::document(&bytes);
    }
}
