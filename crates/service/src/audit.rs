//! Records of who tried what, for those who have to account for it.
//!
//! They are events of `tracing` with the target [`AUDIT`], so that the program decides where they go. Every record
//! has an `event` and an `outcome`; none has a secret.

use std::net::IpAddr;

use auth::{AuthError, Oid, Scheme};
use config::DescriptorOrigin;
use sddl::{AccessKind, AccessMask, Ace, Outcome, Verdict};
use wsman::Action;

use crate::access::Caller;

/// The target of audit records.
pub const AUDIT: &str = "audit";

/// What somebody asked for, and what decided about it.
pub(crate) struct Accessed<'a> {
    pub(crate) action: &'a Action,
    pub(crate) resource: &'a str,
    pub(crate) rights: AccessMask,
    /// Where the descriptor stands.
    pub(crate) decider: DescriptorOrigin<'a>,
    /// The entry of its DACL that decided, if one did.
    pub(crate) ace: Option<&'a Ace<AccessKind>>,
    pub(crate) verdict: Verdict,
}

/// Someone asked for something that is to be recorded.
pub(crate) fn access(caller: &Caller, accessed: &Accessed<'_>) {
    let Accessed { resource, rights, decider, ace, verdict, .. } = *accessed;
    let (account, sid, address) = (caller.identity().account(), caller.sid(), caller.address());
    let (scheme, mechanism, action) = (caller.identity().scheme(), mechanism(caller), accessed.action.uri());
    let ace = ace.map(ToString::to_string).unwrap_or_default();
    match Outcome::from(verdict) {
        Outcome::Granted => tracing::debug!(
            target: AUDIT, event = "access", outcome = "granted",
            %account, %sid, %address, %scheme, mechanism, %action, resource, %rights, %decider, ace,
            reason = %verdict,
            "Access granted"
        ),
        Outcome::Denied => tracing::warn!(
            target: AUDIT, event = "access", outcome = "denied",
            %account, %sid, %address, %scheme, mechanism, %action, resource, %rights, %decider, ace,
            reason = %verdict,
            "Access denied"
        ),
    }
}

/// Someone has proven who they are.
pub(crate) fn signed_in(caller: &Caller) {
    let (account, sid, address) = (caller.identity().account(), caller.sid(), caller.address());
    let (scheme, mechanism) = (caller.identity().scheme(), mechanism(caller));
    tracing::debug!(
        target: AUDIT, event = "sign-in", outcome = "granted", %account, %sid, %address, %scheme, mechanism,
        "Signed in"
    );
}

/// Someone was not let in. `account` is the name that was claimed, and empty where it did not come so far.
pub(crate) fn not_signed_in(
    address: IpAddr,
    account: &str,
    scheme: Scheme,
    mechanism: Option<&Oid>,
    error: AuthError,
) {
    let mechanism = mechanism.map(ToString::to_string);
    tracing::warn!(
        target: AUDIT, event = "sign-in", outcome = "denied", account, %address, %scheme, mechanism,
        reason = %error, "Sign-in failed"
    );
}

/// What the scheme was filled with; where it leaves no choice, the record has no such field.
fn mechanism(caller: &Caller) -> Option<String> {
    caller.identity().mechanism().map(ToString::to_string)
}
