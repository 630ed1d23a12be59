use std::fs;
use std::path::Path;

use telarch_config::oracle;

/// Runs the oracle over every stored case, over the case cut short, and over the case with one octet changed.
fn promises(target: &str, oracle: fn(&[u8]), least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut cases = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        oracle(&octets);
        cases += 1;
        let step = (octets.len() / 60).max(1);
        for place in (0..octets.len()).step_by(step) {
            oracle(&octets[..place]);
            for replacement in *b"\"'#=.[]{}\n\r ,-*0\x00" {
                let mut changed = octets.clone();
                changed[place] = replacement;
                oracle(&changed);
            }
        }
    }
    assert!(cases >= least, "only {cases} cases in {}", folder.display());
}

#[test]
fn the_stored_files_and_their_mutations_are_read_changed_and_read_again() {
    promises("config_toml", oracle::config_toml, 10);
}

#[test]
fn the_stored_filters_and_their_mutations_keep_the_promises() {
    promises("config_filter", oracle::config_filter, 8);
}

#[test]
fn the_stored_registries_and_their_mutations_are_refused_or_written_again() {
    promises("config_registry_pol", oracle::config_registry_pol, 8);
}

#[test]
fn the_stored_drop_ins_and_their_mutations_govern_or_are_refused() {
    promises("config_policy_toml", oracle::config_policy_toml, 8);
}
