//! Runs the oracles over the stored corpora of the fuzz targets, with prefixes and mutations of each entry.

use telarch_config::oracle;
use telarch_corpus::{cases, mutate};

fn check_corpus(target: &str, oracle: fn(&[u8]), least: usize) {
    mutate(&cases(target, least), 60, b"\"'#=.[]{}\n\r ,-*0\x00", oracle);
}

#[test]
fn configuration_files_and_mutations_survive_editing() {
    check_corpus("config_toml", oracle::config_toml, 10);
}

#[test]
fn address_filters_and_mutations_are_parsed_or_rejected() {
    check_corpus("config_filter", oracle::config_filter, 8);
}

#[test]
fn registry_files_and_mutations_are_encoded_unchanged_or_rejected() {
    check_corpus("config_registry_pol", oracle::config_registry_pol, 8);
}

#[test]
fn policy_files_and_mutations_apply_or_are_rejected() {
    check_corpus("config_policy_toml", oracle::config_policy_toml, 8);
}
