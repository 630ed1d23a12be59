//! The login: Open Session and the four messages of RAKP (IPMI 2.0, 13.17 to 13.23).

use std::str::FromStr;

use crate::keys::UserName;
use crate::octets::Octets;
use crate::suite::CipherSuite;
use crate::{ProtoError, Status};

/// Privilege level (IPMI 2.0, table 13-17), in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privilege {
    /// Read access.
    User,
    /// Also power control and similar operations.
    Operator,
    /// Full access, including configuration.
    Administrator,
}

impl Privilege {
    /// Returns the number of the level.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::User => 2,
            Self::Operator => 3,
            Self::Administrator => 4,
        }
    }

    /// Returns the name of the level.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    /// Returns the highest level that a number permits. Callback is mapped to `User`: it permits less, but
    /// does permit signing in.
    pub(crate) fn at_most(number: u8) -> Self {
        match number {
            0..=2 => Self::User,
            3 => Self::Operator,
            _ => Self::Administrator,
        }
    }

    /// Returns the role byte of RAKP 1, with the flag that looks users up by name only, independent of their
    /// level.
    pub(crate) fn role(self) -> u8 {
        0x10 | self.number()
    }
}

impl FromStr for Privilege {
    type Err = ProtoError;

    fn from_str(text: &str) -> Result<Self, ProtoError> {
        match text.to_ascii_lowercase().as_str() {
            "user" => Ok(Self::User),
            "operator" => Ok(Self::Operator),
            "administrator" | "admin" => Ok(Self::Administrator),
            _ => Err(ProtoError::Unexpected { what: "the level of privilege", value: 0 }),
        }
    }
}

pub(crate) fn open_session_request(
    tag: u8,
    privilege: Privilege,
    console_id: u32,
    suite: CipherSuite,
) -> Vec<u8> {
    let mut payload = vec![tag, privilege.number(), 0, 0];
    payload.extend(console_id.to_le_bytes());
    for (kind, algorithm) in (0..).zip(suite.algorithms()) {
        payload.extend([kind, 0, 0, 8, algorithm, 0, 0, 0]);
    }
    payload
}

/// Successful Open Session response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenSessionResponse {
    pub(crate) controller_id: u32,
}

impl OpenSessionResponse {
    /// Decodes the response. Algorithms other than the requested ones are an error.
    pub(crate) fn decode(octets: Octets<'_>, suite: CipherSuite) -> Result<Self, ProtoError> {
        let mut octets = octets;
        let controller_id = octets.u32()?;
        for (kind, requested) in (0..).zip(suite.algorithms()) {
            let [got_kind, _, _, _, algorithm, _, _, _] = octets.array()?;
            if got_kind != kind || algorithm & 0x3f != requested {
                return Err(ProtoError::Unexpected {
                    what: "an algorithm that the controller has chosen by itself",
                    value: algorithm.into(),
                });
            }
        }
        if controller_id == 0 {
            return Err(ProtoError::Unexpected { what: "the controller's session id", value: 0 });
        }
        Ok(Self { controller_id })
    }
}

pub(crate) fn rakp1(
    tag: u8,
    controller_id: u32,
    random: &[u8; 16],
    privilege: Privilege,
    user: &UserName,
) -> Vec<u8> {
    let mut payload = vec![tag, 0, 0, 0];
    payload.extend(controller_id.to_le_bytes());
    payload.extend(random);
    let name = user.octets();
    payload.extend([privilege.role(), 0, 0, u8::try_from(name.len()).unwrap_or(u8::MAX)]);
    payload.extend(name);
    payload
}

/// RAKP 2: the controller's random number, GUID and authentication code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rakp2 {
    pub(crate) random: [u8; 16],
    pub(crate) guid: [u8; 16],
    pub(crate) code: Vec<u8>,
}

impl Rakp2 {
    pub(crate) fn decode(octets: Octets<'_>) -> Result<Self, ProtoError> {
        let mut octets = octets;
        Ok(Self { random: octets.array()?, guid: octets.array()?, code: octets.rest().to_vec() })
    }
}

pub(crate) fn rakp3(tag: u8, controller_id: u32, code: &[u8]) -> Vec<u8> {
    [&[tag, 0, 0, 0], &controller_id.to_le_bytes()[..], code].concat()
}

/// Common start of the responses to all steps. An error response may end after two bytes.
#[derive(Debug)]
pub(crate) struct StepHead<'o> {
    pub(crate) tag: u8,
    /// The console's session id and the remaining bytes, or the status of the rejection.
    pub(crate) outcome: Result<(u32, Octets<'o>), Status>,
}

impl<'o> StepHead<'o> {
    pub(crate) fn decode(payload: &'o [u8]) -> Result<Self, ProtoError> {
        let mut octets = Octets::new("an answer of the login", payload);
        let [tag, status] = octets.array()?;
        if status != 0 {
            return Ok(Self { tag, outcome: Err(Status(status)) });
        }
        let _level_or_reserved: [u8; 2] = octets.array()?;
        let console_id = octets.u32()?;
        Ok(Self { tag, outcome: Ok((console_id, octets)) })
    }
}
