//! Runs the fuzzing oracles over the stored corpora, their prefixes and their mutations.

use std::fs;
use std::path::{Path, PathBuf};

use telarch_kerberos::{Principal, Spn, oracle};

#[test]
fn corpora_and_mutations_satisfy_the_oracles() {
    type Oracle = fn(&[u8]);
    let targets: [(&str, Oracle); 4] = [
        ("kerberos_principal", oracle::principal),
        ("kerberos_service_principal_name", oracle::service_principal_name),
        ("kerberos_message_token", oracle::message_token),
        ("kerberos_sealed_message", oracle::sealed_message),
    ];
    for (target, oracle) in targets {
        let cases = corpus(target);
        assert!(cases.len() >= 14, "{target} has only {} cases", cases.len());
        for (_, octets) in &cases {
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

#[test]
fn each_name_of_the_corpus_is_judged_as_expected() {
    let read = |target: &str, is_name: fn(&str) -> bool| {
        let cases = corpus(target);
        let names = cases.into_iter().filter(|(_, octets)| std::str::from_utf8(octets).is_ok_and(is_name));
        names.map(|(case, _)| case).collect::<Vec<_>>()
    };
    let principals = read("kerberos_principal", |text| Principal::parse(text).is_ok());
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
    let services = read("kerberos_service_principal_name", |text| Spn::parse(text).is_ok());
    assert_eq!(services, ["all", "http", "ipv4", "ipv6", "ipv6-port", "realm", "wsman-port"]);
}

/// Returns name and content of every stored case, sorted by name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort(); // The mutations must not depend on the file system.
    let read =
        |path: PathBuf| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap());
    paths.into_iter().map(read).collect()
}
