//! Runs the oracle over the stored corpus of the fuzz target, prefixes of its cases and mutations of them.

use telarch_corpus::{cases, mutate};
use telarch_xml::oracle;

#[test]
fn the_stored_corpus_and_its_mutations_keep_the_promises() {
    mutate(&cases("xml_document", 8), 60, b"<>&\"'/ \r\x00x:", oracle::document);
}
