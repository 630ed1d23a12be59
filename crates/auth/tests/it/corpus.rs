//! The oracle over the stored corpus of the fuzz target, its beginnings and its mutations.

use std::fs;
use std::path::Path;

use telarch_auth::basic::{Login, LoginError};
use telarch_auth::oracle;

#[test]
fn logins_of_the_corpus_and_their_mutations_keep_the_promises() {
    let cases = corpus();
    assert!(cases.len() >= 15, "only {} cases", cases.len());
    for (_, octets) in &cases {
        oracle::login(octets);
        let step = (octets.len() / 60).max(1);
        for at in (0..octets.len()).step_by(step) {
            oracle::login(&octets[..at]);
            for octet in *b"=+/-_AQ4 \r\0\xFF" {
                let mut changed = octets.clone();
                changed[at] = octet;
                oracle::login(&changed);
            }
        }
    }
}

#[test]
fn each_case_of_the_corpus_is_read_or_refused_as_it_should_be() {
    let cases = corpus();
    let read = |name: &str| {
        let (_, octets) =
            cases.iter().find(|(case, _)| case == name).unwrap_or_else(|| panic!("no case {name}"));
        Login::parse(std::str::from_utf8(octets).unwrap())
    };
    for (name, user, password) in [
        ("name-and-password", "operator", "correct horse"),
        ("domain-name", "LAB\\operator", "secret"),
        ("user-principal-name", "operator@lab.example", "secret"),
        ("empty-password", "operator", ""),
        ("colons-in-password", "operator", "a:b::c"),
        ("umlauts", "jürgen", "größe ß"),
        ("padded-with-space", "a", "b"),
        ("line-end-in-password", "operator", "a\r\nb"),
    ] {
        let login = read(name).unwrap();
        assert_eq!((login.user.as_str(), login.password.expose()), (user, password), "{name}");
    }
    for (name, error) in [
        ("latin-1", LoginError::Malformed),
        ("not-base64", LoginError::Malformed),
        ("without-padding", LoginError::Malformed),
        ("url-safe-alphabet", LoginError::Malformed),
        ("trailing-bits", LoginError::Malformed),
        ("empty", LoginError::Incomplete),
        ("no-colon", LoginError::Incomplete),
        ("no-name", LoginError::Incomplete),
        ("control-in-name", LoginError::BadName),
        ("too-long", LoginError::TooLong),
    ] {
        assert_eq!(read(name).err(), Some(error), "{name}");
    }
}

/// Name and content of every stored case.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/auth_login");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort(); // The mutations must not depend on the file system.
    let read = |path: std::path::PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
    };
    paths.into_iter().map(read).collect()
}
