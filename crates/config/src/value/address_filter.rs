use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use super::{Kind, Value, excerpt};
use crate::filter_error::MAX_RANGES;
use crate::{FilterError, Reason};

/// Filter for the local IPv4 addresses of listeners with the address `*`.
pub type IPv4Filter = AddressFilter<Ipv4Addr>;
/// Filter for the local IPv6 addresses of listeners with the address `*`.
pub type IPv6Filter = AddressFilter<Ipv6Addr>;

/// Filter for local addresses: `*`, an empty text, or ranges `first-last` separated by commas.
///
/// A single address is a range of one. IPv6 addresses may be enclosed in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressFilter<A> {
    /// All addresses (`*`).
    Any,
    /// No address (empty text).
    None,
    /// Addresses in one of the inclusive ranges.
    ///
    /// INVARIANT (made by parsing): not empty, ascending, without overlap, at most 1000.
    Ranges(Arc<[RangeInclusive<A>]>),
}

/// IPv4 or IPv6 address.
pub trait Address: Copy + Ord + FromStr + fmt::Display {
    /// Name in error messages.
    const NAME: &'static str;
}

impl Address for Ipv4Addr {
    const NAME: &'static str = "an IPv4 address";
}

impl Address for Ipv6Addr {
    const NAME: &'static str = "an IPv6 address";
}

impl<A: Address> AddressFilter<A> {
    /// Parses a filter.
    ///
    /// # Errors
    /// [`FilterError`] names the invalid range.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        match text.trim() {
            "*" => return Ok(Self::Any),
            "" => return Ok(Self::None),
            _ => {}
        }
        let mut ranges: Vec<RangeInclusive<A>> = Vec::new();
        for part in text.split(',') {
            if ranges.len() == MAX_RANGES {
                return Err(FilterError::TooMany);
            }
            let range = range(part.trim())?;
            if ranges.last().is_some_and(|before| before.end() >= range.start()) {
                return Err(FilterError::NotAscending { first: range.start().to_string() });
            }
            ranges.push(range);
        }
        Ok(Self::Ranges(ranges.into()))
    }

    /// Returns whether a listener may use the address.
    #[must_use]
    pub fn admits(&self, address: A) -> bool {
        match self {
            Self::Any => true,
            Self::None => false,
            Self::Ranges(ranges) => ranges.iter().any(|range| range.contains(&address)),
        }
    }
}

fn range<A: Address>(text: &str) -> Result<RangeInclusive<A>, FilterError> {
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (address::<A>(first)?, address::<A>(last)?),
        None => (address(text)?, address(text)?),
    };
    if first > last {
        return Err(FilterError::Descending { first: first.to_string(), last: last.to_string() });
    }
    Ok(first..=last)
}

fn address<A: Address>(text: &str) -> Result<A, FilterError> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| FilterError::NotAnAddress { text: excerpt(text), expected: A::NAME })
}

impl<A: Address> Value for AddressFilter<A> {
    const KIND: Kind = Kind::Text { expected: "*, nothing, or ranges first-last separated by commas" };

    fn parse(text: &str) -> Result<Self, Reason> {
        Self::parse(text).map_err(Reason::Filter)
    }

    fn show(&self) -> Cow<'_, str> {
        self.to_string().into()
    }
}

impl<A: Address> fmt::Display for AddressFilter<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("*"),
            Self::None => Ok(()),
            Self::Ranges(ranges) => ranges.iter().enumerate().try_for_each(|(number, range)| {
                let comma = if number == 0 { "" } else { "," };
                write!(formatter, "{comma}{}-{}", range.start(), range.end())
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(text: &str) -> Result<IPv4Filter, FilterError> {
        IPv4Filter::parse(text)
    }

    #[test]
    fn both_ends_of_a_range_are_admitted_and_their_neighbours_are_not() {
        let filter = v4(" 10.0.0.1-10.0.0.9 , 10.0.1.0-10.0.1.255,192.168.0.7").unwrap();
        for inside in [[10, 0, 0, 1], [10, 0, 0, 9], [10, 0, 1, 0], [10, 0, 1, 255], [192, 168, 0, 7]] {
            assert!(filter.admits(inside.into()), "{inside:?}");
        }
        for outside in [[10, 0, 0, 0], [10, 0, 0, 10], [10, 0, 2, 0], [192, 168, 0, 8]] {
            assert!(!filter.admits(outside.into()), "{outside:?}");
        }
        assert_eq!(filter.to_string(), "10.0.0.1-10.0.0.9,10.0.1.0-10.0.1.255,192.168.0.7-192.168.0.7");
    }

    #[test]
    fn a_star_admits_every_address_and_an_empty_filter_none() {
        assert!(v4("*").unwrap().admits([1, 2, 3, 4].into()));
        assert!(!v4("  ").unwrap().admits([1, 2, 3, 4].into()));
    }

    #[test]
    fn ipv6_addresses_may_be_enclosed_in_brackets() {
        let filter = IPv6Filter::parse("[::1]-[::ff], 3ffe:ffff::-3FFE:FFFF::6ECB:0101").unwrap();
        assert_eq!(filter.to_string(), "::1-::ff,3ffe:ffff::-3ffe:ffff::6ecb:101");
        assert!(filter.admits(Ipv6Addr::LOCALHOST));
    }

    #[test]
    fn ranges_must_ascend_and_must_not_overlap() {
        assert!(matches!(v4("10.0.0.9-10.0.0.1"), Err(FilterError::Descending { .. })));
        assert!(matches!(v4("10.0.0.5-10.0.0.9,10.0.0.1-10.0.0.2"), Err(FilterError::NotAscending { .. })));
        assert!(matches!(v4("10.0.0.1-10.0.0.5,10.0.0.5-10.0.0.9"), Err(FilterError::NotAscending { .. })));
    }

    #[test]
    fn a_part_that_is_not_an_address_of_the_family_is_named() {
        for wrong in [
            "x",
            "1.2.3.4,",
            ",",
            "1.2.3",
            "::1",
            "1.2.3.4-",
            "1.2.3.4-5.6.7.8-9.9.9.9",
            "*,1.2.3.4",
            "1.2.3.4/8",
        ] {
            assert!(matches!(v4(wrong), Err(FilterError::NotAnAddress { .. })), "{wrong:?}");
        }
        assert!(matches!(IPv6Filter::parse("1.2.3.4"), Err(FilterError::NotAnAddress { .. })));
    }

    #[test]
    fn the_number_of_ranges_is_bounded() {
        assert!(v4(&many_ranges(1_000)).is_ok());
        assert_eq!(v4(&many_ranges(1_001)), Err(FilterError::TooMany));
    }

    fn many_ranges(count: u32) -> String {
        (0..count).map(|number| Ipv4Addr::from(number * 2).to_string()).collect::<Vec<_>>().join(",")
    }
}
