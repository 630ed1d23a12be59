use telarch_oracles::plugin_hosted;

use crate::corpus::{cases, mutate};

#[test]
fn messages_of_the_corpus_and_their_mutations_survive_the_codec() {
    mutate(&cases("plugin_hosted_message", 10), usize::MAX, b"\0\x01\x02\x7F\xFF", plugin_hosted::message);
}
