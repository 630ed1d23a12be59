//! What can be read of a protected message before it is opened (RFC 4121 4.2.6).

/// The first sixteen octets of a sealed or signed message; of older forms (RFC 1964, RFC 4757) there is no such thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageToken {
    pub(crate) form: Form,
    /// The number in the order of sending, which both kinds share.
    pub(crate) sequence: u64,
}

/// What kind of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Sealed, with the trailer turned to the front, so that header and message can be told apart.
    SealedInTwo,
    /// Sealed, with everything in its place.
    SealedWhole,
    /// Whole, but readable.
    Signed,
}

impl MessageToken {
    /// Reads the head of what stands before a sealed message, or of a signature.
    ///
    /// None for what is of an older form or of no form at all; whatever claims to be one of these and counts on
    /// octets that are not there is none either.
    pub(crate) fn parse(octets: &[u8]) -> Option<Self> {
        let (head, rest) = octets.split_first_chunk::<16>()?;
        let [id @ .., _, _, _, _, _, _, _, _] = head;
        let sequence = u64::from_be_bytes(*head.last_chunk()?);
        let form = match *id {
            [0x04, 0x04, _, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF] => Form::Signed,
            [0x05, 0x04, flags, 0xFF, extra_high, extra_low, turn_high, turn_low] => {
                let extra = usize::from(u16::from_be_bytes([extra_high, extra_low]));
                let turn = usize::from(u16::from_be_bytes([turn_high, turn_low]));
                if flags & SEALED == 0 || extra > rest.len() || turn > rest.len() {
                    return None;
                }
                if turn == 0 { Form::SealedWhole } else { Form::SealedInTwo }
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
    fn the_forms_are_told_apart_by_their_first_octets() {
        use Form::{SealedInTwo, SealedWhole, Signed};
        let sealed = |flags: u8, extra: u8, turn: u8| {
            let mut head = vec![5, 4, flags, 0xFF, 0, extra, 0, turn, 0, 0, 0, 0, 0, 0, 1, 2];
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
