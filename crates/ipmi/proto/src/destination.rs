//! Destination of a request: the controller, one of its logical units, or another controller reached through
//! it.

use zeroize::Zeroizing;

use crate::message::{CONSOLE, CONTROLLER, SEND_MESSAGE, SequenceNumber, framed};
use crate::{NetFn, ProtoError, Request};

/// Controller and logical unit that a request is sent to (IPMI 2.0, 6.13 and 7.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Intermediate controller that forwards the request to `bridge`; `None` if there is only one hop.
    transit: Option<Bridge>,
    bridge: Option<Bridge>,
    /// INVARIANT: below 4.
    unit: u8,
}

/// A hop to another controller: a channel, and an address on the bus of that channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bridge {
    /// INVARIANT: below 16.
    channel: u8,
    /// INVARIANT: even.
    address: u8,
}

impl Destination {
    /// The controller with which the session is established.
    pub const CONTROLLER: Self = Self { transit: None, bridge: None, unit: 0 };

    /// Returns a logical unit, 0 to 3, of the controller.
    ///
    /// # Errors
    /// If the unit is above 3.
    pub fn unit(unit: u8) -> Result<Self, ProtoError> {
        if unit > 3 {
            return Err(ProtoError::Unexpected { what: "the logical unit", value: unit.into() });
        }
        Ok(Self { transit: None, bridge: None, unit })
    }

    /// Returns a logical unit of the controller at this bus address on a channel; channel 0 is the internal
    /// bus (IPMB).
    ///
    /// # Errors
    /// If the channel or unit is out of range, or the address is odd; odd addresses belong to software.
    pub fn on_channel(channel: u8, address: u8, unit: u8) -> Result<Self, ProtoError> {
        let bridge = Bridge::new(channel, address)?;
        let bridge = (address != CONTROLLER).then_some(bridge);
        Ok(Self { bridge, ..Self::unit(unit)? })
    }

    /// Returns the destination reached through the intermediate controller at this address and channel: the
    /// controller of the session forwards to that one, and that one to the destination.
    ///
    /// # Errors
    /// If the channel or address is out of range, or the destination is the controller of the session itself.
    pub fn through(self, channel: u8, address: u8) -> Result<Self, ProtoError> {
        if self.bridge.is_none() {
            let value = address.into();
            return Err(ProtoError::Unexpected {
                what: "the controller that passes on what is its own",
                value,
            });
        }
        Ok(Self { transit: Some(Bridge::new(channel, address)?), ..self })
    }

    /// Returns this destination as seen through `controller`: a destination on the controller itself becomes
    /// the same logical unit of `controller`; one on another controller is unchanged.
    #[must_use]
    pub fn seen_from(self, controller: Self) -> Self {
        if self.bridge.is_some() { self } else { Self { unit: self.unit, ..controller } }
    }

    /// Returns channel and address of the intermediate controller, or `None`.
    #[must_use]
    pub fn transit(self) -> Option<(u8, u8)> {
        self.transit.map(|Bridge { channel, address }| (channel, address))
    }

    /// Returns the logical unit.
    #[must_use]
    pub fn logical_unit(self) -> u8 {
        self.unit
    }

    /// Returns channel and address of the destination, or `None` if it is the controller of the session.
    #[must_use]
    pub fn bridged(self) -> Option<(u8, u8)> {
        self.bridge.map(|Bridge { channel, address }| (channel, address))
    }

    /// Appends the session message. A request for another controller is wrapped in Send Message requests. All
    /// layers have the same sequence number, because some controllers respond with the inner number and some
    /// with the outer one.
    pub(crate) fn encode(self, request: &Request, number: SequenceNumber, out: &mut Vec<u8>) {
        let number = number.on_the_wire();
        let function = request.net_fn.number() << 2 | self.unit;
        let Some(bridge) = self.bridge else {
            return framed([CONTROLLER, function], &[CONSOLE, number, request.command], &request.data, out);
        };
        let mut inner = Zeroizing::default();
        let tail = [CONTROLLER, number, request.command];
        framed([bridge.address, function], &tail, &request.data, &mut inner);
        match self.transit {
            None => bridge.wrap(CONTROLLER, CONSOLE, number, &inner, out),
            Some(transit) => {
                let mut message = Zeroizing::default();
                bridge.wrap(transit.address, CONTROLLER, number, &inner, &mut message);
                transit.wrap(CONTROLLER, CONSOLE, number, &message, out);
            }
        }
    }
}

