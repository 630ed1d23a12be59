use std::fmt;

use crate::{
    SddlError,
    bits::bit_set,
    cursor::{Cursor, parse_all},
};

bit_set! {
    /// A set of rights (MS-DTYP 2.4.3).
    ///
    /// Prints as SDDL: two-letter words in ascending order of their bits (`GXGW`); the word of a set of file
    /// or registry key rights if the mask equals that set (`FA`); or hexadecimal digits if a bit has no word.
    AccessMask(u32) {
        /// `CC`: create child; in WMI "enable account".
        CREATE_CHILD = 0x0000_0001 "CC",
        /// `DC`: delete child; in WMI "execute methods".
        DELETE_CHILD = 0x0000_0002 "DC",
        /// `LC`: list children; in WMI "full write".
        LIST_CHILDREN = 0x0000_0004 "LC",
        /// `SW`: self write; in WMI "partial write".
        SELF_WRITE = 0x0000_0008 "SW",
        /// `RP`: read property; in WMI "provider write".
        READ_PROPERTY = 0x0000_0010 "RP",
        /// `WP`: write property; in WMI "remote enable".
        WRITE_PROPERTY = 0x0000_0020 "WP",
        /// `DT`: delete tree; in WMI "subscribe".
        DELETE_TREE = 0x0000_0040 "DT",
        /// `LO`: list object; in WMI "publish".
        LIST_OBJECT = 0x0000_0080 "LO",
        /// `SD`: delete the object.
        DELETE = 0x0001_0000 "SD",
        /// `RC`: read the security descriptor.
        READ_CONTROL = 0x0002_0000 "RC",
        /// `WD`: change the DACL.
        WRITE_DAC = 0x0004_0000 "WD",
        /// `WO`: change the owner.
        WRITE_OWNER = 0x0008_0000 "WO",
        /// `GA`: all rights. See [`AccessMask::mapped`].
        GENERIC_ALL = 0x1000_0000 "GA",
        /// `GX`: shells, methods and custom actions (MS-WSMV 3.1.4.1.28).
        GENERIC_EXECUTE = 0x2000_0000 "GX",
        /// `GW`: Put, Create and Delete (MS-WSMV 3.1.4.1.28).
        GENERIC_WRITE = 0x4000_0000 "GW",
        /// `GR`: Get, Enumerate, Subscribe and what belongs to them (MS-WSMV 3.1.4.1.28).
        GENERIC_READ = 0x8000_0000 "GR",
    }
}

impl AccessMask {
    /// Expansion of `GA`: `GR`, `GW`, `GX` and the four standard rights.
    const FULL: Self = Self::GENERIC_READ
        .union(Self::GENERIC_WRITE)
        .union(Self::GENERIC_EXECUTE)
        .union(Self::DELETE)
        .union(Self::READ_CONTROL)
        .union(Self::WRITE_DAC)
        .union(Self::WRITE_OWNER);

    /// Words for sets of rights on files and registry keys (MS-DTYP 2.5.1.1).
    const SETS: &'static [(&'static str, Self)] = &[
        ("FA", Self(0x001f_01ff)),
        ("FR", Self(0x0012_0089)),
        ("FW", Self(0x0012_0116)),
        ("FX", Self(0x0012_00a0)),
        ("KA", Self(0x000f_003f)),
        ("KR", Self(0x0002_0019)),
        ("KW", Self(0x0002_0006)),
        ("KX", Self(0x0002_0019)),
    ];

    /// Parses two-letter words in any order (`GWGX` equals `GXGW`), or `0x` and 1 to 8 hexadecimal digits.
    /// `FA`, `FR`, `FW` and `FX` are sets of file rights; the same words with `K` are sets of registry key
    /// rights.
    ///
    /// Empty text is the empty mask.
    ///
    /// # Errors
    /// [`SddlError::UnknownRight`], [`SddlError::Expected`] or [`SddlError::NumberTooLarge`].
    pub fn parse(text: &str) -> Result<Self, SddlError> {
        parse_all(text, |cursor| {
            let mask = Self::read(cursor)?;
            if cursor.rest().is_empty() { Ok(mask) } else { Err(Self::unknown(cursor)) }
        })
    }

    /// Returns the mask with these bits; every combination is valid.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Returns the mask that an access check compares: `GA` replaced by `GR`, `GW`, `GX` and the standard
    /// rights.
    ///
    /// The specific bits `CC` to `LO` are not part of `GA` here.
    #[must_use]
    pub const fn mapped(self) -> Self {
        if self.contains(Self::GENERIC_ALL) {
            self.without(Self::GENERIC_ALL).union(Self::FULL)
        } else {
            self
        }
    }

    /// Returns the mask with `GA` in place of all rights that it expands to; the inverse of
    /// [`AccessMask::mapped`].
    #[must_use]
    pub const fn collapsed(self) -> Self {
        if self.contains(Self::FULL) { self.without(Self::FULL).union(Self::GENERIC_ALL) } else { self }
    }

    /// Parses the rights field of an ACE, up to and including its semicolon.
    pub(crate) fn read_field(cursor: &mut Cursor<'_>) -> Result<Self, SddlError> {
        let mask = Self::read(cursor)?;
        if cursor.eat(";") { Ok(mask) } else { Err(Self::unknown(cursor)) }
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, SddlError> {
        if !cursor.eat("0x") {
            let mut mask = Self::NONE;
            loop {
                let more = cursor.words(mask, Self::WORDS);
                match Self::SETS.iter().find(|(word, _)| cursor.eat(word)) {
                    Some((_, set)) => mask = more.union(*set),
                    None => return Ok(more),
                }
            }
        }
        let at = cursor.at();
        let digits = cursor.take_while(|character| character.is_ascii_hexdigit());
        if digits.is_empty() {
            return Err(cursor.expected("hexadecimal digits"));
        }
        let too_large = SddlError::NumberTooLarge { at, max: u32::MAX.into() };
        if digits.len() > 8 {
            return Err(too_large);
        }
        u32::from_str_radix(digits, 16).map(Self).map_err(|_| too_large)
    }

    fn unknown(cursor: &Cursor<'_>) -> SddlError {
        // If the field ends here, it has no unknown word; its delimiter is missing.
        if cursor.rest().is_empty() || cursor.starts_with(")") {
            return cursor.expected("a semicolon after the rights");
        }
        SddlError::UnknownRight { at: cursor.at(), found: cursor.excerpt() }
    }
}

