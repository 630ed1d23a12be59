//! Tests of the message oracle with the corpus of the fuzz target, its prefixes and its mutations.

use telarch_corpus::{cases, mutate};
use telarch_plugin_hosted::oracle;

#[test]
fn messages_of_the_corpus_and_their_mutations_satisfy_the_oracle() {
    mutate(&cases("plugin_hosted_message", 10), usize::MAX, b"\0\x01\x02\x7F\xFF", oracle::host_message);
}
