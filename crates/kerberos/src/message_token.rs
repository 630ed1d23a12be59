//! Header of a protected message, which is readable before the message is opened (RFC 4121 4.2.6).

/// First sixteen bytes of a sealed or signed message; older formats (RFC 1964, RFC 4757) have no such header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageToken {
    pub(crate) form: Form,
    /// Sequence number, shared by both kinds.
    pub(crate) sequence: u64,
}

/// Kind of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Sealed, with the trailer rotated to the front, so that header and message are separate.
    SealedInTwo,
    /// Sealed, without rotation.
    SealedWhole,
    /// Signed but readable.
    Signed,
}

impl MessageToken {
    /// Parses the header of a sealed message, or of a signature.
    ///
    /// Returns `None` for older formats and malformed headers, also if the announced lengths exceed the available
    /// bytes.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let (head, rest) = octets.split_first_chunk::<16>()?;
        let [id @ .., _, _, _, _, _, _, _, _] = head;
        let sequence = u64::from_be_bytes(*head.last_chunk()?);
        let form = match *id {
            [0x04, 0x04, _, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF] => Form::Signed,
            [0x05, 0x04, flags, 0xFF, extra_high, extra_low, rotation_high, rotation_low] => {
                let extra = usize::from(u16::from_be_bytes([extra_high, extra_low]));
                let rotation = usize::from(u16::from_be_bytes([rotation_high, rotation_low]));
                if flags & SEALED == 0 || extra > rest.len() || rotation > rest.len() {
                    return None;
                }
                if rotation == 0 { Form::SealedWhole } else { Form::SealedInTwo }
            }
            _ => return None,
        };
        Some(Self { form, sequence })
    }
}

const SEALED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_determine_the_form() {
        use Form::{SealedInTwo, SealedWhole, Signed};
        let sealed = |flags: u8, extra: u8, rotation: u8| {
            let mut head = vec![5, 4, flags, 0xFF, 0, extra, 0, rotation, 0, 0, 0, 0, 0, 0, 1, 2];
            head.extend([0; 44]);
            head
        };
        let some = |form| Some(MessageToken { form, sequence: 258 });
        for (octets, expected) in [
            (sealed(7, 0, 28), some(SealedInTwo)),
            (sealed(6, 0, 44), some(SealedInTwo)),
            (sealed(6, 0, 0), some(SealedWhole)),
            (sealed(5, 0, 28), None),
            (sealed(7, 0, 45), None),
            (sealed(7, 45, 28), None),
            (vec![4, 4, 5, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 1, 2], some(Signed)),
            (vec![4, 4, 5, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 0, 0, 0, 0, 1, 2], None),
            (vec![0x60; 60], None),
            (vec![5; 15], None),
            (vec![], None),
        ] {
            assert_eq!(MessageToken::parse(&octets), expected, "{octets:?}");
        }
    }
}
