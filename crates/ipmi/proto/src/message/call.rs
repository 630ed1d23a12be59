//! A request as the one who is asked sees it.

use super::{CompletionCode, NetFn, Request, Response, checksum, framed};
use crate::ProtoError;
use crate::octets::Octets;

/// A request with the addresses that its answer goes back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Who is asked: the controller's address, or another's if it is bridged.
    pub(crate) address: u8,
    /// The logical unit there.
    pub(crate) unit: u8,
    /// Who asks, and its number and logical unit.
    from: [u8; 2],
    pub(crate) request: Request,
}

impl Call {
    pub(crate) fn decode(message: &[u8]) -> Result<Self, ProtoError> {
        let what = "an IPMI message";
        let (first, second) = message.split_at_checked(3).ok_or(ProtoError::Truncated { what })?;
        if checksum(first) != 0 || checksum(second) != 0 {
            return Err(ProtoError::Damaged { what });
        }
        let [address, function, _] = Octets::new(what, first).array()?;
        let mut octets = Octets::new(what, second);
        let [from, number, command] = octets.array()?;
        let (_, data) = octets.rest().split_last().ok_or(ProtoError::Truncated { what })?;
        let request = Request::new(NetFn::new(function >> 2)?, command, data);
        Ok(Self { address, unit: function & 3, from: [from, number], request })
    }

    /// The message of the answer.
    pub(crate) fn answered(&self, response: &Response) -> Vec<u8> {
        let Response { code: CompletionCode(code), data } = response;
        let [from, number] = self.from;
        let (number, unit) = (number & 0xfc, number & 3);
        let head = [from, (self.request.net_fn.number() + 1) << 2 | unit];
        let tail = [self.address, number | self.unit, self.request.command];
        framed(head, tail, &[&[*code], &data[..]].concat())
    }

    /// As the console sees an answer that another controller has given to the bridged message in this call: under
    /// the number of this call.
    pub(crate) fn tracked(&self, inner: &Self, response: &Response) -> Vec<u8> {
        Self { from: self.from, ..inner.clone() }.answered(response)
    }
}
