//! Object identifiers of mechanisms (ITU-T X.690 8.19).

use std::borrow::Cow;
use std::fmt;

use crate::AuthError;

/// An object identifier in its DER encoding.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Oid(
    /// INVARIANT: complete base-128 numbers without leading zeros, at least one, at most
    /// [`MAX_LENGTH`](Self::MAX_LENGTH) bytes.
    Cow<'static, [u8]>,
);

impl Oid {
    /// SPNEGO: 1.3.6.1.5.5.2 (RFC 4178).
    pub const SPNEGO: Self = Self(Cow::Borrowed(b"\x2b\x06\x01\x05\x05\x02"));
    /// Kerberos 5: 1.2.840.113554.1.2.2 (RFC 4121).
    pub const KERBEROS: Self = Self(Cow::Borrowed(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"));
    /// Kerberos 5 with the OID of early Windows versions, truncated by a bit: 1.2.840.48018.1.2.2 (MS-SPNG 3.1.5.2).
    pub const MICROSOFT_KERBEROS: Self = Self(Cow::Borrowed(b"\x2a\x86\x48\x82\xf7\x12\x01\x02\x02"));
    /// NTLM: 1.3.6.1.4.1.311.2.2.10 (MS-NLMP).
    pub const NTLM: Self = Self(Cow::Borrowed(b"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a"));
    /// NEGOEX: 1.3.6.1.4.1.311.2.2.30 (MS-NEGOEX). Windows offers it; it is not supported here.
    pub const NEGOEX: Self = Self(Cow::Borrowed(b"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x1e"));

    /// Maximum length in bytes.
    pub const MAX_LENGTH: usize = 64;

    /// Takes the content of the element, without tag and length.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] if it is not a valid object identifier or too long.
    pub fn decode(content: &[u8]) -> Result<Self, AuthError> {
        let whole = content.last().is_some_and(ends_number);
        let padded = content.split_inclusive(ends_number).any(|number| number.first() == Some(&0x80));
        if !whole || padded || content.len() > Self::MAX_LENGTH {
            return Err(AuthError::Malformed("invalid object identifier"));
        }
        Ok(Self(Cow::Owned(content.to_vec())))
    }

    /// Content of the element, without tag and length.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Returns `true` for both OIDs of Kerberos.
    #[must_use]
    pub fn is_kerberos(&self) -> bool {
        *self == Self::KERBEROS || *self == Self::MICROSOFT_KERBEROS
    }
}

/// Formats the name of a known mechanism, otherwise the dotted numbers.
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
        let mut numbers = self.0.split_inclusive(ends_number).map(number);
        // The first number encodes two: 40 times the first component, which is at most 2, plus the second.
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

fn ends_number(octet: &u8) -> bool {
    octet & 0x80 == 0
}

/// Decodes a base-128 number; `None` if it does not fit into 64 bits.
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
        // Kerberos user-to-user, and the example of X.690 8.19.5.
        assert_eq!(
            shown(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x03").as_deref(),
            Ok("1.2.840.113554.1.2.2.3")
        );
        assert_eq!(shown(b"\x88\x37\x03").as_deref(), Ok("2.999.3"));
        assert_eq!(shown(&[&[0x2a][..], &[0xff; 10], &[0x7f]].concat()).as_deref(), Ok("1.2.?"));
    }

    #[test]
    fn invalid_object_identifiers_are_rejected() {
        for octets in [&b""[..], b"\x2a\x86", b"\x2a\x80\x01", b"\x80\x01", &[1; 65]] {
            assert!(Oid::decode(octets).is_err(), "{octets:02x?}");
        }
        assert!(Oid::decode(&[1; 64]).is_ok());
    }
}
