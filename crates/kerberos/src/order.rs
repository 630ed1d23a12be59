//! The order of the other end's messages.

use auth::SealError;

use crate::flag;
use crate::message_token::MessageToken;

/// Where the other end is in its messages.
///
/// The library looks after their order only for a client that asks for it, and not all do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Its first message says where it begins.
    NotBegun,
    /// The number of its next message.
    Next(u64),
}

impl Order {
    /// Takes the next message, if it is that. Its number is not yet known to be that of its sender, but if it is
    /// not, opening the message fails, and the context with it.
    pub(crate) fn take_turn(&mut self, sequence: u64) -> Result<(), SealError> {
        if *self != Self::NotBegun && *self != Self::Next(sequence) {
            tracing::debug!(sequence, expected = ?self, "A message of the other end is out of turn");
            return Err(SealError::Forged);
        }
        *self = Self::Next(sequence.wrapping_add(1));
        Ok(())
    }

    /// As [`take_turn`](Self::take_turn), of a message that the library opens.
    pub(crate) fn admit(&mut self, token: Option<MessageToken>, flags: u32) -> Result<(), SealError> {
        match token {
            Some(MessageToken { sequence, .. }) => self.take_turn(sequence),
            // The older forms hide the number, so only the library can look.
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
    fn messages_are_taken_in_their_order_only() {
        for (numbers, expected) in [
            (vec![7, 8, 9], Ok(())),
            (vec![u64::MAX, 0, 1], Ok(())),
            (vec![7, 7], Err(SealError::Forged)),
            (vec![7, 9], Err(SealError::Forged)),
            (vec![7, 8, 7], Err(SealError::Forged)),
            (vec![7, 6], Err(SealError::Forged)),
        ] {
            let mut order = Order::NotBegun;
            let outcome = numbers.iter().try_for_each(|number| order.admit(token(*number), 0));
            assert_eq!(outcome, expected, "{numbers:?}");
        }
    }

    #[test]
    fn without_a_readable_number_the_library_must_look() {
        assert_eq!(Order::NotBegun.admit(None, 0), Err(SealError::Forged));
        assert_eq!(Order::NotBegun.admit(None, flag::SEQUENCE), Ok(()));
    }
}
