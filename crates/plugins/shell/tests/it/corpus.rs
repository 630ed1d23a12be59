//! The code page oracle applied to the stored fuzzing corpus.
use std::fs;
use std::path::Path;

use telarch_plugin_shell::oracle;

#[test]
fn code_pages_of_the_corpus_satisfy_the_oracle() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus/shell_code_page");
    let mut cases = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        cases += 1;
        for page in 0..12 {
            for cut in [0, 1, 2, 6, 255] {
                oracle::code_page(&[&[page, cut], octets.get(2..).unwrap_or_default()].concat());
            }
        }
        for at in 0..octets.len() {
            oracle::code_page(&octets[..at]);
            for octet in *b"\x00\x80\x8E\xC3\xE2\xF0\xFF\x3F" {
                oracle::code_page(&[&octets[..at], &[octet], &octets[at + 1..]].concat());
            }
        }
    }
    assert!(cases >= 5, "only {cases} cases in {}", folder.display());
}
