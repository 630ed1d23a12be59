use std::fs;
use std::path::Path;

use auth::oracle;

/// Runs the oracle over every stored case, over the case cut short, and over the case with one octet changed.
#[test]
fn the_stored_files_and_their_mutations_keep_the_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/auth_account_file");
    let mut cases = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        oracle::account_file(&octets);
        cases += 1;
        let step = (octets.len() / 120).max(1);
        for place in (0..octets.len()).step_by(step) {
            oracle::account_file(&octets[..place]);
            for replacement in *b":$,=@#\n\r 0aZ-\x00\xFF" {
                let mut changed = octets.clone();
                changed[place] = replacement;
                oracle::account_file(&changed);
            }
        }
    }
    assert!(cases >= 12, "only {cases} cases in {}", folder.display());
}
