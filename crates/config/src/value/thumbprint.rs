use std::borrow::Cow;
use std::fmt;

use super::{Kind, Value, malformed};
use crate::Reason;

/// SHA-1 hash of a certificate. It identifies the certificate and is not used to verify it.
///
/// Printed as 40 upper-case hexadecimal digits. Lower case and white space are accepted, as Windows dialogs show
/// them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint(pub [u8; 20]);

impl Thumbprint {
    /// Parses 40 hexadecimal digits; white space between them is ignored.
    ///
    /// # Errors
    /// [`Reason::Malformed`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::parse_digits(text).ok_or_else(|| malformed(text, "40 hexadecimal digits"))
    }

    fn parse_digits(text: &str) -> Option<Self> {
        let mut octets = [0; 20];
        let mut digits = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16));
        for octet in &mut octets {
            let (Some(high), Some(low)) = (digits.next()?, digits.next()?) else { return None };
            *octet = u8::try_from(high * 16 + low).ok()?;
        }
        digits.next().is_none().then_some(Self(octets))
    }
}

/// An empty text means no certificate.
impl Value for Option<Thumbprint> {
    const KIND: Kind = Kind::Text { expected: "40 hexadecimal digits, or nothing" };

    fn parse(text: &str) -> Result<Self, Reason> {
        if text.trim().is_empty() { Ok(None) } else { Thumbprint::parse(text).map(Some) }
    }

    fn show(&self) -> Cow<'_, str> {
        self.map(|thumbprint| thumbprint.to_string()).unwrap_or_default().into()
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(formatter, "{octet:02X}"))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_read_as_dialogs_show_it_and_printed_in_upper_case() {
        let shown = "00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff 01 02 03 fE";
        let thumbprint = Thumbprint::parse(shown).unwrap();
        assert_eq!(thumbprint.to_string(), "00112233445566778899AABBCCDDEEFF010203FE");
        for wrong in
            ["", "0011", "g0112233445566778899AABBCCDDEEFF010203FE", &"0".repeat(41), &"0".repeat(39)]
        {
            assert!(Thumbprint::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
