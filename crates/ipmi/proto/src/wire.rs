//! Framing, authentication and encryption of session messages, for both IPMI versions.

use crate::ProtoError;
use crate::keys::SessionKeys;
use crate::lan15::{self, Lan15Packet, Lan15Sealing};
use crate::octets::Octets;
use crate::packet::{self, Packet, Payload};
use crate::rmcp::{Class, unwrap_frame};
use crate::window::Window;

/// A datagram whose frame is decoded.
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

    /// Decodes the bytes after the RMCP header.
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

/// A side of a session.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) sealing: Sealing,
    /// Session id in packets sent by this side.
    pub(crate) outbound_id: u32,
    /// Session id in packets received by this side.
    pub(crate) inbound_id: u32,
    /// Sequence number of the last packet sent.
    pub(crate) sent: u32,
    pub(crate) received: Window,
}

/// Keys that seal the packets.
#[derive(Debug)]
pub(crate) enum Sealing {
    RmcpPlus(Box<SessionKeys>),
    Lan15(Lan15Sealing),
}

impl Wire {
    pub(crate) fn rmcp_plus(keys: Box<SessionKeys>, inbound_id: u32, outbound_id: u32) -> Self {
        let sealing = Sealing::RmcpPlus(keys);
        Self { sealing, outbound_id, inbound_id, sent: 0, received: Window::default() }
    }

    /// Appends the next packet. The initial vector must be unpredictable.
    pub(crate) fn seal(
        &mut self,
        payload: Payload,
        content: &[u8],
        initial_vector: [u8; 16],
        out: &mut Vec<u8>,
    ) {
        let number = self.next_number();
        self.seal_as(number, payload, content, initial_vector, out);
    }

    /// Returns the sequence number of the next packet.
    pub(crate) fn next_number(&mut self) -> u32 {
        self.sent = self.sent.wrapping_add(1).max(1);
        self.sent
    }

    /// Appends a packet with a given sequence number. The number may have been used before: the other side
    /// then accepts only one of the packets with that number.
    pub(crate) fn seal_as(
        &self,
        number: u32,
        payload: Payload,
        content: &[u8],
        initial_vector: [u8; 16],
        out: &mut Vec<u8>,
    ) {
        match &self.sealing {
            Sealing::RmcpPlus(keys) => {
                packet::seal(keys, self.outbound_id, number, payload, content, initial_vector, out);
            }
            Sealing::Lan15(sealing) => lan15::seal(sealing, self.outbound_id, number, content, out),
        }
    }

    /// Verifies a packet of this session, checks that it is new, and writes its decrypted payload to `plain`,
    /// replacing the previous content.
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
                // The sequence number of an unauthenticated packet cannot be trusted.
                if packet.kind != lan15::AuthenticationType::None {
                    self.received.accept(packet.number)?;
                }
                Ok(Payload::Ipmi)
            }
            _ => Err(ProtoError::Unauthentic),
        }
    }
}
