//! Runs the oracle over the corpus of the fuzz target and over mutations of it.

use std::fs;
use std::path::Path;

use telarch_repository::oracle;

fn seeds() -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let folders = ["repository_mofcomp", "cim_mof"].map(|name| corpus.join(name));
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn the_oracle_holds_for_the_corpus_and_for_every_beginning_of_it() {
    let seeds = seeds();
    assert!(seeds.len() >= 6, "only {} seeds were found", seeds.len());
    for seed in seeds {
        oracle::mofcomp(&seed);
        for length in (0..seed.len().min(2_000)).step_by(7) {
            oracle::mofcomp(&seed[..length]);
        }
    }
}

#[test]
fn the_oracle_holds_when_lines_are_left_out_or_come_twice() {
    for seed in seeds().iter().filter(|seed| seed.len() < 8_000) {
        let lines: Vec<&[u8]> = seed.split_inclusive(|octet| *octet == b'\n').collect();
        for at in 0..lines.len() {
            let without: Vec<u8> = lines
                .iter()
                .enumerate()
                .filter(|(line, _)| *line != at)
                .flat_map(|(_, line)| line.to_vec())
                .collect();
            oracle::mofcomp(&without);
            let twice: Vec<u8> = lines
                .iter()
                .enumerate()
                .flat_map(|(line, text)| if line == at { [*text, *text].concat() } else { text.to_vec() })
                .collect();
            oracle::mofcomp(&twice);
        }
    }
}
