//! SPNEGO: negotiation of a mechanism (RFC 4178, MS-SPNG).
//!
//! An [`Acceptor`] selects the first mechanism of the client's list that it supports; an [`Initiator`] offers a list
//! and sends the first token of its first mechanism at once. To prevent an attacker from removing strong mechanisms
//! from the list, each end signs the list it saw with the negotiated mechanism: the `mechListMIC`.

mod acceptor;
mod initiator;
mod token;

pub use acceptor::{Acceptor, Mechanism};
pub use initiator::{Initiator, Offer};
pub use token::{MechTypeList, NegHints, NegState, NegTokenInit, NegTokenResp};

pub(crate) use token::initial_token;

use crate::{AuthError, MechListMic, SecurityContext};

/// Whether the list of mechanisms must be signed, apart from the requirements of the mechanism itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signing {
    /// Required: the mechanism is not the first of the list, or the other end requested it (RFC 4178 5).
    Required,
    /// Required only if the mechanism demands it.
    AsMechanismRequires,
}

impl Signing {
    fn is_required(self, context: &dyn SecurityContext) -> bool {
        self == Self::Required || context.mech_list_mic() == MechListMic::Required
    }
}

/// Maximum number of tokens in one negotiation.
const MAX_STEPS: u8 = 10;

/// Maximum length of a token in bytes: Kerberos tokens carry up to 48 KiB of group memberships.
pub(crate) const MAX_TOKEN: usize = 64 * 1024;

const NO_MIC: AuthError = AuthError::Downgraded("mechListMIC, the signature over the mechanism list");
const TOO_MANY_STEPS: AuthError = AuthError::Malformed("too many tokens");
const AFTER_END: AuthError = AuthError::Malformed("token after the end of the exchange");
