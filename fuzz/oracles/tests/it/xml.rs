use telarch_oracles::xml;

use crate::corpus::{cases, mutate};

#[test]
fn the_stored_corpus_and_its_mutations_keep_the_promises() {
    mutate(&cases("xml_document", 8), 60, b"<>&\"'/ \r\x00x:", xml::document);
}
