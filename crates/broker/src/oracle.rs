//! What must hold for whatever octets come: for the fuzzer, and for the corpus in the tests.
#![allow(clippy::panic, clippy::expect_used)]

use crate::keeping::{GroupAnswer, GroupRequest, Session};
use crate::message::{Ask, Tell};
use crate::order::{Order, Report};

/// A message is refused, or is the same again once it was written.
pub fn broker_message(octets: &[u8]) {
    if let Ok((number, ask)) = Ask::decode(octets) {
        let again = ask.encode(number);
        let (_, read) = Ask::decode(&again).expect("what was written can be read");
        assert_eq!(format!("{ask:?}"), format!("{read:?}"));
        assert!(*again == *read.encode(number), "also what nobody is shown");
    }
    if let Ok((number, tell)) = Tell::decode(octets) {
        let again = tell.encode(number);
        let (_, read) = Tell::decode(&again).expect("what was written can be read");
        assert_eq!(format!("{tell:?}"), format!("{read:?}"));
        assert!(*again == *read.encode(number), "also what nobody is shown");
    }
    if let Ok(order) = Order::decode(octets) {
        let read = Order::decode(&order.encode()).expect("what was written can be read");
        assert_eq!(format!("{order:?}"), format!("{read:?}"));
    }
    if let Ok(report) = Report::decode(octets) {
        assert_eq!(Report::decode(&report.encode()), Ok(report));
    }
    if let Ok(session) = Session::decode(octets) {
        assert_eq!(Session::decode(&session.encode()), Ok(session));
    }
    if let Ok(request) = GroupRequest::decode(octets) {
        assert_eq!(GroupRequest::decode(&request.encode()), Ok(request));
    }
    if let Ok(answer) = GroupAnswer::decode(octets) {
        assert_eq!(GroupAnswer::decode(&answer.encode()), Ok(answer));
    }
}
