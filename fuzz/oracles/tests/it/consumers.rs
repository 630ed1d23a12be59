use telarch_oracles::consumers;

use crate::corpus::{cases, mutate};

#[test]
fn mails_of_the_corpus_have_the_expected_headers() {
    mutate(&cases("consumers_mail", 5), 60, b"\r\n.:<>@,-\0\xC3", consumers::mail);
}

#[test]
fn templates_of_the_corpus_are_filled_from_the_event() {
    mutate(&cases("consumers_template", 5), 60, b"%._ A\0\xC3", consumers::template);
}
