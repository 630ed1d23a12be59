//! The oracle over the stored corpus of the fuzz target, its beginnings and its mutations.

use std::fs;
use std::path::Path;

use telarch_hardware::oracle;

#[test]
fn files_of_controllers_in_the_corpus_keep_the_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus/hardware_host_file");
    let files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(files.len() >= 4, "only {} cases", files.len());
    for octets in files {
        oracle::host_file(&octets);
        for at in 0..octets.len() {
            oracle::host_file(&octets[..at]);
            oracle::host_file(&[&octets[..at], &octets[at + 1..]].concat());
            for octet in b"\t\n:-=0A]\xC3" {
                oracle::host_file(&[&octets[..at], &[*octet], &octets[at + 1..]].concat());
            }
        }
    }
}
