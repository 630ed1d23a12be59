//! The oracle over the stored corpus of the fuzz target, its beginnings and its mutations.

use std::fs;
use std::path::Path;

use telarch_plugin_wmi::oracle;

#[test]
fn parts_of_the_corpus_are_found_where_walking_finds_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus/wmi_fragment");
    let files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(files.len() >= 8, "only {} cases", files.len());
    for octets in files {
        oracle::fragment(&octets);
        for at in 0..octets.len() {
            oracle::fragment(&octets[..at]);
            oracle::fragment(&[&octets[..at], &octets[at + 1..]].concat());
            for octet in b"[]:/()0123+- nT\xC3" {
                oracle::fragment(&[&octets[..at], &[*octet], &octets[at + 1..]].concat());
            }
        }
    }
}
