//! The outermost frame, and the ping that finds controllers (ASF 2.0, 3.2; IPMI 2.0, 13.1 and 13.2).

use crate::ProtoError;
use crate::octets::Octets;

/// What an RMCP frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Asf,
    Ipmi,
}

/// The header of every frame; the sequence number ff asks for no acknowledgement.
pub(crate) const IPMI_HEADER: [u8; 4] = [6, 0, 0xff, 7];

/// More than any frame of IPMI: the largest payload is that of one UDP packet on Ethernet.
pub(crate) const MAX_FRAME: usize = 1_500;

/// What the frame carries, and of which class that is.
pub(crate) fn unwrap_frame(frame: &[u8]) -> Result<(Class, &[u8]), ProtoError> {
    if frame.len() > MAX_FRAME {
        return Err(ProtoError::TooLong { what: "an RMCP frame", octets: frame.len(), limit: MAX_FRAME });
    }
    let mut octets = Octets::new("an RMCP frame", frame);
    let [version, _, _, class] = octets.array()?;
    if version != 6 {
        return Err(ProtoError::Unexpected { what: "the version of RMCP", value: version.into() });
    }
    // The highest bit says that it is an acknowledgement, which carries nothing.
    match class {
        6 => Ok((Class::Asf, octets.rest())),
        7 => Ok((Class::Ipmi, octets.rest())),
        _ => Err(ProtoError::Unexpected { what: "the class of an RMCP frame", value: class.into() }),
    }
}

/// A Presence Ping (ASF 2.0, 3.2.4.2).
#[must_use]
pub fn ping(tag: u8) -> [u8; 12] {
    [6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, tag, 0, 0]
}

/// A Presence Pong: many controllers never send one (ASF 2.0, 3.2.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// The tag of the ping.
    pub tag: u8,
    /// Whether it says that it speaks IPMI.
    pub ipmi: bool,
}

/// Reads a Presence Pong.
///
/// # Errors
/// When it is none.
pub fn pong(frame: &[u8]) -> Result<Pong, ProtoError> {
    let (Class::Asf, body) = unwrap_frame(frame)? else {
        return Err(ProtoError::Unexpected { what: "the class of a Presence Pong", value: 7 });
    };
    let mut octets = Octets::new("a Presence Pong", body);
    let [_, _, _, _, kind, tag, _, _] = octets.array()?;
    if kind != 0x40 {
        return Err(ProtoError::Unexpected { what: "the type of a Presence Pong", value: kind.into() });
    }
    let _enterprise_and_oem: [u8; 8] = octets.array()?;
    Ok(Pong { tag, ipmi: octets.u8()? & 0x80 != 0 })
}

/// The Presence Pong that answers the body of a ping.
pub(crate) fn answer_ping(body: &[u8]) -> Result<Vec<u8>, ProtoError> {
    let [enterprise @ .., kind, tag, _, _] = Octets::new("a Presence Ping", body).array::<8>()?;
    if kind != 0x80 || enterprise != ASF {
        return Err(ProtoError::Unexpected { what: "the type of a Presence Ping", value: kind.into() });
    }
    // It speaks IPMI, and version 1.0 of ASF, and nothing else of that.
    let entities = [0, 0, 0, 0, 0x81, 0, 0, 0, 0, 0, 0, 0];
    Ok([&[6, 0, 0xff, 6][..], &ASF, &[0x40, tag, 0, 0x10], &ASF, &entities].concat())
}

/// The number of the enterprise that made ASF.
const ASF: [u8; 4] = [0, 0, 0x11, 0xbe];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pong_says_whether_ipmi_is_spoken() {
        let mut frame = ping(7).to_vec();
        assert!(pong(&frame).is_err(), "a ping is no pong");
        frame.splice(8.., [0x40, 7, 0, 0x10, 0, 0, 0x11, 0xbe, 0, 0, 0, 0, 0x81, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(pong(&frame), Ok(Pong { tag: 7, ipmi: true }));
        assert_eq!(pong(&frame[..15]), Err(ProtoError::Truncated { what: "a Presence Pong" }));
        assert!(unwrap_frame(&[6; 2_000]).is_err());
        assert_eq!(pong(&answer_ping(&ping(9)[4..]).unwrap()), Ok(Pong { tag: 9, ipmi: true }));
        assert!(answer_ping(&frame[4..]).is_err(), "a pong is no ping");
    }
}
