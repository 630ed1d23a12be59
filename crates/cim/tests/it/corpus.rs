//! The oracles over the stored corpus of the fuzz targets, its beginnings and its mutations.

use std::fs;
use std::path::Path;

use telarch_cim::oracle;

#[test]
fn queries_of_the_corpus_keep_the_promises() {
    mutate(&corpus("cim_query"), b"()'\"\\=<>.,[]*%; 19aA_\xC3", oracle::query);
}

#[test]
fn patterns_of_the_corpus_match_as_trying_everything_says() {
    mutate(&corpus("cim_like"), b"%_[]^-aZ\0\xC3", oracle::like);
}

#[test]
fn texts_of_mof_of_the_corpus_keep_the_promises() {
    mutate(&corpus("cim_mof"), b"{}[]():;,=$#\"'\\/ 09aA.\xC3", oracle::mof);
}

#[test]
fn instances_of_the_corpus_keep_the_promises() {
    mutate(&corpus("cim_instance"), b"<>&\"'/ :=-9p\0\x80", oracle::instance);
}

#[test]
fn classes_of_the_corpus_keep_the_promises() {
    mutate(&corpus("cim_class_xml"), b"<>\"'/ =,A1\x80", oracle::class_xml);
}

#[test]
fn paths_of_the_corpus_keep_the_promises() {
    mutate(&corpus("cim_object_path"), b"\\/:.=\"', @0a*\xC3", oracle::object_path);
}

#[test]
fn times_of_the_corpus_keep_the_promises() {
    mutate(&corpus("cim_datetime"), b"0159*+-:.TZP/ \xC3", oracle::datetime);
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort(); // The mutations must not depend on the file system.
    assert!(paths.len() >= 15, "only {} cases in {}", paths.len(), folder.display());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Each seed, its beginnings, each with one octet changed, one left out, and one of another seed in its place.
fn mutate(seeds: &[Vec<u8>], octets: &[u8], oracle: impl Fn(&[u8])) {
    for (number, seed) in seeds.iter().enumerate() {
        oracle(seed);
        let step = (seed.len() / 25).max(1);
        for at in (0..seed.len()).step_by(step) {
            oracle(&seed[..at]);
            oracle(&[&seed[..at], &seed[at + 1..]].concat());
            for octet in octets {
                oracle(&[&seed[..at], &[*octet], &seed[at + 1..]].concat());
            }
            let other = &seeds[(number + at + 1) % seeds.len()];
            oracle(&[&seed[..at], &other[at % other.len()..]].concat());
        }
    }
}
