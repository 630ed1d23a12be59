//! Runs the fuzzing oracle over the stored corpus, its prefixes and its mutations.

use auth::oracle;
use telarch_corpus::{cases, mutate};

#[test]
fn account_file_corpus_and_mutations_satisfy_the_oracle() {
    mutate(&cases("auth_account_file", 12), 120, b":$,=@#\n\r 0aZ-\x00\xFF", oracle::account_file);
}
