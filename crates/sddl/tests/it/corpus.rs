use std::{fs, path::Path};

use crate::generator::Generator;
use telarch_sddl::oracle;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sddl");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn the_oracle_holds_for_the_corpus() {
    let seeds = corpus();
    assert!(seeds.len() >= 15, "only {} seeds found", seeds.len());
    for seed in seeds {
        oracle::sddl(&seed);
    }
}

#[test]
fn the_oracle_holds_for_mutations_of_the_corpus() {
    let seeds = corpus();
    let mut generator = Generator::new(4);
    for _ in 0..20_000 {
        let mut bytes = seeds[generator.below(seeds.len())].clone();
        bytes.truncate(4_096);
        for _ in 0..=generator.below(3) {
            mutate(&mut bytes, &seeds, &mut generator);
        }
        oracle::sddl(&bytes);
    }
}

#[test]
fn the_oracle_holds_for_every_beginning_of_a_seed() {
    for seed in corpus().iter().filter(|seed| seed.len() < 1_024) {
        for length in 0..seed.len() {
            oracle::sddl(&seed[..length]);
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], generator: &mut Generator) {
    const WORDS: &[&[u8]] = &[
        b"O:",
        b"G:",
        b"D:",
        b"S:",
        b"(",
        b")",
        b";",
        b"-",
        b"0x",
        b"GA",
        b"OW",
        b"LA",
        b"IO",
        b"S-1-",
        b"\xc3\xa4",
    ];
    let at = generator.below(bytes.len() + 1);
    match generator.below(6) {
        0 if at < bytes.len() => bytes[at] ^= 1 << generator.below(8),
        1 => bytes.truncate(at),
        2 if at < bytes.len() => {
            bytes.remove(at);
        }
        3 => {
            let word = generator.pick(WORDS);
            bytes.splice(at..at, word.iter().copied());
        }
        4 => {
            let end = bytes.len().min(at + generator.below(32));
            let repeated = bytes[at..end].repeat(1 + generator.below(3));
            bytes.splice(at..at, repeated);
        }
        _ => {
            let other = &seeds[generator.below(seeds.len())];
            let from = generator.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend(other[from..].iter().take(4_096));
        }
    }
}
