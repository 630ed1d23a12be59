//! SPNEGO: how both ends agree on a mechanism (RFC 4178, MS-SPNG).
//!
//! An [`Acceptor`] takes the first mechanism of the client's list that it has; an [`Initiator`] offers a list and
//! begins with the first at once. So that nobody between them strikes the better mechanisms from the list, each shows
//! the other what list it saw, signed by the mechanism itself: the `mechListMIC`.

mod acceptor;
mod initiator;
mod token;

pub use acceptor::{Acceptor, Mechanism};
pub use initiator::{Initiator, Offer};
pub use token::{MechTypeList, NegHints, NegState, NegTokenInit, NegTokenResp};

pub(crate) use token::initial_token;

use crate::{AuthError, MechListMic, SecurityContext};

/// Whether the list of mechanisms must be signed, before the mechanism has its say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signing {
    /// Because the mechanism is not the first of the list, or the other end asked for it.
    Demanded,
    /// As the mechanism wants it.
    LeftToMechanism,
}

impl Signing {
    fn demanded_over(self, context: &dyn SecurityContext) -> bool {
        self == Self::Demanded || context.mech_list_mic() == MechListMic::Required
    }
}

/// What an exchange takes at most, though the mechanisms may be in endless conversation.
const MOST_STEPS: u8 = 10;

/// The largest token that is looked at: those of Kerberos carry up to 48 KiB of group memberships.
pub(crate) const MOST_OCTETS: usize = 64 * 1024;

const NO_MIC: AuthError = AuthError::Downgraded("a signature over the list of mechanisms");
const TOO_MANY_STEPS: AuthError = AuthError::Malformed("one token too many");
const AFTER_THE_END: AuthError = AuthError::Malformed("it comes after the end");
