//! The login: Open Session and the four messages of RAKP (IPMI 2.0, 13.17 to 13.23).

use std::fmt;
use std::str::FromStr;

use crate::ProtoError;
use crate::keys::UserName;
use crate::octets::Octets;
use crate::suite::CipherSuite;

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

/// A step of the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Open Session.
    OpenSession,
    /// RAKP 1, answered with RAKP 2.
    Rakp2,
    /// RAKP 3, answered with RAKP 4.
    Rakp4,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenSession => "Open Session",
            Self::Rakp2 => "RAKP 2",
            Self::Rakp4 => "RAKP 4",
        })
    }
}

/// Status code with which a controller rejects a step (IPMI 2.0, table 13-15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u8);

impl Status {
    /// Returns whether another cipher suite may succeed.
    pub(crate) fn is_about_the_suite(self) -> bool {
        matches!(self.0, 0x04 | 0x05 | 0x10 | 0x11 | 0x12)
    }

    /// Returns a hint for the user, beginning with a line break; empty for codes without a hint.
    pub(crate) fn way_out(self) -> &'static str {
        match self.0 {
            0x01 | 0x0b => "\n  close another session, or wait: idle sessions end after a minute",
            0x04 | 0x05 | 0x10 | 0x11 => {
                "\n  omit --suite, or select another one; most controllers support 3"
            }
            0x09 | 0x0a => "\n  request a lower level with --level, or sign in as another user",
            0x0d => "\n  select an existing user with -U; names are case-sensitive",
            _ => "",
        }
    }

    /// Returns whether the role, the level, the name or the password is wrong.
    pub(crate) fn is_about_the_user(self) -> bool {
        matches!(self.0, 0x09 | 0x0a | 0x0d | 0x0f)
    }

    /// Returns whether a session may become free later.
    pub(crate) fn is_passing(self) -> bool {
        matches!(self.0, 0x01 | 0x0b)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self.0 {
            0x01 => "it has no free session",
            0x02 => "it does not know the session id",
            0x03 => "invalid payload type",
            0x04 => "it does not take the authentication algorithm",
            0x05 => "it does not take the integrity algorithm",
            0x06 | 0x07 => "no matching payload",
            0x08 => "the session id is inactive",
            0x09 => "it does not know the role",
            0x0a => "the user may not have this level of privilege",
            0x0b => "it has no free session for this level",
            0x0c => "the name has a wrong length",
            0x0d => "it does not know the user",
            0x0e => "unknown GUID",
            0x0f => "wrong password or key",
            0x10 => "it does not take the confidentiality algorithm",
            0x11 => "it does not take the cipher suite",
            0x12 => "illegal parameter",
            _ => "unknown reason",
        };
        write!(f, "{meaning} (status {:02x}h)", self.0)
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
        for (kind, asked) in (0..).zip(suite.algorithms()) {
            let [got_kind, _, _, _, algorithm, _, _, _] = octets.array()?;
            if got_kind != kind || algorithm & 0x3f != asked {
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
