//! Runs the oracles over the stored corpora of the fuzz targets, prefixes of their cases and mutations of
//! them.

use telarch_provider_linux::oracle;

#[test]
fn machine_corpus_yields_valid_rows() {
    let seeds = mutate("linux_machine", 2, b"9", oracle::machine);
    let missing: Vec<_> = oracle::PLACES
        .iter()
        .filter(|(path, _)| !seeds.iter().any(|seed| seed.starts_with(path.as_bytes())))
        .collect();
    assert!(missing.is_empty(), "no seed is one of {missing:?}");
}

#[test]
fn registry_corpus_holds_its_properties() {
    mutate("linux_registry", 40, b"[]\"'\\=.{}\n1f\xC3", oracle::registry);
}

#[test]
fn registry_changes_corpus_holds_its_properties() {
    mutate("linux_registry_changes", 40, "/\\\nA\u{1}".as_bytes(), oracle::registry_changes);
}

#[test]
fn access_list_corpus_matches_posix() {
    mutate("linux_access_list", 60, b"\0\x01\x02\x04\x07\x08\x10\x20\xFF", oracle::access_list);
}

/// Runs the oracle over mutations of the seeds, and returns the seeds.
fn mutate(target: &str, places: usize, octets: &[u8], oracle: impl Fn(&[u8])) -> Vec<Vec<u8>> {
    let seeds = telarch_corpus::cases(target, 5);
    telarch_corpus::mutate(&seeds, places, octets, oracle);
    seeds
}
