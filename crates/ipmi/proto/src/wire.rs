//! How the messages of a session travel, whichever version of IPMI it is of.

use crate::ProtoError;
use crate::keys::SessionKeys;
use crate::lan15::{self, Lan15Packet, Lan15Sealing};
use crate::octets::Octets;
use crate::packet::{self, Packet, Payload};
use crate::rmcp::{Class, unwrap_frame};
use crate::window::Window;

/// A datagram whose frame was read.
#[derive(Debug)]
pub(crate) enum Frame<'o> {
    RmcpPlus(Packet<'o>),
    Lan15(Lan15Packet<'o>),
}

impl<'o> Frame<'o> {
    pub(crate) fn decode(frame: &'o [u8]) -> Result<Self, ProtoError> {
        let (Class::Ipmi, body) = unwrap_frame(frame)? else {
            return Err(ProtoError::Unexpected { what: "the class of an RMCP frame", value: 6 });
        };
        Self::inside(body)
    }

    /// Reads what follows the header of RMCP.
    pub(crate) fn inside(body: &'o [u8]) -> Result<Self, ProtoError> {
        match Octets::new("an IPMI packet", body).u8()? {
            packet::RMCP_PLUS => Packet::decode(body).map(Self::RmcpPlus),
            _ => Lan15Packet::decode(body).map(Self::Lan15),
        }
    }

    pub(crate) fn session_id(&self) -> u32 {
        match self {
            Self::RmcpPlus(packet) => packet.session_id,
            Self::Lan15(packet) => packet.session_id,
        }
    }
}

/// One end of a session.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) sealing: Sealing,
    /// The session id in what this end sends.
    pub(crate) outbound_id: u32,
    /// The one in what it takes.
    pub(crate) inbound_id: u32,
    /// Of the last packet that was sent.
    pub(crate) sent: u32,
    pub(crate) received: Window,
}

/// What its packets are sealed with.
#[derive(Debug)]
pub(crate) enum Sealing {
    RmcpPlus(Box<SessionKeys>),
    Lan15(Lan15Sealing),
}

impl Wire {
    pub(crate) fn rmcp_plus(keys: Box<SessionKeys>, (inbound_id, outbound_id): (u32, u32)) -> Self {
        let sealing = Sealing::RmcpPlus(keys);
        Self { sealing, outbound_id, inbound_id, sent: 0, received: Window::default() }
    }

    /// Puts the next packet behind what is there. The initial vector must not be foreseeable.
    pub(crate) fn seal(
        &mut self,
        payload: Payload,
        content: &[u8],
        initial_vector: [u8; 16],
        out: &mut Vec<u8>,
    ) {
        let number = self.next_number();
        self.seal_as(number, (payload, content), initial_vector, out);
    }

    /// That of the packet that is sent next.
    pub(crate) fn next_number(&mut self) -> u32 {
        self.sent = self.sent.wrapping_add(1).max(1);
        self.sent
    }

    /// Puts a packet behind what is there under a number that may have been used, so that the other end takes one of
    /// those that have it.
    pub(crate) fn seal_as(
        &self,
        number: u32,
        (payload, content): (Payload, &[u8]),
        initial_vector: [u8; 16],
        out: &mut Vec<u8>,
    ) {
        let head = (self.outbound_id, number);
        match &self.sealing {
            Sealing::RmcpPlus(keys) => packet::seal(keys, head, (payload, content), initial_vector, out),
            Sealing::Lan15(sealing) => lan15::seal(sealing, head, content, out),
        }
    }

    /// What a packet of this session carries, if it is genuine and new; it takes the place of what was in the room.
    pub(crate) fn open(&mut self, frame: &Frame<'_>, plain: &mut Vec<u8>) -> Result<Payload, ProtoError> {
        if frame.session_id() != self.inbound_id {
            return Err(ProtoError::Unauthentic);
        }
        match (&self.sealing, frame) {
            (Sealing::RmcpPlus(keys), Frame::RmcpPlus(packet)) => {
                packet.open(keys, plain)?;
                self.received.accept(packet.number)?;
                Ok(packet.payload)
            }
            (Sealing::Lan15(sealing), Frame::Lan15(packet)) => {
                let message = packet.open(sealing)?;
                plain.clear();
                plain.extend_from_slice(message);
                // Packets without a proof have no number that could be believed.
                if packet.kind != lan15::AuthenticationType::None {
                    self.received.accept(packet.number)?;
                }
                Ok(Payload::Ipmi)
            }
            _ => Err(ProtoError::Unauthentic),
        }
    }
}
