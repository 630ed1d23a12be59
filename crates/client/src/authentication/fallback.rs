//! Search for another scheme after a failed sign-in.
//!
//! Only sessions without a requested scheme search. Each scheme is tried at most once, because a wrong password counts
//! towards the lock-out of its account. A failure that already proves the password wrong, or that may come from an
//! impersonated host, ends the search.

use std::collections::BTreeSet;

use auth::choice::{ClientScheme, Obstacle, Refusal};

use crate::error::{Error, OtherScheme, SignInCause};

/// Schemes that were tried for one request, and those that the service offers.
#[derive(Clone, Debug, Default)]
pub(crate) struct SchemeSearch {
    offered: Option<BTreeSet<ClientScheme>>,
    failed: BTreeSet<ClientScheme>,
    others: Vec<OtherScheme>,
    last: Option<OtherScheme>,
}

/// Consequence of a failed sign-in for the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setback {
    /// The service does not offer the scheme and has checked no credentials.
    NotOffered,
    /// The service has rejected the credentials.
    Rejected,
    /// The scheme cannot be used on this machine.
    Unusable,
}

impl Setback {
    /// Returns the consequence of an error, or `None` if no other scheme may be tried.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        match error {
            Error::AuthenticationFailed { offered, tried: Some(tried), .. } => {
                let is_offered =
                    offered.iter().any(|name| ClientScheme::from_challenge(name) == Some(*tried));
                Some(if is_offered { Self::Rejected } else { Self::NotOffered })
            }
            Error::SignIn {
                cause:
                    SignInCause::NoTicket
                    | SignInCause::TicketExpired
                    | SignInCause::ClockSkew
                    | SignInCause::UnknownUser
                    | SignInCause::UnknownService
                    | SignInCause::KdcUnreachable
                    | SignInCause::NoKerberos
                    | SignInCause::NoMechanism,
                ..
            } => Some(Self::Unusable),
            _ => None,
        }
    }
}

impl SchemeSearch {
    /// Records a failed attempt.
    pub(crate) fn record(&mut self, error: &Error, setback: Setback) {
        let (scheme, reason) = match error {
            Error::AuthenticationFailed { offered, tried: Some(tried), user, .. } => {
                self.offer(offered);
                let user = user.as_deref().unwrap_or("the user");
                let reason = match setback {
                    Setback::NotOffered => Obstacle::NotOffered.to_string(),
                    _ => format!("the service rejected {user}"),
                };
                (*tried, reason)
            }
            Error::SignIn { scheme, reason, .. } => {
                (*scheme, reason.lines().next().unwrap_or_default().to_owned())
            }
            _ => return,
        };
        self.failed.insert(scheme);
        // Both prove the same ticket or password.
        if setback != Setback::NotOffered && is_kerberos_or_ntlm(scheme) {
            self.failed.extend([ClientScheme::Kerberos, ClientScheme::Negotiate]);
        }
        self.others.extend(self.last.take());
        self.last = Some(OtherScheme::Tried { scheme, reason });
    }

    /// Records the names of the schemes that the service offers.
    pub(crate) fn offer(&mut self, names: &[String]) {
        self.offered = Some(names.iter().filter_map(|name| ClientScheme::from_challenge(name)).collect());
    }

    /// Records why no other scheme can be tried.
    pub(crate) fn end(&mut self, refusal: &Refusal) {
        let omitted = refusal.considered().iter().filter(|(scheme, obstacle)| {
            !self.failed.contains(scheme) && !matches!(obstacle, Obstacle::NotOffered | Obstacle::Failed)
        });
        let omitted =
            omitted.map(|(scheme, obstacle)| OtherScheme::Omitted { scheme: *scheme, obstacle: *obstacle });
        self.others.extend(omitted);
    }

    /// Schemes that the service offers, once known.
    pub(crate) fn offered(&self) -> Option<&BTreeSet<ClientScheme>> {
        self.offered.as_ref()
    }

    /// Schemes that must not be tried again.
    pub(crate) fn failed(&self) -> &BTreeSet<ClientScheme> {
        &self.failed
    }

    /// Returns the schemes that were tried before the one that was accepted.
    pub(crate) fn into_tried(self) -> Vec<OtherScheme> {
        self.others.into_iter().chain(self.last).collect()
    }

    /// Adds the other schemes to the error of the last attempt.
    pub(crate) fn explain(self, error: Error) -> Error {
        if self.others.is_empty() {
            return error;
        }
        match error {
            Error::AuthenticationFailed { offered, tried, user, .. } => {
                Error::AuthenticationFailed { offered, tried, user, others: self.others }
            }
            Error::SignIn { scheme, peer, cause, mut reason, ntlm } => {
                for other in &self.others {
                    reason.push_str(&format!("\n  {other}"));
                }
                Error::SignIn { scheme, peer, cause, reason, ntlm }
            }
            error => error,
        }
    }
}

fn is_kerberos_or_ntlm(scheme: ClientScheme) -> bool {
    matches!(scheme, ClientScheme::Kerberos | ClientScheme::Negotiate)
}

#[cfg(test)]
mod tests {
    use auth::choice::Ntlm;

    use super::*;

    fn rejected(offered: &[&str], tried: ClientScheme) -> Error {
        Error::AuthenticationFailed {
            offered: offered.iter().map(|name| (*name).to_owned()).collect(),
            tried: Some(tried),
            user: Some("ann".to_owned()),
            others: Vec::new(),
        }
    }

    fn failed(cause: SignInCause) -> Error {
        Error::SignIn {
            scheme: ClientScheme::Negotiate,
            peer: "node7:5986".to_owned(),
            cause,
            reason: "no KDC responds\n  check the network".to_owned(),
            ntlm: Ntlm::Allowed,
        }
    }

    #[test]
    fn a_verdict_on_the_password_and_an_unproven_host_end_the_search() {
        for cause in [
            SignInCause::WrongPassword,
            SignInCause::NotAllowed,
            SignInCause::ServiceUnproven,
            SignInCause::NotDelegated,
            SignInCause::Refused,
            SignInCause::Other,
        ] {
            assert_eq!(Setback::of(&failed(cause)), None, "{cause:?}");
        }
        assert_eq!(Setback::of(&failed(SignInCause::KdcUnreachable)), Some(Setback::Unusable));
        let negotiate = ClientScheme::Negotiate;
        assert_eq!(Setback::of(&rejected(&["Basic"], negotiate)), Some(Setback::NotOffered));
        assert_eq!(Setback::of(&rejected(&["negotiate"], negotiate)), Some(Setback::Rejected));
        assert_eq!(Setback::of(&Error::Http { status: 401 }), None);
    }

    #[test]
    fn kerberos_and_negotiate_are_not_tried_after_each_other_unless_not_offered() {
        let mut search = SchemeSearch::default();
        search.record(&rejected(&["Kerberos"], ClientScheme::Negotiate), Setback::NotOffered);
        assert!(!search.failed().contains(&ClientScheme::Kerberos));
        search.record(&failed(SignInCause::KdcUnreachable), Setback::Unusable);
        assert!(search.failed().contains(&ClientScheme::Kerberos));
        assert_eq!(search.offered(), Some(&[ClientScheme::Kerberos].into()));
        let texts: Vec<String> = search.into_tried().iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["Negotiate: not offered by the service", "Negotiate: no KDC responds"]);
    }
}
