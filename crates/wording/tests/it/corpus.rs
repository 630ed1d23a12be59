use std::fs;
use std::path::Path;

use telarch_wording::oracle;

#[test]
fn answers_of_the_corpus_are_printed_as_promised() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/wording_printed");
    let mut cases = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        oracle::printed(&octets);
        cases += 1;
        for at in 0..octets.len() {
            oracle::printed(&[&octets[..at], &octets[at + 1..]].concat());
            for octet in *b"<>&\"' :x\x7F" {
                oracle::printed(&[&octets[..at], &[octet], &octets[at + 1..]].concat());
            }
        }
    }
    assert!(cases >= 5, "only {cases} cases in {}", folder.display());
}
