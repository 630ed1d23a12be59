mod domain;
pub mod well_known;

use std::fmt;

pub use self::domain::DomainSid;
use crate::{Principal, SddlError, cursor::Cursor};

/// Maximum number of sub-authorities of a SID (MS-DTYP 2.4.2.2).
pub const MAX_SUB_AUTHORITIES: usize = 15;

/// Security identifier of a user or group (MS-DTYP 2.4.2).
///
/// Prints as SDDL: its two-letter alias if it has one (`BA`), otherwise the numeric form.
/// [`Sid::numeric`] always prints the numeric form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid {
    /// INVARIANT: less than 2⁴⁸.
    authority: u64,
    /// INVARIANT: 1 to 15.
    count: u8,
    /// INVARIANT: elements from `count` on are zero, so that equal SIDs compare equal.
    sub_authorities: [u32; MAX_SUB_AUTHORITIES],
}

impl Sid {
    /// # Errors
    /// [`SddlError::AuthorityTooLarge`] or [`SddlError::SubAuthorityCount`].
    pub fn new(authority: u64, sub_authorities: &[u32]) -> Result<Self, SddlError> {
        if authority >= 1 << 48 {
            return Err(SddlError::AuthorityTooLarge { authority });
        }
        let wrong_count = SddlError::SubAuthorityCount { count: sub_authorities.len() };
        let count = match u8::try_from(sub_authorities.len()) {
            Ok(count) if (1..=MAX_SUB_AUTHORITIES).contains(&count.into()) => count,
            _ => return Err(wrong_count),
        };
        let mut array = [0; MAX_SUB_AUTHORITIES];
        for (slot, number) in array.iter_mut().zip(sub_authorities) {
            *slot = *number;
        }
        Ok(Self { authority, count, sub_authorities: array })
    }

    /// Parses `S-1-5-32-544` or a two-letter alias (MS-DTYP 2.4.2.1, 2.5.1).
    ///
    /// # Errors
    /// [`SddlError::RelativeAlias`] for an alias that depends on the machine or its domain, such as `LA`;
    /// [`Principal::parse`] accepts those. Otherwise the reason and the offset.
    pub fn parse(text: &str) -> Result<Self, SddlError> {
        match Principal::parse(text)? {
            Principal::Sid(sid) => Ok(sid),
            Principal::Relative(relative) => Err(SddlError::RelativeAlias { alias: relative.alias() }),
        }
    }

