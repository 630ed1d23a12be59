use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::{Kind, Value, excerpt, malformed};
use crate::Reason;

/// Number without a unit, such as a number of connections.
pub type Count<const MIN: u32, const MAX: u32> = Number<unit::Things, MIN, MAX>;
/// Size in KiB.
pub type Kilobytes<const MIN: u32, const MAX: u32> = Number<unit::Kilobytes, MIN, MAX>;
/// Size in MiB; 0 means no limit.
pub type Megabytes<const MAX: u32> = Number<unit::Megabytes, 0, MAX>;
/// Time in milliseconds.
pub type Milliseconds<const MIN: u32, const MAX: u32> = Number<unit::Milliseconds, MIN, MAX>;
/// TCP port.
pub type Port = Number<unit::Ports, 1, 65_535>;
/// TCP port to listen on; 0 selects any free port.
pub type PortOrAny = Number<unit::Ports, 0, 65_535>;
/// Number without a unit; 0 means no limit.
pub type Quota<const MAX: u32> = Number<unit::Limit, 0, MAX>;
/// Time in seconds.
pub type Seconds<const MIN: u32, const MAX: u32> = Number<unit::Seconds, MIN, MAX>;

/// Integer that is always within its range, with a unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number<U, const MIN: u32, const MAX: u32> {
    /// INVARIANT: `MIN <= value <= MAX`
    value: u32,
    unit: PhantomData<U>,
}

impl<U, const MIN: u32, const MAX: u32> Number<U, MIN, MAX> {
    /// Returns the number `VALUE`; a value out of range does not compile.
    #[must_use]
    pub const fn of<const VALUE: u32>() -> Self {
        const { assert!(MIN <= VALUE && VALUE <= MAX, "outside the range of the setting") };
        Self { value: VALUE, unit: PhantomData }
    }

    /// Returns the number if it is in range.
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        if MIN <= value && value <= MAX { Some(Self { value, unit: PhantomData }) } else { None }
    }

    /// Returns the number without its unit.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.value
    }
}

impl<const MIN: u32, const MAX: u32> Milliseconds<MIN, MAX> {
    /// Returns the time as a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.value as u64)
    }
}

impl<const MIN: u32, const MAX: u32> Seconds<MIN, MAX> {
    /// Returns the time as a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.value as u64)
    }
}

impl<const MIN: u32, const MAX: u32> Kilobytes<MIN, MAX> {
    /// Returns the size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        (self.value as u64) * 1_024
    }
}

impl<const MAX: u32> Megabytes<MAX> {
    /// Returns the size in bytes, or `None` if there is no limit.
    #[must_use]
    pub const fn limit(self) -> Option<u64> {
        if self.value == 0 { None } else { Some((self.value as u64) * 1_024 * 1_024) }
    }
}

impl<const MAX: u32> Quota<MAX> {
    /// Returns the number, or `None` if there is no limit.
    #[must_use]
    pub const fn limit(self) -> Option<u32> {
        if self.value == 0 { None } else { Some(self.value) }
    }
}

impl<const MIN: u32> Number<unit::Ports, MIN, 65_535> {
    /// Returns the port for a socket address.
    #[must_use]
    pub fn number(self) -> u16 {
        // The range of the type makes the fallback unreachable.
        u16::try_from(self.value).unwrap_or(u16::MAX)
    }
}

impl<U: unit::Unit, const MIN: u32, const MAX: u32> Value for Number<U, MIN, MAX> {
    const KIND: Kind = Kind::Number { min: MIN, max: MAX, unit: U::SYMBOL };

    fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed(text, format!("a whole number from {MIN} to {MAX}")));
        }
        text.parse().ok().and_then(Self::new).ok_or_else(|| Reason::OutOfRange {
            value: excerpt(text),
            min: MIN,
            max: MAX,
        })
    }

    fn show(&self) -> Cow<'_, str> {
        self.value.to_string().into()
    }
}

impl<U, const MIN: u32, const MAX: u32> From<Number<U, MIN, MAX>> for u32 {
    fn from(number: Number<U, MIN, MAX>) -> Self {
        number.value
    }
}

impl<U, const MIN: u32, const MAX: u32> fmt::Display for Number<U, MIN, MAX> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(formatter)
    }
}

impl<U, const MIN: u32, const MAX: u32> fmt::Debug for Number<U, MIN, MAX> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(formatter)
    }
}

/// Units of numbers; they are types without values.
pub mod unit {
    /// Unit of a number.
    pub trait Unit: Copy + Ord + 'static {
        /// Symbol such as `ms`; empty if the setting's name says it.
        const SYMBOL: &'static str;
    }

    macro_rules! units {
        ($($(#[$doc:meta])* $name:ident $symbol:literal;)*) => {$(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub enum $name {}

            impl Unit for $name {
                const SYMBOL: &'static str = $symbol;
            }
        )*};
    }

    units! {
        /// No unit.
        Things "";
        /// No unit; 0 means no limit.
        Limit "0 = no limit";
        /// 1024 bytes.
        Kilobytes "KiB";
        /// 1024 KiB; 0 means no limit.
        Megabytes "MiB, 0 = no limit";
        /// Milliseconds.
        Milliseconds "ms";
        /// Seconds.
        Seconds "s";
        /// TCP ports.
        Ports "TCP port";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_both_ends_of_its_range_and_nothing_beyond() {
        type Tested = Count<1, 512>;
        assert_eq!(Tested::parse("1").map(Tested::get), Ok(1));
        assert_eq!(Tested::parse(" 512 ").map(Tested::get), Ok(512));
        for outside in ["0", "513", "-1", "99999999999999999999"] {
            assert!(matches!(Tested::parse(outside), Err(Reason::OutOfRange { .. })), "{outside}");
        }
        for malformed in ["", "-", "12a", "1.5", "0x10", "1 2", "١"] {
            assert!(matches!(Tested::parse(malformed), Err(Reason::Malformed { .. })), "{malformed}");
        }
    }

    #[test]
    fn zero_means_no_limit_only_for_quotas_and_megabytes() {
        assert_eq!(Quota::<10>::of::<0>().limit(), None);
        assert_eq!(Quota::<10>::of::<3>().limit(), Some(3));
        assert_eq!(Megabytes::<10>::of::<2>().limit(), Some(2 << 20));
        assert_eq!(Count::<0, 10>::of::<0>().get(), 0);
    }

    #[test]
    fn units_are_converted_to_bytes_and_durations() {
        assert_eq!(Kilobytes::<0, { u32::MAX }>::of::<{ u32::MAX }>().bytes(), 4_294_967_295 * 1_024);
        assert_eq!(Milliseconds::<0, 2_000>::of::<1_500>().duration(), Duration::from_millis(1_500));
        assert_eq!(Seconds::<0, 200>::of::<120>().duration(), Duration::from_secs(120));
        assert_eq!(Port::of::<65_535>().number(), 65_535);
    }
}
