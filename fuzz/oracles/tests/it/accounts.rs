use telarch_oracles::accounts;

use crate::corpus::{cases, mutate};

#[test]
fn certificates_of_the_corpus_are_parsed_or_rejected() {
    mutate(
        &cases("accounts_client_certificate", 16),
        usize::MAX,
        b"\0\x0C\x30\x80\xA0\xFF",
        accounts::client_certificate,
    );
}