    /// Decodes the binary form, which must fill `bytes` completely (MS-DTYP 2.4.2.2).
    ///
    /// # Errors
    /// [`SddlError::SidLength`], [`SddlError::SidRevision`] or [`SddlError::SubAuthorityCount`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SddlError> {
        let length = bytes.len();
        let (&[revision, count, a, b, c, d, e, f], tail) =
            bytes.split_first_chunk::<8>().ok_or(SddlError::SidLength { length, expected: 8 })?;
        if revision != REVISION {
            return Err(SddlError::SidRevision { revision });
        }
        let count = usize::from(count);
        if count > MAX_SUB_AUTHORITIES {
            return Err(SddlError::SubAuthorityCount { count });
        }
        let expected = 8 + 4 * count;
        let (numbers, []) = tail.as_chunks::<4>() else {
            return Err(SddlError::SidLength { length, expected });
        };
        if numbers.len() != count {
            return Err(SddlError::SidLength { length, expected });
        }
        let numbers: Vec<u32> = numbers.iter().map(|number| u32::from_le_bytes(*number)).collect();
        Self::new(u64::from_be_bytes([0, 0, a, b, c, d, e, f]), &numbers)
    }

    /// Encodes the binary form: 12 to 68 bytes (MS-DTYP 2.4.2.2).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![REVISION, self.count];
        bytes.extend(self.authority.to_be_bytes().iter().skip(2));
        bytes.extend(self.sub_authorities().iter().flat_map(|number| number.to_le_bytes()));
        bytes
    }

    /// Returns the identifier authority, such as 5 for NT.
    #[must_use]
    pub fn authority(&self) -> u64 {
        self.authority
    }

    /// Returns the sub-authorities: 1 to 15 numbers.
    #[must_use]
    pub fn sub_authorities(&self) -> &[u32] {
        self.sub_authorities.get(..self.count.into()).unwrap_or_default()
    }

    /// Returns the machine or domain of a user or group: `S-1-5-21-a-b-c` of `S-1-5-21-a-b-c-RID`.
    #[must_use]
    pub fn domain(&self) -> Option<DomainSid> {
        match (self.authority, self.sub_authorities()) {
            (NT, &[21, a, b, c, _]) => Some(DomainSid::new([a, b, c])),
            _ => None,
        }
    }

    /// Returns the two-letter SDDL alias, if there is one.
    #[must_use]
    pub fn alias(&self) -> Option<&'static str> {
        well_known::ALIASES.iter().find(|known| known.sid == *self).map(|known| known.alias)
    }

    /// Returns the name that Windows shows, if it is the same on all machines.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        well_known::ALIASES.iter().find(|known| known.sid == *self).map(|known| known.name)
    }

    /// Returns a value that prints as `S-1-...`, even if there is an alias.
    #[must_use]
    pub fn numeric(&self) -> impl fmt::Display + use<> {
        Numeric(*self)
    }

    const fn one(authority: u64, first: u32) -> Self {
        let sub_authorities = [first, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        Self { authority, count: 1, sub_authorities }
    }

    pub(crate) const fn two(authority: u64, first: u32, second: u32) -> Self {
        let sub_authorities = [first, second, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        Self { authority, count: 2, sub_authorities }
    }

    /// Parses `S-1-...`, up to the first character that cannot belong to it.
    pub(crate) fn read_numeric(cursor: &mut Cursor<'_>) -> Result<Self, SddlError> {
        cursor.require("S-1-", "S-1-")?;
        let authority = read_authority(cursor)?;
        let mut numbers = Vec::new();
        while cursor.eat("-") {
            if numbers.len() == MAX_SUB_AUTHORITIES {
                return Err(SddlError::SubAuthorityCount { count: MAX_SUB_AUTHORITIES + 1 });
            }
            numbers.push(read_decimal(cursor)?);
        }
        Self::new(authority, &numbers)
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.alias() {
            Some(alias) => formatter.write_str(alias),
            None => self.numeric().fmt(formatter),
        }
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sid({})", self.numeric())
    }
}

struct Numeric(Sid);

impl fmt::Display for Numeric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u32::try_from(self.0.authority) {
            Ok(authority) => write!(formatter, "S-1-{authority}")?,
            Err(_) => write!(formatter, "S-1-{:#014x}", self.0.authority)?,
        }
        self.0.sub_authorities().iter().try_for_each(|number| write!(formatter, "-{number}"))
    }
}

/// Parses up to 10 decimal digits below 2³², or `0x` and exactly 12 hexadecimal digits (MS-DTYP 2.4.2.1).
fn read_authority(cursor: &mut Cursor<'_>) -> Result<u64, SddlError> {
    if !cursor.eat("0x") {
        return read_decimal(cursor).map(u64::from);
    }
    let start = cursor.at();
    let digits = cursor.take_while(|character| character.is_ascii_hexdigit());
    match u64::from_str_radix(digits, 16) {
        Ok(authority) if digits.len() == 12 => Ok(authority),
        _ if digits.len() > 12 => Err(SddlError::NumberTooLarge { at: start, max: (1 << 48) - 1 }),
        _ => Err(cursor.expected("12 hexadecimal digits of an identifier authority")),
    }
}

fn read_decimal(cursor: &mut Cursor<'_>) -> Result<u32, SddlError> {
    let at = cursor.at();
    let digits = cursor.take_while(|character| character.is_ascii_digit());
    if digits.is_empty() {
        return Err(cursor.expected("decimal digits"));
    }
    let too_large = SddlError::NumberTooLarge { at, max: u32::MAX.into() };
    if digits.len() > 10 {
        return Err(too_large);
    }
    digits.parse().map_err(|_| too_large)
}

const REVISION: u8 = 1;