impl Bridge {
    fn new(channel: u8, address: u8) -> Result<Self, ProtoError> {
        if channel > 15 {
            return Err(ProtoError::Unexpected { what: "the channel", value: channel.into() });
        }
        if address & 1 == 1 {
            return Err(ProtoError::Unexpected { what: "the address on the bus", value: address.into() });
        }
        Ok(Self { channel, address })
    }

    /// Appends a Send Message request that asks a controller to forward a message over this bridge.
    fn wrap(self, responder: u8, requester: u8, number: u8, message: &[u8], out: &mut Vec<u8>) {
        let data = Zeroizing::new([&[self.channel | TRACK_REQUEST], message].concat());
        framed([responder, NetFn::APP.number() << 2], &[requester, number, SEND_MESSAGE], &data, out);
    }
}

impl Request {
    /// Encodes the request as a session message from the console (software id 81h) to the controller (20h).
    pub(crate) fn encode(&self, number: SequenceNumber) -> Vec<u8> {
        let mut message = Vec::new();
        Destination::CONTROLLER.encode(self, number, &mut message);
        message
    }
}

/// Asks the controller to track the request, so that the response can be routed back.
pub(crate) const TRACK_REQUEST: u8 = 0x40;

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(destination: Destination, request: &Request) -> Vec<u8> {
        let mut message = Vec::new();
        destination.encode(request, SequenceNumber::FIRST, &mut message);
        message
    }

    #[test]
    fn a_bridged_message_is_nested_in_send_message() {
        let request = Request::new(NetFn::APP, 1, &[]);
        let there = Destination::on_channel(0, 0x22, 0).unwrap();
        assert_eq!(
            encoded(there, &request),
            [&[0x20, 0x18, 0xc8, 0x81, 0, 0x34, 0x40][..], &[0x22, 0x18, 0xc6, 0x20, 0, 1, 0xdf], &[0x0b]]
                .concat()
        );
        let here = Destination::on_channel(0, 0x20, 1).unwrap();
        assert_eq!(here, Destination::unit(1).unwrap());
        assert_eq!(encoded(here, &request)[1], 0x19);
    }

    #[test]
    fn a_message_over_two_hops_is_nested_twice() {
        let request = Request::new(NetFn::APP, 1, &[]);
        let far = Destination::on_channel(0, 0x72, 1).unwrap().through(7, 0x82).unwrap();
        let framed = |head, tail: [u8; 3], data: &[u8]| {
            let mut message = Vec::new();
            framed(head, &tail, data, &mut message);
            message
        };
        let innermost = [&[0x72, 0x19, 0x75][..], &[0x20, 0, 1, 0xdf]].concat();
        let inner = framed([0x82, 0x18], [0x20, 0, 0x34], &[&[0x40], &innermost[..]].concat());
        let outer = framed([0x20, 0x18], [0x81, 0, 0x34], &[&[0x47], &inner[..]].concat());
        assert_eq!(encoded(far, &request), outer);
        assert_eq!((far.transit(), far.bridged()), (Some((7, 0x82)), Some((0, 0x72))));
    }

    #[test]
    fn units_of_the_controller_itself_are_bridged_and_other_addresses_not() {
        let there = Destination::on_channel(7, 0x82, 0).unwrap();
        let unit = Destination::unit(2).unwrap();
        assert_eq!(Destination::CONTROLLER.seen_from(there), there);
        assert_eq!(unit.seen_from(there), Destination::on_channel(7, 0x82, 2).unwrap());
        assert_eq!(unit.seen_from(Destination::CONTROLLER), unit);
        let named = Destination::on_channel(0, 0x22, 0).unwrap();
        assert_eq!(named.seen_from(there), named);
    }

    #[test]
    fn invalid_addresses_are_rejected() {
        assert!(Destination::CONTROLLER.through(0, 0x22).is_err());
        assert!(Destination::unit(4).is_err() && Destination::on_channel(16, 0x22, 0).is_err());
        assert!(Destination::on_channel(0, 0x81, 0).is_err() && Destination::on_channel(0, 0x22, 4).is_err());
    }
}
