//! Who is asked: the controller, one of its logical units, or another controller behind it.

use crate::message::{CONSOLE, CONTROLLER, SequenceNumber, framed};
use crate::{NetFn, ProtoError, Request};

/// Which controller is asked, and which of its logical units (IPMI 2.0, 6.13 and 7.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Destination {
    bridge: Option<Bridge>,
    /// INVARIANT: below 4.
    unit: u8,
}

/// The way to another controller: a channel of the first one, and an address on its bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bridge {
    /// INVARIANT: below 16.
    channel: u8,
    /// INVARIANT: even.
    address: u8,
}

impl Destination {
    /// The controller that the session is with.
    pub const CONTROLLER: Self = Self { bridge: None, unit: 0 };

    /// One of its logical units, 0 to 3.
    ///
    /// # Errors
    /// When there is no such unit.
    pub fn unit(unit: u8) -> Result<Self, ProtoError> {
        if unit > 3 {
            return Err(ProtoError::Unexpected { what: "the logical unit", value: unit.into() });
        }
        Ok(Self { bridge: None, unit })
    }

    /// A logical unit of whoever has this address on a channel of the controller; 0 is the bus inside the box (IPMB).
    ///
    /// # Errors
    /// When there is no such channel or unit, or the address is odd, which is that of software.
    pub fn on_channel(channel: u8, address: u8, unit: u8) -> Result<Self, ProtoError> {
        if channel > 15 {
            return Err(ProtoError::Unexpected { what: "the channel", value: channel.into() });
        }
        if address & 1 == 1 {
            return Err(ProtoError::Unexpected { what: "the address on the bus", value: address.into() });
        }
        let bridge = (address != CONTROLLER).then_some(Bridge { channel, address });
        Ok(Self { bridge, ..Self::unit(unit)? })
    }

    /// Its logical unit.
    #[must_use]
    pub fn logical_unit(self) -> u8 {
        self.unit
    }

    /// The channel and the address there, if it is not the controller itself.
    #[must_use]
    pub fn bridged(self) -> Option<(u8, u8)> {
        self.bridge.map(|Bridge { channel, address }| (channel, address))
    }

    /// The message of a session. What another controller is told is inside of one for the first, under the same
    /// number, as some answer with the inner number and some with the outer one.
    pub(crate) fn encode(self, request: &Request, number: SequenceNumber) -> Vec<u8> {
        let head = |to: u8, net_fn: NetFn, unit: u8| [to, net_fn.number() << 2 | unit];
        let number = number.on_the_wire();
        let Some(Bridge { channel, address }) = self.bridge else {
            let tail = [CONSOLE, number, request.command];
            return framed(head(CONTROLLER, request.net_fn, self.unit), tail, &request.data);
        };
        let tail = [CONTROLLER, number, request.command];
        let inner = framed(head(address, request.net_fn, self.unit), tail, &request.data);
        let mut data = vec![channel | TRACK_REQUEST];
        data.extend(inner);
        framed(head(CONTROLLER, NetFn::APP, 0), [CONSOLE, number, SEND_MESSAGE], &data)
    }
}

/// Send Message (IPMI 2.0, 22.7).
pub(crate) const SEND_MESSAGE: u8 = 0x34;
/// Asks the controller to remember whose request it was, so that the answer finds its way back.
pub(crate) const TRACK_REQUEST: u8 = 0x40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_for_another_controller_is_inside_of_one_for_the_first() {
        let request = Request::new(NetFn::APP, 1, &[]);
        let there = Destination::on_channel(0, 0x22, 0).unwrap();
        assert_eq!(
            there.encode(&request, SequenceNumber::FIRST),
            [&[0x20, 0x18, 0xc8, 0x81, 0, 0x34, 0x40][..], &[0x22, 0x18, 0xc6, 0x20, 0, 1, 0xdf], &[0x0b]]
                .concat()
        );
        let here = Destination::on_channel(0, 0x20, 1).unwrap();
        assert_eq!(here, Destination::unit(1).unwrap());
        assert_eq!(here.encode(&request, SequenceNumber::FIRST)[1], 0x19);
    }

    #[test]
    fn what_nobody_can_be_is_refused() {
        assert!(Destination::unit(4).is_err() && Destination::on_channel(16, 0x22, 0).is_err());
        assert!(Destination::on_channel(0, 0x81, 0).is_err() && Destination::on_channel(0, 0x22, 4).is_err());
    }
}
