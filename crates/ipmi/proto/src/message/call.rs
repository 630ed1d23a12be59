//! A request as decoded by the receiver.

use super::{CompletionCode, NetFn, checksum, framed, is_secret, repetition};
use crate::ProtoError;
use crate::octets::Octets;

/// A request with the addresses for the response.
#[derive(Clone, Copy)]
pub(crate) struct Call<'o> {
    /// The whole message as received.
    pub(crate) message: &'o [u8],
    /// Destination address: the controller, or another controller if the request is bridged.
    pub(crate) address: u8,
    /// Destination logical unit.
    pub(crate) unit: u8,
    /// Source address, and sequence number with source logical unit.
    from: [u8; 2],
    pub(crate) net_fn: NetFn,
    pub(crate) command: u8,
    /// Data of the command.
    pub(crate) data: &'o [u8],
}

impl<'o> Call<'o> {
    pub(crate) fn decode(message: &'o [u8]) -> Result<Self, ProtoError> {
        let what = "an IPMI message";
        let (first, second) = message.split_at_checked(3).ok_or(ProtoError::Truncated { what })?;
        if checksum(first) != 0 || checksum(second) != 0 {
            return Err(ProtoError::Damaged { what });
        }
        let [address, function, _] = Octets::new(what, first).array()?;
        let mut octets = Octets::new(what, second);
        let [from, number, command] = octets.array()?;
        let (_, data) = octets.rest().split_last().ok_or(ProtoError::Truncated { what })?;
        let (unit, net_fn) = (function & 3, NetFn::new(function >> 2)?);
        Ok(Self { message, address, unit, from: [from, number], net_fn, command, data })
    }

    /// Appends the response message.
    pub(crate) fn answered(&self, CompletionCode(code): CompletionCode, data: &[u8], out: &mut Vec<u8>) {
        let [from, number] = self.from;
        let (number, unit) = (number & 0xfc, number & 3);
        let head = [from, (self.net_fn.number() + 1) << 2 | unit];
        framed(head, &[self.address, number | self.unit, self.command, code], data, out);
    }

    /// Returns the inner request with the source of this one, so that the console sees the response of the
    /// other controller as a response to its own sequence number.
    pub(crate) fn tracks(&self, inner: Self) -> Self {
        Self { from: self.from, ..inner }
    }

    /// Returns whether the request is repeatable; see
    /// [`Request::is_repeatable`](super::Request::is_repeatable).
    pub(crate) fn is_repeatable(&self) -> bool {
        repetition::is_repeatable(self.net_fn, self.command, self.data)
    }

    /// Returns whether the request may contain a secret.
    pub(crate) fn is_secret(&self) -> bool {
        is_secret(self.net_fn, self.command)
    }
}
