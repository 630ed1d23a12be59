//! IPMI 1.5 packets, also used for messages before a session is established (IPMI 2.0, 13.6 and 22.17.1).

use std::str::FromStr;

use zeroize::Zeroizing;

use crate::ProtoError;
use crate::keys::{Password, same};
use crate::mac::md5;
use crate::md2::md2;
use crate::octets::Octets;
use crate::rmcp::IPMI_HEADER;

/// Authentication of the packets of an IPMI 1.5 session. None of the types encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationType {
    /// No authentication.
    None,
    /// MD2 over password and packet. MD2 is broken: only for controllers that support nothing else.
    Md2,
    /// MD5 over password and packet. MD5 is weak, but the password itself is not sent.
    Md5,
    /// The password itself, in clear text.
    Password,
}

impl AuthenticationType {
    /// Returns the number of the type (IPMI 2.0, table 13-8).
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Md2 => 1,
            Self::Md5 => 2,
            Self::Password => 4,
        }
    }

    /// Returns the name of the type on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Md2 => "md2",
            Self::Md5 => "md5",
            Self::Password => "password",
        }
    }

    /// Returns the type with this number; types defined by manufacturers are rejected.
    pub(crate) fn parse(number: u8) -> Result<Self, ProtoError> {
        match number {
            0 => Ok(Self::None),
            1 => Ok(Self::Md2),
            2 => Ok(Self::Md5),
            4 => Ok(Self::Password),
            other => Err(ProtoError::Unexpected { what: "the type of authentication", value: other.into() }),
        }
    }
}

impl FromStr for AuthenticationType {
    type Err = ProtoError;

    fn from_str(text: &str) -> Result<Self, ProtoError> {
        let all = [Self::None, Self::Md2, Self::Md5, Self::Password];
        let found = all.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(text));
        found.ok_or(ProtoError::Unexpected { what: "the type of authentication", value: 0 })
    }
}

/// Authentication type and password of a session.
#[derive(Clone, Debug)]
pub(crate) struct Lan15Sealing {
    pub(crate) kind: AuthenticationType,
    pub(crate) password: Password,
    /// Whether only the first packets are authenticated, as the controller requested.
    pub(crate) is_first_only: bool,
}

/// A packet whose frame is decoded but whose authentication code is not verified yet.
#[derive(Debug)]
pub(crate) struct Lan15Packet<'o> {
    pub(crate) kind: AuthenticationType,
    pub(crate) number: u32,
    pub(crate) session_id: u32,
    code: [u8; 16],
    pub(crate) message: &'o [u8],
}

impl<'o> Lan15Packet<'o> {
    /// Decodes the bytes after the RMCP header.
    pub(crate) fn decode(body: &'o [u8]) -> Result<Self, ProtoError> {
        let mut octets = Octets::new("an IPMI 1.5 packet", body);
        let kind = AuthenticationType::parse(octets.u8()?)?;
        let (number, session_id) = (octets.u32()?, octets.u32()?);
        let code = if kind == AuthenticationType::None { [0; 16] } else { octets.array()? };
        let length = octets.u8()?;
        // A legacy pad byte may follow, a workaround for old network chips.
        let message = octets.take(length.into())?;
        Ok(Self { kind, number, session_id, code, message })
    }

    /// Returns the message if the packet's authentication code is valid.
    pub(crate) fn open(&self, sealing: &Lan15Sealing) -> Result<&'o [u8], ProtoError> {
        if self.kind == AuthenticationType::None
            && (sealing.is_first_only || sealing.kind == AuthenticationType::None)
        {
            return Ok(self.message);
        }
        let ours = code(sealing.kind, &sealing.password, self.session_id, self.number, self.message);
        if self.kind == sealing.kind && same(&*ours, &self.code) {
            Ok(self.message)
        } else {
            Err(ProtoError::Unauthentic)
        }
    }

    /// Returns the message of a packet outside a session.
    pub(crate) fn in_clear(&self) -> Result<&'o [u8], ProtoError> {
        let is_outside = self.session_id == 0 && self.kind == AuthenticationType::None;
        if is_outside { Ok(self.message) } else { Err(ProtoError::Unauthentic) }
    }
}

