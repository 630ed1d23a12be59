use std::fs;
use std::path::Path;

use telarch_wmi::oracle;

#[test]
fn queries_of_the_corpus_find_the_same_by_keys_and_by_looking() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/wmi_query");
    let mut cases = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        oracle::query(&octets);
        cases += 1;
        for at in 0..octets.len() {
            oracle::query(&[&octets[..at], &octets[at + 1..]].concat());
            for octet in *b"aA1'\"=<% " {
                oracle::query(&[&octets[..at], &[octet], &octets[at + 1..]].concat());
            }
        }
    }
    assert!(cases >= 10, "only {cases} cases in {}", folder.display());
}