impl fmt::Display for AccessMask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::WORDS.iter().fold(Self::NONE, |all, (_, bit)| all | *bit);
        if !named.contains(*self) {
            if let Some((word, _)) = Self::SETS.iter().find(|(_, set)| set == self) {
                return formatter.write_str(word);
            }
            return write!(formatter, "{:#x}", self.0);
        }
        self.words().try_for_each(|word| formatter.write_str(word))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_printed_in_ascending_order_of_their_bits() {
        let all = AccessMask::WORDS.iter().fold(AccessMask::NONE, |all, (_, bit)| all | *bit);
        assert_eq!(all.to_string(), "CCDCLCSWRPWPDTLOSDRCWDWOGAGXGWGR");
        assert_eq!(AccessMask::parse("GRGX").unwrap().to_string(), "GXGR");
    }

    #[test]
    fn hexadecimal_rights_are_printed_by_name_when_every_bit_has_one() {
        assert_eq!(AccessMask::parse("0x60000000").unwrap().to_string(), "GXGW");
        assert_eq!(AccessMask::parse("0x1F01fe").unwrap().to_string(), "0x1f01fe");
        assert_eq!(AccessMask::parse("0x0").unwrap().to_string(), "");
    }

    #[test]
    fn rights_of_files_have_words_for_what_belongs_together() {
        for (word, bits) in [("FA", 0x1f_01ff), ("FR", 0x12_0089), ("FW", 0x12_0116), ("FX", 0x12_00a0)] {
            let mask = AccessMask::parse(word).unwrap();
            assert_eq!((mask.bits(), mask.to_string().as_str()), (bits, word));
        }
        assert_eq!(AccessMask::parse("FRFXSD").unwrap().bits(), 0x13_00a9);
        assert_eq!(AccessMask::parse("KRSD").unwrap().to_string(), "CCSWRPSDRC");
    }

    #[test]
    fn words_and_hexadecimal_digits_do_not_mix() {
        assert!(matches!(AccessMask::parse("GA0x1"), Err(SddlError::UnknownRight { at: 2, .. })));
        assert!(matches!(AccessMask::parse("0x1GA"), Err(SddlError::UnknownRight { at: 3, .. })));
    }

    #[test]
    fn nine_hexadecimal_digits_are_too_large_even_with_leading_zeros() {
        assert!(AccessMask::parse("0xffffffff").is_ok());
        assert!(matches!(AccessMask::parse("0x000000001"), Err(SddlError::NumberTooLarge { at: 2, .. })));
    }

    #[test]
    fn generic_all_stands_for_the_other_generic_and_the_standard_rights() {
        assert_eq!(AccessMask::GENERIC_ALL.mapped().to_string(), "SDRCWDWOGXGWGR");
        assert_eq!(AccessMask::GENERIC_ALL.mapped().collapsed(), AccessMask::GENERIC_ALL);
        let without_delete = AccessMask::GENERIC_ALL.mapped().without(AccessMask::DELETE);
        assert_eq!(without_delete.collapsed(), without_delete);
    }
}
