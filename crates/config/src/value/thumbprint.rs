use std::fmt;

use super::{Kind, Value, malformed};
use crate::Reason;

/// The SHA-1 hash of a certificate, which names it and proves nothing.
///
/// Printed as 40 upper-case hexadecimal digits; read also in lower case and with spaces, as dialogs show it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint(pub [u8; 20]);

impl Thumbprint {
    /// Reads 40 hexadecimal digits, ignoring white space between them.
    ///
    /// # Errors
    /// [`Reason::Malformed`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let wrong = || malformed(text, "40 hexadecimal digits");
        let mut octets = [0; 20];
        let mut digits = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16));
        for octet in &mut octets {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return Err(wrong());
            };
            *octet = u8::try_from(high * 16 + low).map_err(|_| wrong())?;
        }
        if digits.next().is_some() { Err(wrong()) } else { Ok(Self(octets)) }
    }
}

/// No text means no certificate.
impl Value for Option<Thumbprint> {
    const KIND: Kind = Kind::Text { expected: "40 hexadecimal digits, or nothing" };

    fn parse(text: &str) -> Result<Self, Reason> {
        if text.trim().is_empty() { Ok(None) } else { Thumbprint::parse(text).map(Some) }
    }

    fn show(&self) -> String {
        self.map(|thumbprint| thumbprint.to_string()).unwrap_or_default()
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
#[allow(clippy::unwrap_used)]
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
