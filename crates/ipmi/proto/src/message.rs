//! Requests and responses inside a session (IPMI 2.0, 5 and 13.8).

use std::fmt;

use zeroize::Zeroize as _;

mod call;
mod data;
mod repetition;

pub(crate) use self::call::Call;
pub use self::data::Data;
use crate::ProtoError;
use crate::octets::Octets;

/// Network function: the group of a command. The response has the next higher number (IPMI 2.0, table 5-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetFn(
    /// INVARIANT: even, and below 64.
    u8,
);

impl NetFn {
    /// Chassis.
    pub const CHASSIS: Self = Self(0x00);
    /// Sensor and event.
    pub const SENSOR: Self = Self(0x04);
    /// Application: the controller itself, its sessions and users.
    pub const APP: Self = Self(0x06);
    /// Storage: SDR, SEL, FRU.
    pub const STORAGE: Self = Self(0x0a);
    /// Transport: LAN and serial.
    pub const TRANSPORT: Self = Self(0x0c);
    /// Commands of other organisations, such as DCMI; the first byte of the data identifies the organisation.
    pub const GROUP: Self = Self(0x2c);

    /// Returns the network function of a request.
    ///
    /// # Errors
    /// If the number is odd (responses have odd numbers) or above 62.
    pub fn new(number: u8) -> Result<Self, ProtoError> {
        if number & 1 == 1 || number > 0x3e {
            return Err(ProtoError::Unexpected { what: "the network function", value: number.into() });
        }
        Ok(Self(number))
    }

    /// Returns the number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// A request: a command and its data.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Network function of the command.
    pub net_fn: NetFn,
    /// Number of the command within its network function.
    pub command: u8,
    /// Data of the request.
    pub data: Data,
}

impl Request {
    /// Returns a request to the controller itself.
    #[must_use]
    pub fn new(net_fn: NetFn, command: u8, data: &[u8]) -> Self {
        Self { net_fn, command, data: data.into() }
    }

    /// Returns whether the request may contain a secret: Set User Password, Set Channel Security Keys, and
    /// Send Message, which may forward one of them.
    pub(crate) fn is_secret(&self) -> bool {
        is_secret(self.net_fn, self.command)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Request");
        shown.field("net_fn", &self.net_fn).field("command", &self.command);
        if self.is_secret() {
            return shown.finish_non_exhaustive();
        }
        shown.field("data", &self.data).finish()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.is_secret() {
            self.data.zeroize();
        }
    }
}

/// Response to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Completion code.
    pub code: CompletionCode,
    /// Data after the completion code.
    pub data: Data,
}

impl Response {
    /// Returns a successful response with this data.
    #[must_use]
    pub fn done(data: impl Into<Data>) -> Self {
        Self { code: CompletionCode::OK, data: data.into() }
    }

    /// Returns an error response with this completion code.
    #[must_use]
    pub fn refusal(code: u8) -> Self {
        Self { code: CompletionCode(code), data: Data::default() }
    }
}

/// A response and the request that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) net_fn: NetFn,
    pub(crate) command: u8,
    pub(crate) number: SequenceNumber,
    pub(crate) response: Response,
}

impl Answer {
    pub(crate) fn decode(message: &[u8]) -> Result<Self, ProtoError> {
        let what = "an IPMI message";
        let damaged = ProtoError::Damaged { what };
        let (first, second) = message.split_at_checked(3).ok_or(ProtoError::Truncated { what })?;
        if checksum(first) != 0 || checksum(second) != 0 {
            return Err(damaged);
        }
        let mut octets = Octets::new(what, first);
        let [_console, net_fn, _] = octets.array()?;
        let mut octets = Octets::new(what, second);
        let [_controller, number, command, code] = octets.array()?;
        let (_, data) = octets.rest().split_last().ok_or(ProtoError::Truncated { what })?;
        let net_fn = NetFn::new((net_fn >> 2).wrapping_sub(1))?;
        Ok(Self {
            net_fn,
            command,
            number: SequenceNumber(number >> 2),
            response: Response { code: CompletionCode(code), data: data.into() },
        })
    }

    /// Returns the response that some controllers append to their response to Send Message.
    pub(crate) fn inside(message: &[u8]) -> Option<Self> {
        Self::decode(message).ok()
    }
}

/// Appends a bus message: head (destination) and tail (source), each with its checksum (IPMI 2.0, 13.8).
pub(crate) fn framed(head: [u8; 2], tail: &[u8], data: &[u8], out: &mut Vec<u8>) {
    // Reserved up front so that the buffer does not grow: growing would leave a copy of a password behind.
    out.reserve(4 + tail.len() + data.len());
    out.extend_from_slice(&head);
    out.push(checksum(&head));
    out.extend_from_slice(tail);
    out.extend_from_slice(data);
    out.push(checksum(tail).wrapping_add(checksum(data)));
}

/// Returns whether a command may contain a secret.
fn is_secret(net_fn: NetFn, command: u8) -> bool {
    net_fn == NetFn::APP && matches!(command, SET_USER_PASSWORD | SET_CHANNEL_KEYS | SEND_MESSAGE)
}

/// Sequence number that matches responses to requests (`rqSeq`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SequenceNumber(
    /// INVARIANT: below 64.
    u8,
);

