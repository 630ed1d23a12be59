use telarch_oracles::caddy as oracles;

use crate::corpus::cases;
use crate::random::Random;

fn corpus() -> Vec<Vec<u8>> {
    cases("caddy_document", 6)
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
    let mut random = Random::new(23);
    // Names and values change places, so that the documents stay JSON.
    let words: Vec<Vec<u8>> = seeds.iter().flat_map(|seed| words(seed)).collect();
    for _ in 0..150 {
        let mut bytes = random.of(&seeds).clone();
        for _ in 0..=random.below(3) {
            let own = words_at(&bytes);
            if own.is_empty() {
                break;
            }
            let range = random.of(&own).clone();
            bytes.splice(range, random.of(&words).clone());
        }
        oracles::document(&bytes);
    }
}

/// Returns the places of quoted words.
fn words_at(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let quotes: Vec<usize> = (0..text.len()).filter(|at| text[*at] == b'"').collect();
    quotes.chunks_exact(2).map(|pair| pair[0]..pair[1] + 1).collect()
}

fn words(text: &[u8]) -> Vec<Vec<u8>> {
    words_at(text).into_iter().map(|range| text[range].to_vec()).collect()
}
