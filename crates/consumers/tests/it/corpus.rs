//! Runs the oracle over the stored corpus of the fuzz target, prefixes of its cases and mutations of them.

use telarch_consumers::oracle;
use telarch_corpus::{cases, mutate};

#[test]
fn mails_of_the_corpus_have_the_head_that_they_are_to_have() {
    mutate(&cases("consumers_mail", 5), 60, b"\r\n.:<>@,-\0\xC3", oracle::mail);
}

#[test]
fn templates_of_the_corpus_are_filled_with_what_the_event_says() {
    mutate(&cases("consumers_template", 5), 60, b"%._ A\0\xC3", oracle::template);
}
