use telarch_oracles::config;

use crate::corpus::{cases, mutate};

fn check_corpus(target: &str, check: fn(&[u8]), least: usize) {
    mutate(&cases(target, least), 60, b"\"'#=.[]{}\n\r ,-*0\x00", check);
}

#[test]
fn configuration_files_and_mutations_survive_editing() {
    check_corpus("config_toml", config::toml, 10);
}

#[test]
fn address_filters_and_mutations_are_parsed_or_rejected() {
    check_corpus("config_filter", config::filter, 8);
}

#[test]
fn registry_files_and_mutations_are_encoded_unchanged_or_rejected() {
    check_corpus("config_registry_pol", config::registry_pol, 8);
}

#[test]
fn policy_files_and_mutations_apply_or_are_rejected() {
    check_corpus("config_policy_toml", config::policy_toml, 8);
}
