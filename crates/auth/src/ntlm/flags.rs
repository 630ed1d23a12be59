//! Negotiated options (MS-NLMP 2.2.2.5).

use std::ops::{BitAnd, BitOr};

use crate::AuthError::{self, Downgraded};

/// A set of negotiated options, named as in the specification without `NTLMSSP_NEGOTIATE_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags(pub(super) u32);

impl Flags {
    pub(super) const UNICODE: Self = Self(0x0000_0001);
    pub(super) const OEM: Self = Self(0x0000_0002);
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

    /// Returns `true` if at least one of the options is set.
    fn intersects(self, any: Self) -> bool {
        (self & any).0 != 0
    }

    /// Rejects a message without a character set for its names (MS-NLMP 2.2.2.5).
    pub(super) fn require_character_set(self) -> Result<Self, AuthError> {
        if self.intersects(Self::UNICODE | Self::OEM) { Ok(self) } else { Err(Downgraded("a character set")) }
    }

    /// Rejects insufficient protection: NTLM without extended session security, and signing or sealing with keys of 40
    /// or 56 bits. A client that neither signs nor seals needs no keys, because only its sign-in uses NTLM.
    pub(super) fn require_protection(self) -> Result<Self, AuthError> {
        if !self.contains(Self::EXTENDED_SESSION_SECURITY) {
            return Err(Downgraded("extended session security"));
        }
        if self.intersects(Self::SIGN | Self::SEAL) && !self.contains(Self::KEY_128) {
            return Err(Downgraded("128-bit keys"));
        }
        Ok(self)
    }

    /// Rejects a service that lacks options which every current one has: protection as for
    /// [`require_protection`](Self::require_protection), Unicode and 128-bit keys.
    pub(super) fn require_modern(self) -> Result<Self, AuthError> {
        for (flag, name) in [(Self::UNICODE, "Unicode"), (Self::KEY_128, "128-bit keys")] {
            if !self.contains(flag) {
                return Err(Downgraded(name));
            }
        }
        self.require_protection()
    }

    /// Returns the character set that a service chooses from those that the client offers: Unicode before OEM
    /// (MS-NLMP 3.2.5.1.1).
    pub(super) fn chosen_character_set(self) -> Self {
        if self.contains(Self::UNICODE) { Self::UNICODE } else { self & Self::OEM }
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
