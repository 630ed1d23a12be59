//! The oracles over the stored corpus of the fuzz targets, its beginnings and its mutations.

use std::fs;
use std::path::Path;

use telarch_wsman::oracle;

use crate::generator::Generator;

#[test]
fn requests_of_the_corpus_keep_the_promises() {
    mutate(&corpus("wsman_request"), oracle::request);
}

#[test]
fn responses_of_the_corpus_keep_the_promises() {
    mutate(&corpus("wsman_response"), oracle::response);
}

#[test]
fn durations_of_the_corpus_keep_the_promises() {
    mutate(&corpus("wsman_duration"), oracle::duration);
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort(); // The mutations must not depend on the file system.
    assert!(paths.len() >= 15, "only {} cases in {}", paths.len(), folder.display());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Each seed, its beginnings, each with one octet changed, and some with a piece of another.
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
