//! The oracle over the stored corpus of the fuzz target, its beginnings and its mutations.

use auth::oracle;
use telarch_corpus::{cases, mutate};

#[test]
fn the_stored_files_and_their_mutations_keep_the_promises() {
    mutate(&cases("auth_account_file", 12), 120, b":$,=@#\n\r 0aZ-\x00\xFF", oracle::account_file);
}
