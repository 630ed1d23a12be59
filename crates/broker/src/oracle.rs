//! Properties of the message codec for arbitrary input, for the fuzzer and the corpus tests.
#![allow(clippy::panic, clippy::expect_used)]

use crate::host_messages::{HostCommand, HostReport};
use crate::host_session::{GroupAnswer, GroupRequest, HostSession};
use crate::message::{BrokerMessage, GatewayRequest};

/// Checks that every message that can be decoded is equal after encoding and decoding it again.
pub fn broker_message(octets: &[u8]) {
    if let Ok((number, request)) = GatewayRequest::decode(octets) {
        let again = request.encode(number);
        let (_, read) = GatewayRequest::decode(&again).expect("an encoded message can be decoded");
        assert_eq!(format!("{request:?}"), format!("{read:?}"));
        assert!(*again == *read.encode(number), "hidden fields are equal, too");
    }
    if let Ok((number, message)) = BrokerMessage::decode(octets) {
        let again = message.encode(number);
        let (_, read) = BrokerMessage::decode(&again).expect("an encoded message can be decoded");
        assert_eq!(format!("{message:?}"), format!("{read:?}"));
        assert!(*again == *read.encode(number), "hidden fields are equal, too");
    }
    if let Ok(order) = HostCommand::decode(octets) {
        let read = HostCommand::decode(&order.encode()).expect("an encoded message can be decoded");
        assert_eq!(format!("{order:?}"), format!("{read:?}"));
    }
    if let Ok(report) = HostReport::decode(octets) {
        assert_eq!(HostReport::decode(&report.encode()), Ok(report));
    }
    if let Ok(session) = HostSession::decode(octets) {
        assert_eq!(HostSession::decode(&session.encode()), Ok(session));
    }
    if let Ok(request) = GroupRequest::decode(octets) {
        assert_eq!(GroupRequest::decode(&request.encode()), Ok(request));
    }
    if let Ok(answer) = GroupAnswer::decode(octets) {
        assert_eq!(GroupAnswer::decode(&answer.encode()), Ok(answer));
    }
}
