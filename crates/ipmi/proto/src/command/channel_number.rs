//! Numbers of channels.

use crate::ProtoError;

/// Channel number, 0 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChannelNumber(
    /// INVARIANT: below 16.
    u8,
);

impl ChannelNumber {
    /// The channel on which the request arrives.
    pub const THIS: Self = Self(14);

    /// Returns the channel with this number.
    ///
    /// # Errors
    /// If the number is above 15.
    pub fn new(number: u8) -> Result<Self, ProtoError> {
        if number < 16 {
            Ok(Self(number))
        } else {
            Err(ProtoError::Unexpected { what: "the number of a channel, 0 to 15,", value: number.into() })
        }
    }

    /// Returns the channel in the low four bits of a byte.
    pub(super) fn of_low_bits(bits: u8) -> Self {
        Self(bits & 0x0f)
    }

    /// Returns the number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}
