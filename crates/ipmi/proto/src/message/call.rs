//! A request as the one who is asked sees it.

use super::{CompletionCode, NetFn, checksum, framed, is_secret, repetition};
use crate::ProtoError;
use crate::octets::Octets;

/// A request with the addresses that its answer goes back to.
#[derive(Clone, Copy)]
pub(crate) struct Call<'o> {
    /// All of it, as it was sent.
    pub(crate) message: &'o [u8],
    /// Who is asked: the controller's address, or another's if it is bridged.
    pub(crate) address: u8,
    /// The logical unit there.
    pub(crate) unit: u8,
    /// Who asks, and its number and logical unit.
    from: [u8; 2],
    pub(crate) net_fn: NetFn,
    pub(crate) command: u8,
    /// What follows the command.
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

    /// Puts the message of the answer behind what is there.
    pub(crate) fn answered(&self, CompletionCode(code): CompletionCode, data: &[u8], out: &mut Vec<u8>) {
        let [from, number] = self.from;
        let (number, unit) = (number & 0xfc, number & 3);
        let head = [from, (self.net_fn.number() + 1) << 2 | unit];
        framed(head, &[self.address, number | self.unit, self.command, code], data, out);
    }

    /// The message in this call for another controller, so that what that one answers is seen by the console as an
    /// answer to this call: under its number.
    pub(crate) fn tracks(&self, inner: Self) -> Self {
        Self { from: self.from, ..inner }
    }

    /// As that of a [`Request`](super::Request).
    pub(crate) fn is_repeatable(&self) -> bool {
        repetition::is_repeatable(self.net_fn, self.command, self.data)
    }

    /// As that of a [`Request`](super::Request).
    pub(crate) fn is_secret(&self) -> bool {
        is_secret(self.net_fn, self.command)
    }
}
