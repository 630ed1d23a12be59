//! RMCP frame, and the presence ping that discovers controllers (ASF 2.0, 3.2; IPMI 2.0, 13.1 and 13.2).

use crate::ProtoError;
use crate::octets::Octets;

/// Message class of an RMCP frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Asf,
    Ipmi,
}

/// RMCP header of IPMI messages; sequence number ffh requests no acknowledgement.
pub(crate) const IPMI_HEADER: [u8; 4] = [6, 0, 0xff, 7];

/// Maximum frame length in bytes. IPMI frames fit into one UDP packet on Ethernet.
pub(crate) const MAX_FRAME: usize = 1_500;

/// Returns the message class and the body of a frame.
pub(crate) fn unwrap_frame(frame: &[u8]) -> Result<(Class, &[u8]), ProtoError> {
    if frame.len() > MAX_FRAME {
        return Err(ProtoError::TooLong { what: "an RMCP frame", octets: frame.len(), limit: MAX_FRAME });
    }
    let mut octets = Octets::new("an RMCP frame", frame);
    let [version, _, _, class] = octets.array()?;
    if version != 6 {
        return Err(ProtoError::Unexpected { what: "the version of RMCP", value: version.into() });
    }
    // The highest bit marks an acknowledgement, which has no body.
    match class {
        6 => Ok((Class::Asf, octets.rest())),
        7 => Ok((Class::Ipmi, octets.rest())),
        _ => Err(ProtoError::Unexpected { what: "the class of an RMCP frame", value: class.into() }),
    }
}

/// Returns a Presence Ping (ASF 2.0, 3.2.4.2).
#[must_use]
pub fn ping(tag: u8) -> [u8; 12] {
    [6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, tag, 0, 0]
}

/// A Presence Pong. Many controllers never send one (ASF 2.0, 3.2.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// Tag of the ping.
    pub tag: u8,
    /// Whether the controller supports IPMI.
    pub ipmi: bool,
}

/// Decodes a Presence Pong.
///
/// # Errors
/// If the frame is not a Presence Pong.
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

/// Returns the Presence Pong for the body of a ping.
pub(crate) fn answer_ping(body: &[u8]) -> Result<Vec<u8>, ProtoError> {
    let [enterprise @ .., kind, tag, _, _] = Octets::new("a Presence Ping", body).array::<8>()?;
    if kind != 0x80 || enterprise != ASF {
        return Err(ProtoError::Unexpected { what: "the type of a Presence Ping", value: kind.into() });
    }
    // Announces IPMI and ASF 1.0, and no other features of ASF.
    let entities = [0, 0, 0, 0, 0x81, 0, 0, 0, 0, 0, 0, 0];
    Ok([&[6, 0, 0xff, 6][..], &ASF, &[0x40, tag, 0, 0x10], &ASF, &entities].concat())
}

/// IANA enterprise number of ASF.
const ASF: [u8; 4] = [0, 0, 0x11, 0xbe];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pong_reports_ipmi_support() {
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
