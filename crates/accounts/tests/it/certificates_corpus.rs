//! Runs the fuzzing oracle over the stored corpus, its prefixes and its mutations.

use telarch_accounts::oracle;
use telarch_corpus::{cases, mutate};

#[test]
fn certificate_corpus_and_mutations_satisfy_the_oracle() {
    mutate(
        &cases("accounts_client_certificate", 16),
        usize::MAX,
        b"\0\x0C\x30\x80\xA0\xFF",
        oracle::client_certificate,
    );
}
