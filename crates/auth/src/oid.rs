//! Names of mechanisms (ITU-T X.690, 8.19).

use std::borrow::Cow;
use std::fmt;

use crate::AuthError;

/// An object identifier, as its octets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Oid(
    /// INVARIANT: whole numbers of base 128 without leading zeros, one at least, in [`MOST_OCTETS`](Self::MOST_OCTETS).
    Cow<'static, [u8]>,
);

impl Oid {
    /// SPNEGO itself: 1.3.6.1.5.5.2 (RFC 4178).
    pub const SPNEGO: Self = Self(Cow::Borrowed(b"\x2b\x06\x01\x05\x05\x02"));
    /// Kerberos 5: 1.2.840.113554.1.2.2 (RFC 4121).
    pub const KERBEROS: Self = Self(Cow::Borrowed(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"));
    /// Kerberos 5 under the number that lost a bit: 1.2.840.48018.1.2.2 (MS-SPNG 3.1.5.2).
    pub const MICROSOFT_KERBEROS: Self = Self(Cow::Borrowed(b"\x2a\x86\x48\x82\xf7\x12\x01\x02\x02"));
    /// NTLM: 1.3.6.1.4.1.311.2.2.10 (MS-NLMP).
    pub const NTLM: Self = Self(Cow::Borrowed(b"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a"));
    /// NEGOEX: 1.3.6.1.4.1.311.2.2.30 (MS-NEGOEX); nobody speaks it here, but Windows offers it.
    pub const NEGOEX: Self = Self(Cow::Borrowed(b"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x1e"));

    /// The longest one that is looked at.
    pub const MOST_OCTETS: usize = 64;

    /// Takes the content of the element, without its tag and length.
    ///
    /// # Errors
    /// [`AuthError::Malformed`].
    pub fn decode(content: &[u8]) -> Result<Self, AuthError> {
        let ends = |octet: &u8| octet & 0x80 == 0;
        let whole = content.last().is_some_and(ends);
        let padded = content.split_inclusive(ends).any(|number| number.first() == Some(&0x80));
        if !whole || padded || content.len() > Self::MOST_OCTETS {
            return Err(AuthError::Malformed("an object identifier is none"));
        }
        Ok(Self(Cow::Owned(content.to_vec())))
    }

    /// The content of the element, without its tag and length.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is Kerberos, under either of its names.
    #[must_use]
    pub fn is_kerberos(&self) -> bool {
        *self == Self::KERBEROS || *self == Self::MICROSOFT_KERBEROS
    }
}

/// The name of a mechanism that has one, else the numbers.
impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (oid, name) in [(Self::SPNEGO, "SPNEGO"), (Self::NTLM, "NTLM"), (Self::NEGOEX, "NEGOEX")] {
            if *self == oid {
                return f.write_str(name);
            }
        }
        if self.is_kerberos() {
            return f.write_str("Kerberos");
        }
        let mut numbers = self.0.split_inclusive(|octet| octet & 0x80 == 0).map(number);
        // The first number holds two: 40 times the first, which is at most 2, and the second.
        match numbers.next().flatten() {
            Some(both) => write!(f, "{}.{}", (both / 40).min(2), both - (both / 40).min(2) * 40)?,
            None => f.write_str("?")?,
        }
        for number in numbers {
            match number {
                Some(number) => write!(f, ".{number}")?,
                None => f.write_str(".?")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({self})")
    }
}

/// One number of base 128, or nothing when it is too large to be printed.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |sum, digit| sum.checked_mul(128)?.checked_add(u64::from(digit & 0x7f)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mechanisms_are_shown_by_name_and_others_by_number() {
        let shown = |octets: &[u8]| Oid::decode(octets).map(|oid| oid.to_string());
        assert_eq!(shown(Oid::NTLM.octets()).as_deref(), Ok("NTLM"));
        assert_eq!(shown(Oid::KERBEROS.octets()).as_deref(), Ok("Kerberos"));
        assert_eq!(shown(Oid::MICROSOFT_KERBEROS.octets()).as_deref(), Ok("Kerberos"));
        // Kerberos between users, and the example of X.690 8.19.5.
        assert_eq!(
            shown(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x03").as_deref(),
            Ok("1.2.840.113554.1.2.2.3")
        );
        assert_eq!(shown(b"\x88\x37\x03").as_deref(), Ok("2.999.3"));
        assert_eq!(shown(&[&[0x2a][..], &[0xff; 10], &[0x7f]].concat()).as_deref(), Ok("1.2.?"));
    }

    #[test]
    fn what_is_no_object_identifier_is_refused() {
        for octets in [&b""[..], b"\x2a\x86", b"\x2a\x80\x01", b"\x80\x01", &[1; 65]] {
            assert!(Oid::decode(octets).is_err(), "{octets:02x?}");
        }
        assert!(Oid::decode(&[1; 64]).is_ok());
    }
}
