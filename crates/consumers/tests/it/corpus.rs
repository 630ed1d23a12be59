//! The oracle over the stored corpus of the fuzz target, its beginnings and its mutations.

use telarch_consumers::oracle;
use telarch_corpus::{cases, mutate};

#[test]
fn mails_of_the_corpus_have_the_head_that_they_are_to_have() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/consumers_mail");
    let files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(files.len() >= 5, "only {} cases", files.len());
    for octets in files {
        oracle::mail(&octets);
        for at in 0..octets.len().min(60) {
            oracle::mail(&octets[..at]);
            for octet in b"\r\n.:<>@,-\0\xC3" {
                oracle::mail(&[&octets[..at], &[*octet], &octets[at..]].concat());
            }
        }
    }
}

#[test]
fn templates_of_the_corpus_are_filled_with_what_the_event_says() {
    mutate(&cases("consumers_template", 5), 60, b"%._ A\0\xC3", oracle::template);
}
