//! Runs the fuzz oracles on the stored corpora, their prefixes and their mutations.

use telarch_corpus::cases;
use telarch_wsman::oracle;

use crate::generator::Generator;

#[test]
fn corpus_requests_pass_the_oracle() {
    mutate(&cases("wsman_request", 15), oracle::request);
}

#[test]
fn corpus_responses_pass_the_oracle() {
    mutate(&cases("wsman_response", 15), oracle::response);
}

#[test]
fn corpus_durations_pass_the_oracle() {
    mutate(&cases("wsman_duration", 15), oracle::duration);
}

fn mutate(seeds: &[Vec<u8>], oracle: impl Fn(&[u8])) {
    let mut generator = Generator::new(30);
    for seed in seeds {
        oracle(seed);
        let step = (seed.len() / 25).max(1);
        for at in (0..seed.len()).step_by(step) {
            oracle(&seed[..at]);
            for octet in *b"<>&\"'/ :=-9P\0\x80" {
                let mut changed = seed.clone();
                changed[at] = octet;
                oracle(&changed);
            }
            let other = &seeds[generator.below(seeds.len())];
            let (from, length) = (generator.below(other.len() + 1), generator.below(80));
            let mut spliced = seed.clone();
            let end = (at + generator.below(20)).min(seed.len());
            spliced.splice(at..end, other[from..].iter().take(length).copied());
            oracle(&spliced);
        }
    }
}
