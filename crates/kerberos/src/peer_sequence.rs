//! Sequence numbers of the peer's messages.

use auth::SealError;

use crate::flag;
use crate::message_token::MessageToken;

/// Expected sequence number of the peer.
///
/// The library checks the sequence only for clients that request it, and not all do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerSequence {
    /// Unknown until the peer's first message.
    Unknown,
    /// Sequence number of the next message.
    Next(u64),
}

impl PeerSequence {
    /// Checks that a message is the next one, and advances. The number is not yet authenticated; if it is forged,
    /// opening the message fails and invalidates the context.
    pub(crate) fn check(&mut self, sequence: u64) -> Result<(), SealError> {
        if *self != Self::Unknown && *self != Self::Next(sequence) {
            tracing::debug!(sequence, expected = ?self, "Rejected an out-of-sequence message");
            return Err(SealError::Forged);
        }
        *self = Self::Next(sequence.wrapping_add(1));
        Ok(())
    }

    /// Checks a message that the library opens, like [`check`](Self::check).
    pub(crate) fn check_token(&mut self, token: Option<MessageToken>, flags: u32) -> Result<(), SealError> {
        match token {
            Some(MessageToken { sequence, .. }) => self.check(sequence),
            // The older formats hide the number, so only the library can check it.
            None if flags & flag::SEQUENCE == 0 => Err(SealError::Forged),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message_token::Form;

    fn token(sequence: u64) -> Option<MessageToken> {
        Some(MessageToken { form: Form::Signed, sequence })
    }

    #[test]
    fn messages_are_accepted_in_sequence_only() {
        for (numbers, expected) in [
            (vec![7, 8, 9], Ok(())),
            (vec![u64::MAX, 0, 1], Ok(())),
            (vec![7, 7], Err(SealError::Forged)),
            (vec![7, 9], Err(SealError::Forged)),
            (vec![7, 8, 7], Err(SealError::Forged)),
            (vec![7, 6], Err(SealError::Forged)),
        ] {
            let mut sequence = PeerSequence::Unknown;
            let outcome = numbers.iter().try_for_each(|number| sequence.check_token(token(*number), 0));
            assert_eq!(outcome, expected, "{numbers:?}");
        }
    }

    #[test]
    fn without_a_readable_number_the_library_must_check() {
        assert_eq!(PeerSequence::Unknown.check_token(None, 0), Err(SealError::Forged));
        assert_eq!(PeerSequence::Unknown.check_token(None, flag::SEQUENCE), Ok(()));
    }
}
