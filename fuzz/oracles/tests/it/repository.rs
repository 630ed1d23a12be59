use telarch_oracles::repository;

use crate::corpus::cases;

fn seeds() -> Vec<Vec<u8>> {
    [cases("repository_mofcomp", 1), cases("cim_mof", 1)].concat()
}

#[test]
fn the_oracle_holds_for_the_corpus_and_all_its_prefixes() {
    let seeds = seeds();
    assert!(seeds.len() >= 6, "only {} seeds were found", seeds.len());
    for seed in seeds {
        repository::mofcomp(&seed);
        for length in (0..seed.len().min(2_000)).step_by(7) {
            repository::mofcomp(&seed[..length]);
        }
    }
}

#[test]
fn the_oracle_holds_for_omitted_and_repeated_lines() {
    for seed in seeds().iter().filter(|seed| seed.len() < 8_000) {
        let lines: Vec<&[u8]> = seed.split_inclusive(|octet| *octet == b'\n').collect();
        for at in 0..lines.len() {
            let without: Vec<u8> = lines
                .iter()
                .enumerate()
                .filter(|(line, _)| *line != at)
                .flat_map(|(_, line)| line.to_vec())
                .collect();
            repository::mofcomp(&without);
            let twice: Vec<u8> = lines
                .iter()
                .enumerate()
                .flat_map(|(line, text)| if line == at { [*text, *text].concat() } else { text.to_vec() })
                .collect();
            repository::mofcomp(&twice);
        }
    }
}