/// Returns a packet outside a session.
pub(crate) fn in_clear(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    packet(AuthenticationType::None, 0, 0, None, message, &mut out);
    out
}

/// Appends an authenticated packet of a session.
pub(crate) fn seal(sealing: &Lan15Sealing, session_id: u32, number: u32, message: &[u8], out: &mut Vec<u8>) {
    let kind = if sealing.is_first_only { AuthenticationType::None } else { sealing.kind };
    let code = (kind != AuthenticationType::None)
        .then(|| code(kind, &sealing.password, session_id, number, message));
    packet(kind, session_id, number, code.as_deref(), message, out);
}

fn packet(
    kind: AuthenticationType,
    session_id: u32,
    number: u32,
    code: Option<&[u8; 16]>,
    message: &[u8],
    out: &mut Vec<u8>,
) {
    out.reserve(IPMI_HEADER.len() + 26 + message.len());
    out.extend(IPMI_HEADER);
    out.push(kind.number());
    out.extend(number.to_le_bytes());
    out.extend(session_id.to_le_bytes());
    out.extend(code.into_iter().flatten());
    out.push(u8::try_from(message.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(message.get(..message.len().min(usize::from(u8::MAX))).unwrap_or_default());
}

fn code(
    kind: AuthenticationType,
    password: &Password,
    session_id: u32,
    number: u32,
    message: &[u8],
) -> Zeroizing<[u8; 16]> {
    let password = password.first_16();
    let (session_id, number) = (session_id.to_le_bytes(), number.to_le_bytes());
    let parts: [&[u8]; 5] = [&*password, &session_id, message, &number, &*password];
    Zeroizing::new(match kind {
        AuthenticationType::None => [0; 16],
        AuthenticationType::Password => *password,
        AuthenticationType::Md2 => md2(&parts),
        AuthenticationType::Md5 => md5(&parts),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_without_the_password_are_rejected() {
        for kind in [AuthenticationType::Md2, AuthenticationType::Md5, AuthenticationType::Password] {
            let sealing = |password: &[u8]| Lan15Sealing {
                kind,
                password: Password::new(password).unwrap(),
                is_first_only: false,
            };
            let mut frame = Vec::new();
            seal(&sealing(b"right"), 7, 9, &[1, 2, 3], &mut frame);
            let packet = Lan15Packet::decode(&frame[4..]).unwrap();
            assert_eq!(packet.open(&sealing(b"right")), Ok(&[1, 2, 3][..]));
            assert_eq!(packet.open(&sealing(b"wrong")), Err(ProtoError::Unauthentic));
            let open = in_clear(&[1, 2, 3]);
            let open = Lan15Packet::decode(&open[4..]).unwrap();
            assert_eq!(open.open(&sealing(b"right")), Err(ProtoError::Unauthentic));
            assert_eq!(open.in_clear(), Ok(&[1, 2, 3][..]));
            assert!(packet.in_clear().is_err());
            // If only the first packets carry an authentication code, later ones are accepted with or without
            // it.
            let first_only = Lan15Sealing { is_first_only: true, ..sealing(b"right") };
            let mut later = Vec::new();
            seal(&first_only, 7, 9, &[1, 2, 3], &mut later);
            assert_eq!(later.get(4), Some(&AuthenticationType::None.number()));
            let later = Lan15Packet::decode(&later[4..]).unwrap();
            assert!([&later, &packet].iter().all(|packet| packet.open(&first_only) == Ok(&[1, 2, 3])));
            for end in 0..frame.len() - 4 {
                assert!(Lan15Packet::decode(&frame[4..4 + end]).is_err(), "{end}");
            }
        }
    }
}
