//! The oracles over the stored corpora of the fuzz targets, their beginnings and their mutations.

use telarch_config::oracle;
use telarch_corpus::{cases, mutate};

fn promises(target: &str, oracle: fn(&[u8]), least: usize) {
    mutate(&cases(target, least), 60, b"\"'#=.[]{}\n\r ,-*0\x00", oracle);
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
