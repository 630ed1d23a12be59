//! The oracle over the stored corpus of the fuzz target, its beginnings and its mutations.

use telarch_corpus::{cases, mutate};
use telarch_plugin_hosted::oracle;

#[test]
fn messages_of_the_corpus_and_their_mutations_keep_the_promises() {
    mutate(&cases("plugin_hosted_message", 10), usize::MAX, b"\0\x01\x02\x7F\xFF", oracle::host_message);
}