impl SequenceNumber {
    pub(crate) const FIRST: Self = Self(0);

    pub(crate) fn next(self) -> Self {
        Self((self.0 + 1) & 0x3f)
    }

    /// Returns the byte on the wire: the sequence number and the requester's logical unit, which is 0.
    pub(crate) fn on_the_wire(self) -> u8 {
        self.0 << 2
    }
}

/// Completion code of a command (IPMI 2.0, table 5-2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CompletionCode(pub u8);

impl CompletionCode {
    /// Success.
    pub const OK: Self = Self(0);
    /// Unknown command.
    pub const UNKNOWN_COMMAND: Self = Self(0xc1);
    /// Timeout in the controller or a device behind it. The command may or may not have been executed.
    pub const TIMEOUT: Self = Self(0xc3);
    /// The requested number of bytes cannot be returned.
    pub const CANNOT_RETURN: Self = Self(0xca);
    /// The requested item does not exist.
    pub const NOT_PRESENT: Self = Self(0xcb);
    /// Insufficient privilege.
    pub const PRIVILEGE: Self = Self(0xd4);
    /// The reservation was cancelled.
    pub const RESERVATION: Self = Self(0xc5);

    /// Returns whether the same command may succeed later: busy, timeout, duplicate, updating, initialising.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(self.0, 0xc0 | 0xc3 | 0xcf | 0xd0 | 0xd2)
    }

    /// Returns the meaning as text for display.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self.0 {
            0x00 => "done",
            0xc0 => "the controller is busy",
            0xc1 => "the controller does not know the command",
            0xc2 => "the command does not exist for this logical unit",
            0xc3 => "the controller took too long",
            0xc4 => "the controller has no space left",
            0xc5 => "the reservation was lost",
            0xc6 | 0xc7 => "the request has a wrong length",
            0xc8 => "a field is too long",
            0xc9 => "a parameter is out of range",
            0xca => "that many octets cannot be returned",
            0xcb => "what was asked for is not there",
            0xcc => "a field of the request is invalid",
            0xcd => "the command is illegal for this sensor or record",
            0xce => "no answer can be given",
            0xcf => "the request came twice",
            0xd0 => "the repository of sensors is being updated",
            0xd1 => "the controller's firmware is being updated",
            0xd2 => "the controller is starting",
            0xd3 => "the destination cannot be reached",
            0xd4 => "the privilege is not sufficient, or a firewall forbids it",
            0xd5 => "it cannot be done in the present state",
            0xd6 => "a part of the command is switched off",
            0x80..=0xbe => "a reason of this command's own",
            0x01..=0x7e => "a reason of the manufacturer's own",
            _ => "unspecified",
        }
    }
}

impl fmt::Debug for CompletionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompletionCode({:#04x})", self.0)
    }
}

impl fmt::Display for CompletionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (completion code {:02x}h)", self.meaning(), self.0)
    }
}

/// Returns the byte that makes the sum of all bytes zero (IPMI 2.0, 13.8).
pub(crate) fn checksum(octets: &[u8]) -> u8 {
    octets.iter().fold(0_u8, |sum, octet| sum.wrapping_add(*octet)).wrapping_neg()
}

/// Send Message (IPMI 2.0, 22.7).
pub(crate) const SEND_MESSAGE: u8 = 0x34;
/// Group number of DCMI.
pub(crate) const DCMI: u8 = 0xdc;
const SET_USER_PASSWORD: u8 = 0x47;
const SET_CHANNEL_KEYS: u8 = 0x56;
/// Bus address of the controller.
pub(crate) const CONTROLLER: u8 = 0x20;
/// Software id of the console.
pub(crate) const CONSOLE: u8 = 0x81;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_two_checksums() {
        let request = Request::new(NetFn::APP, 0x38, &[0x0e, 4]);
        // Same bytes as ipmitool sends, except for the sequence number.
        let number = SequenceNumber(1);
        assert_eq!(request.encode(number), [0x20, 0x18, 0xc8, 0x81, 4, 0x38, 0x0e, 4, 0x31]);
    }

    #[test]
    fn a_response_is_decoded_and_a_damaged_one_rejected() {
        let answer = Answer {
            net_fn: NetFn::CHASSIS,
            command: 1,
            number: SequenceNumber(63),
            response: Response::done(vec![1, 2, 3]),
        };
        let request = Request::new(answer.net_fn, answer.command, &[]).encode(answer.number);
        let mut message = Vec::new();
        Call::decode(&request).unwrap().answered(answer.response.code, &answer.response.data, &mut message);
        assert_eq!(Answer::decode(&message).as_ref(), Ok(&answer));
        for place in 0..message.len() {
            let mut damaged = message.clone();
            damaged[place] ^= 0x10;
            assert_eq!(Answer::decode(&damaged), Err(ProtoError::Damaged { what: "an IPMI message" }));
        }
        assert!(Answer::decode(&message[..5]).is_err());
    }

    #[test]
    fn network_functions_of_responses_are_rejected_in_requests() {
        assert!(NetFn::new(7).is_err() && NetFn::new(64).is_err() && NetFn::new(0x2c).is_ok());
        assert_eq!(SequenceNumber(63).next(), SequenceNumber::FIRST);
    }
}
