//! What protects a session, once it is established.

use std::fmt;

use crate::{AuthenticationType, CipherSuite};

/// What protects a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// A cipher suite of IPMI 2.0.
    RmcpPlus(CipherSuite),
    /// An authentication type of IPMI 1.5, which hides nothing.
    Lan15(AuthenticationType),
}

impl Protection {
    /// Whether what is said in the session can be read by others.
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
