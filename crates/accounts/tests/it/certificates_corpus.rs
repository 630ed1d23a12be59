//! The oracle over the stored corpus of the fuzz target, its beginnings and its mutations.

use telarch_accounts::oracle;
use telarch_corpus::{cases, mutate};

#[test]
fn certificates_of_the_corpus_and_their_mutations_keep_the_promises() {
    mutate(
        &cases("accounts_client_certificate", 16),
        usize::MAX,
        b"\0\x0C\x30\x80\xA0\xFF",
        oracle::client_certificate,
    );
}
