//! The oracle over the stored corpus of its fuzz target, its beginnings and its mutations.

use std::fs;
use std::path::Path;

use telarch_accounts::oracle;

#[test]
fn certificates_of_the_corpus_and_their_mutations_keep_the_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/accounts_client_certificate");
    let mut cases = 0;
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        cases += 1;
        oracle::client_certificate(&octets);
        for at in 0..octets.len() {
            oracle::client_certificate(&octets[..at]);
            for octet in [0x00, 0x0C, 0x30, 0x80, 0xA0, 0xFF, octets[at] ^ 1] {
                let mut changed = octets.clone();
                changed[at] = octet;
                oracle::client_certificate(&changed);
            }
        }
    }
    assert!(cases >= 16, "there are only {cases} cases");
}
