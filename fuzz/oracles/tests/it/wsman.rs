use telarch_oracles::wsman;

use crate::corpus::cases;
use crate::random::Random;

#[test]
fn corpus_requests_pass_the_oracle() {
    mutate(&cases("wsman_request", 15), wsman::request);
}

#[test]
fn corpus_responses_pass_the_oracle() {
    mutate(&cases("wsman_response", 15), wsman::response);
}

#[test]
fn corpus_durations_pass_the_oracle() {
    mutate(&cases("wsman_duration", 15), wsman::duration);
}

fn mutate(seeds: &[Vec<u8>], check: impl Fn(&[u8])) {
    let mut random = Random::new(30);
    for seed in seeds {
        check(seed);
        let step = (seed.len() / 25).max(1);
        for at in (0..seed.len()).step_by(step) {
            check(&seed[..at]);
            for octet in *b"<>&\"'/ :=-9P\0\x80" {
                let mut changed = seed.clone();
                changed[at] = octet;
                check(&changed);
            }
            let other = random.of(seeds);
            let (from, length) = (random.below(other.len() + 1), random.below(80));
            let mut spliced = seed.clone();
            let end = (at + random.below(20)).min(seed.len());
            spliced.splice(at..end, other[from..].iter().take(length).copied());
            check(&spliced);
        }
    }
}
