//! Messages between gateway, broker and hosts.

use broker::{
    BrokerMessage, GatewayRequest, GroupAnswer, GroupRequest, HostCommand, HostReport, HostSession,
};

/// Checks that every message that can be decoded is equal after encoding and decoding it again.
///
/// # Panics
/// If the property does not hold.
pub fn message(octets: &[u8]) {
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
