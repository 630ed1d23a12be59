//! Steps of a login, and the status codes with which a controller rejects them.

use std::fmt;

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
