//! Audit records of sign-ins and access checks.
//!
//! Records are `tracing` events with the target [`AUDIT`], so the program decides where they are written. Every
//! record has the fields `event` and `outcome`. No record contains a secret.

use std::net::IpAddr;

use auth::{AuthError, Identity, Oid, Scheme};
use config::DescriptorOrigin;
use sddl::{AccessKind, AccessMask, Ace, Outcome, Sid, Verdict};
use wsman::Action;

/// The target of audit records.
pub const AUDIT: &str = "audit";

/// The caller that a record is about.
pub(crate) struct Subject<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) sid: Sid,
    pub(crate) address: IpAddr,
}

/// Decision of the access check.
pub(crate) struct AccessDecision<'a> {
    pub(crate) action: &'a Action,
    pub(crate) resource: &'a str,
    /// Account that the resource runs as, if it is not the caller's.
    pub(crate) run_as: Option<&'a str>,
    pub(crate) rights: AccessMask,
    /// Origin of the security descriptor that decided.
    pub(crate) decider: DescriptorOrigin<'a>,
    /// The entry of its DACL that decided, if one did.
    pub(crate) ace: Option<&'a Ace<AccessKind>>,
    pub(crate) verdict: Verdict,
}

/// Records a decision of the access check.
pub(crate) fn access(subject: &Subject<'_>, decision: &AccessDecision<'_>) {
    let AccessDecision { resource, run_as, rights, decider, ace, verdict, .. } = *decision;
    let Subject { identity, sid, address } = *subject;
    let (account, scheme, mechanism) = (identity.account(), identity.scheme(), mechanism(identity));
    let action = decision.action.uri();
    let ace = ace.map(ToString::to_string).unwrap_or_default();
    match Outcome::from(verdict) {
        Outcome::Granted => tracing::debug!(
            target: AUDIT, event = "access", outcome = "granted",
            %account, %sid, %address, %scheme, mechanism, %action, resource, run_as, %rights, %decider, ace,
            reason = %verdict,
            "Access granted"
        ),
        Outcome::Denied => tracing::warn!(
            target: AUDIT, event = "access", outcome = "denied",
            %account, %sid, %address, %scheme, mechanism, %action, resource, run_as, %rights, %decider, ace,
            reason = %verdict,
            "Access denied"
        ),
    }
}

/// Records a successful sign-in.
pub(crate) fn signed_in(subject: &Subject<'_>) {
    let Subject { identity, sid, address } = *subject;
    let (account, scheme, mechanism) = (identity.account(), identity.scheme(), mechanism(identity));
    tracing::debug!(
        target: AUDIT, event = "sign-in", outcome = "granted", %account, %sid, %address, %scheme, mechanism,
        "Signed in"
    );
}

/// Records a failed sign-in.
///
/// `account` is the name that the client claimed; it is empty if the sign-in failed before the name was known.
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

/// Returns the mechanism that a scheme negotiated; `None` for schemes that have only one.
fn mechanism(identity: &Identity) -> Option<String> {
    identity.mechanism().map(ToString::to_string)
}
