//! Protection of an established session.

use std::fmt;

use crate::{AuthenticationType, CipherSuite};

/// Protection of an established session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// A cipher suite of IPMI 2.0.
    RmcpPlus(CipherSuite),
    /// An authentication type of IPMI 1.5, without encryption.
    Lan15(AuthenticationType),
}

impl Protection {
    /// Returns whether the packets of the session are not encrypted.
    #[must_use]
    pub fn is_in_clear(self) -> bool {
        match self {
            Self::RmcpPlus(suite) => suite.is_in_clear(),
            Self::Lan15(_) => true,
        }
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RmcpPlus(suite) => write!(f, "cipher suite {suite}"),
            Self::Lan15(kind) => write!(f, "IPMI 1.5 with {}", kind.name()),
        }
    }
}
