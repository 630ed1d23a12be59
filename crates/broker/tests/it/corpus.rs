//! The codec oracle applied to the stored fuzzing corpus, with truncated and modified messages.

use std::fs;
use std::path::Path;

use telarch_broker::{BrokerMessage, GatewayRequest, HostCommand, HostReport, oracle};

#[test]
fn messages_of_the_corpus_and_their_mutations_satisfy_the_oracle() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/broker_message");
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        count += 1;
        let is_message = GatewayRequest::decode(&octets).is_ok()
            || BrokerMessage::decode(&octets).is_ok()
            || HostCommand::decode(&octets).is_ok()
            || HostReport::decode(&octets).is_ok();
        assert!(is_message, "{octets:?} is not a message");
        oracle::broker_message(&octets);
        for at in 0..octets.len() {
            oracle::broker_message(&octets[..at]);
            for octet in [0, 1, 2, 0x7F, 0xFF] {
                let mut changed = octets.clone();
                changed[at] = octet;
                oracle::broker_message(&changed);
            }
        }
    }
    assert!(count >= 20, "only {count} cases");
}
