use kerberos::{Principal, Spn};
use telarch_oracles::kerberos as oracles;

use crate::corpus::named_cases;

#[test]
fn corpora_and_mutations_satisfy_the_oracles() {
    type Oracle = fn(&[u8]);
    let targets: [(&str, Oracle); 4] = [
        ("kerberos_principal", oracles::principal),
        ("kerberos_service_principal_name", oracles::service_principal_name),
        ("kerberos_message_token", oracles::message_token),
        ("kerberos_sealed_message", oracles::sealed_message),
    ];
    for (target, oracle) in targets {
        for (_, octets) in &named_cases(target, 14) {
            oracle(octets);
            for at in 0..octets.len() {
                oracle(&octets[..at]);
                for octet in *b"@/\\:[]n0 a\0\x04\x05\xFF" {
                    let mut changed = octets.clone();
                    changed[at] = octet;
                    oracle(&changed);
                }
            }
        }
    }
}

/// Returns the names of the stored cases that are valid.
fn valid_cases(target: &str, is_valid: fn(&str) -> bool) -> Vec<String> {
    let cases = named_cases(target, 14).into_iter();
    let valid = cases.filter(|(_, octets)| std::str::from_utf8(octets).is_ok_and(is_valid));
    valid.map(|(case, _)| case).collect()
}

#[test]
fn each_name_of_the_corpus_is_judged_as_expected() {
    let principals = valid_cases("kerberos_principal", |text| Principal::parse(text).is_ok());
    let expected = [
        "anonymous",
        "backslash-in-name",
        "enterprise",
        "instance",
        "machine",
        "service",
        "slash-in-name",
        "slashes-in-realm",
        "ticket-granting",
        "umlauts",
        "user",
    ];
    assert_eq!(principals, expected);
    let services = valid_cases("kerberos_service_principal_name", |text| Spn::parse(text).is_ok());
    assert_eq!(services, ["all", "http", "ipv4", "ipv6", "ipv6-port", "realm", "wsman-port"]);
}