/// Identifier authority of Windows (NT).
const NT: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_with_an_alias_prints_as_the_alias() {
        assert_eq!(Sid::parse("S-1-5-32-544").unwrap().to_string(), "BA");
        assert_eq!(Sid::parse("BA").unwrap().numeric().to_string(), "S-1-5-32-544");
        assert_eq!(Sid::parse("S-1-5-32-999").unwrap().to_string(), "S-1-5-32-999");
    }

    #[test]
    fn an_authority_above_32_bits_is_hexadecimal() {
        let sid = Sid::parse("S-1-0xA123456789ab-7").unwrap();
        assert_eq!(sid.authority(), 0xa123_4567_89ab);
        assert_eq!(sid.to_string(), "S-1-0xa123456789ab-7");
        assert_eq!(Sid::parse("S-1-0x000000000005-18").unwrap(), well_known::LOCAL_SYSTEM);
        assert!(matches!(Sid::parse("S-1-4294967296-1"), Err(SddlError::NumberTooLarge { at: 4, .. })));
        assert!(matches!(Sid::parse("S-1-0x5-18"), Err(SddlError::Expected { at: 7, .. })));
        assert!(matches!(Sid::parse("S-1-0x0000000000005-18"), Err(SddlError::NumberTooLarge { at: 6, .. })));
    }

    /// Returns a SID with this number of subauthorities.
    fn text(count: usize) -> String {
        format!("S-1-5{}", "-1".repeat(count))
    }

    fn bytes(count: u8) -> Vec<u8> {
        [vec![1, count, 0, 0, 0, 0, 0, 5], vec![0; 4 * usize::from(count)]].concat()
    }

    #[test]
    fn a_sid_has_one_to_fifteen_sub_authorities() {
        assert_eq!(Sid::parse(&text(0)), Err(SddlError::SubAuthorityCount { count: 0 }));
        assert_eq!(Sid::parse(&text(15)).unwrap().to_string(), text(15));
        assert_eq!(Sid::parse(&text(16)), Err(SddlError::SubAuthorityCount { count: 16 }));
        assert_eq!(Sid::new(5, &[0; 300]), Err(SddlError::SubAuthorityCount { count: 300 }));
    }

    #[test]
    fn a_sub_authority_is_a_decimal_number_of_32_bits() {
        assert_eq!(Sid::parse("S-1-5-4294967295").unwrap().sub_authorities(), [u32::MAX]);
        assert!(matches!(Sid::parse("S-1-5-4294967296"), Err(SddlError::NumberTooLarge { at: 6, .. })));
        assert!(matches!(Sid::parse("S-1-5-00000000001"), Err(SddlError::NumberTooLarge { at: 6, .. })));
        for text in
            ["S-1-5-", "S-1-5--1", "S-1-5-+1", "S-1-5- 1", "S-1-5-1 ", "S-1--1", "S-1", "S-2-5-1", "s-1-5-18"]
        {
            assert!(matches!(Sid::parse(text), Err(SddlError::Expected { .. })), "{text}");
        }
    }

    #[test]
    fn the_binary_form_of_administrators_is_that_of_windows() {
        let bytes = [1, 2, 0, 0, 0, 0, 0, 5, 0x20, 0, 0, 0, 0x20, 2, 0, 0];
        assert_eq!(well_known::ADMINISTRATORS.encode(), bytes);
        assert_eq!(Sid::decode(&bytes).unwrap(), well_known::ADMINISTRATORS);
    }

    #[test]
    fn the_authority_of_the_binary_form_is_big_endian() {
        let sid = Sid::new(0x0102_0304_0506, &[0x0a0b_0c0d]).unwrap();
        assert_eq!(sid.encode(), [1, 1, 1, 2, 3, 4, 5, 6, 0x0d, 0x0c, 0x0b, 0x0a]);
        assert_eq!(Sid::decode(&sid.encode()).unwrap(), sid);
    }

    #[test]
    fn a_binary_sid_has_one_to_fifteen_sub_authorities() {
        assert_eq!(Sid::decode(&bytes(0)), Err(SddlError::SubAuthorityCount { count: 0 }));
        assert!(Sid::decode(&bytes(15)).is_ok());
        assert_eq!(Sid::decode(&bytes(16)), Err(SddlError::SubAuthorityCount { count: 16 }));
    }

    #[test]
    fn a_binary_sid_cut_or_extended_anywhere_is_refused() {
        let whole = well_known::ADMINISTRATORS.encode();
        for length in 0..whole.len() {
            let cut = whole.get(..length).unwrap();
            assert!(matches!(Sid::decode(cut), Err(SddlError::SidLength { .. })), "{length}");
        }
        for extra in 1..9 {
            let extended = [whole.clone(), vec![0; extra]].concat();
            assert!(
                matches!(Sid::decode(&extended), Err(SddlError::SidLength { expected: 16, .. })),
                "{extra}"
            );
        }
    }
}
