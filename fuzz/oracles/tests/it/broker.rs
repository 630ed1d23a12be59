use broker::{BrokerMessage, GatewayRequest, HostCommand, HostReport};
use telarch_oracles::broker as oracles;

use crate::corpus::cases;

#[test]
fn messages_of_the_corpus_and_their_mutations_satisfy_the_oracle() {
    for octets in cases("broker_message", 20) {
        let is_message = GatewayRequest::decode(&octets).is_ok()
            || BrokerMessage::decode(&octets).is_ok()
            || HostCommand::decode(&octets).is_ok()
            || HostReport::decode(&octets).is_ok();
        assert!(is_message, "{octets:?} is not a message");
        oracles::message(&octets);
        for at in 0..octets.len() {
            oracles::message(&octets[..at]);
            for octet in [0, 1, 2, 0x7F, 0xFF] {
                let mut changed = octets.clone();
                changed[at] = octet;
                oracles::message(&changed);
            }
        }
    }
}
