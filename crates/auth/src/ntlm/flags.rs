//! Negotiated options (MS-NLMP 2.2.2.5).

use std::ops::{BitAnd, BitOr};

use crate::AuthError;

/// A set of negotiated options, named as in the specification without `NTLMSSP_NEGOTIATE_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags(pub(super) u32);

impl Flags {
    pub(super) const UNICODE: Self = Self(0x0000_0001);
    pub(super) const REQUEST_TARGET: Self = Self(0x0000_0004);
    pub(super) const SIGN: Self = Self(0x0000_0010);
    pub(super) const SEAL: Self = Self(0x0000_0020);
    pub(super) const NTLM: Self = Self(0x0000_0200);
    pub(super) const ALWAYS_SIGN: Self = Self(0x0000_8000);
    pub(super) const TARGET_TYPE_SERVER: Self = Self(0x0002_0000);
    pub(super) const EXTENDED_SESSION_SECURITY: Self = Self(0x0008_0000);
    pub(super) const TARGET_INFO: Self = Self(0x0080_0000);
    pub(super) const VERSION: Self = Self(0x0200_0000);
    pub(super) const KEY_128: Self = Self(0x2000_0000);
    pub(super) const KEY_EXCH: Self = Self(0x4000_0000);
    pub(super) const KEY_56: Self = Self(0x8000_0000);

    /// Options that our client requests, and that our service accepts on request.
    pub(super) const WANTED: Self = Self(
        Self::UNICODE.0
            | Self::REQUEST_TARGET.0
            | Self::SIGN.0
            | Self::SEAL.0
            | Self::NTLM.0
            | Self::ALWAYS_SIGN.0
            | Self::EXTENDED_SESSION_SECURITY.0
            | Self::VERSION.0
            | Self::KEY_128.0
            | Self::KEY_EXCH.0
            | Self::KEY_56.0,
    );

    pub(super) fn contains(self, all: Self) -> bool {
        self & all == all
    }

    /// Rejects insufficient protection: OEM character sets, NTLM without extended session security, keys of 40 or 56
    /// bits.
    pub(super) fn require_modern(self) -> Result<Self, AuthError> {
        for (flag, name) in [
            (Self::UNICODE, "Unicode"),
            (Self::EXTENDED_SESSION_SECURITY, "extended session security"),
            (Self::KEY_128, "128-bit keys"),
        ] {
            if !self.contains(flag) {
                return Err(AuthError::Downgraded(name));
            }
        }
        Ok(self)
    }

    /// Returns `true` if the client sends its own session key, which requires signing or sealing (MS-NLMP 3.2.5.1.2).
    pub(super) fn exchanges_key(self) -> bool {
        self.contains(Self::KEY_EXCH) && (self.contains(Self::SIGN) || self.contains(Self::SEAL))
    }
}

impl BitAnd for Flags {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
