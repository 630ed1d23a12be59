use std::fs;
use std::path::Path;

use telarch_xml::oracle;

/// Runs the oracle over every stored case, over every prefix of it, and over the case with one octet changed.
#[test]
fn the_stored_corpus_and_its_mutations_keep_the_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/xml_document");
    let mut cases = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        oracle::document(&octets);
        cases += 1;
        let step = (octets.len() / 60).max(1);
        for cut in (0..octets.len()).step_by(step) {
            oracle::document(&octets[..cut]);
            for replacement in *b"<>&\"'/ \r\x00x:" {
                let mut changed = octets.clone();
                changed[cut] = replacement;
                oracle::document(&changed);
            }
        }
    }
    assert!(cases >= 8, "only {cases} cases in {}", folder.display());
}
