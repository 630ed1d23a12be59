//! The oracle over the stored corpus of the fuzz target, its beginnings and its mutations.

use telarch_corpus::{cases, mutate};
use telarch_xml::oracle;

#[test]
fn the_stored_corpus_and_its_mutations_keep_the_promises() {
    mutate(&cases("xml_document", 8), 60, b"<>&\"'/ \r\x00x:", oracle::document);
}
