//! State of a machine, as its answer to Identify shows it.

use std::time::Duration;

use client::{Error, PresentedCertificate, Session};
use management::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::reason::{is_about_trust, reason};

/// State of a machine.
#[derive(Clone, Debug, Serialize)]
pub(super) struct State {
    pub(super) state: StateKind,
    /// Time since when the machine has this state.
    pub(super) since: String,
    /// Time of the last answer.
    pub(super) last_answer: Option<String>,
    /// Reason why the machine cannot be used.
    pub(super) reason: Option<String>,
    pub(super) product: Option<String>,
    pub(super) version: Option<String>,
    /// Certificate that the user may trust.
    pub(super) certificate: Option<Certificate>,
}

/// Kind of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StateKind {
    /// This session has no password for the machine, which may answer.
    NotConnected,
    Reachable,
    Unreachable,
    /// The certificate is not trusted. No password was sent.
    Untrusted,
    /// The machine rejects the user.
    Rejected,
}

/// Certificate that a machine has presented.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Certificate {
    names: Vec<String>,
    issuer: String,
    not_after: String,
    sha1: String,
    sha256: String,
}

impl State {
    pub(super) fn new(state: StateKind, reason: Option<String>) -> Self {
        let since = Timestamp::now().to_string();
        let last_answer = (state == StateKind::Reachable).then(|| since.clone());
        Self { state, since, last_answer, reason, product: None, version: None, certificate: None }
    }

    /// Asks a machine for its identity. Returns its state, and whether the password may be used again: a rejected one
    /// could lock the account.
    pub(super) async fn ask(session: &Session) -> (Self, bool) {
        let error = match tokio::time::timeout(IDENTIFY_TIME, session.identify()).await {
            Ok(Ok(answer)) => {
                let identity = answer.identity;
                let product = identity.product.unwrap_or(identity.product_vendor);
                let shown =
                    |text: &str| Some(text.chars().filter(|one| !one.is_control()).take(200).collect());
                let version = shown(&identity.product_version);
                let reachable = Self::new(StateKind::Reachable, None);
                return (Self { product: shown(&product), version, ..reachable }, true);
            }
            Ok(Err(error)) => error,
            Err(_) => return (Self::new(StateKind::Unreachable, Some(silent())), true),
        };
        let why = Some(reason(&error));
        if is_about_trust(&error) {
            let shown = tokio::time::timeout(IDENTIFY_TIME, session.handshake()).await;
            let certificate = shown.ok().and_then(Result::ok).and_then(|handshake| handshake.certificate);
            let certificate = certificate.map(|one| Certificate::of(&one));
            return (Self { certificate, ..Self::new(StateKind::Untrusted, why) }, false);
        }
        match error {
            Error::AuthenticationFailed { .. } | Error::SignIn { .. } | Error::Fault(_) => {
                (Self::new(StateKind::Rejected, why), false)
            }
            Error::Refused { .. } | Error::NoAllowedScheme { .. } => {
                (Self::new(StateKind::Rejected, why), false)
            }
            _ => (Self::new(StateKind::Unreachable, why), true),
        }
    }

    /// Asks a machine without credentials whether it answers.
    pub(super) async fn probe(session: &Session) -> Self {
        let answers = || {
            let last_answer = Some(Timestamp::now().to_string());
            Self { last_answer, ..Self::new(StateKind::NotConnected, None) }
        };
        match tokio::time::timeout(IDENTIFY_TIME, session.identify_anonymous()).await {
            Ok(Ok(_)) => answers(),
            Ok(Err(error)) if is_silence(&error) => Self::new(StateKind::Unreachable, Some(reason(&error))),
            // A certificate that is not trusted, or a service that does not answer without credentials.
            Ok(Err(_)) => answers(),
            Err(_) => Self::new(StateKind::Unreachable, Some(silent())),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Certificate {
    fn of(certificate: &PresentedCertificate) -> Self {
        Self {
            names: certificate.names.clone(),
            issuer: certificate.issuer.clone(),
            not_after: Timestamp::from(certificate.not_after).to_string(),
            sha1: certificate.thumbprint.to_string(),
            sha256: certificate.sha256.to_string(),
        }
    }
}

/// Returns whether no answer has arrived.
fn is_silence(error: &Error) -> bool {
    matches!(
        error,
        Error::NotResolved { .. }
            | Error::Connect { .. }
            | Error::ConnectTimedOut { .. }
            | Error::TimedOut { .. }
            | Error::Disconnected { .. }
    )
}

fn silent() -> String {
    format!("the machine did not answer in {} seconds", IDENTIFY_TIME.as_secs())
}

/// Time for a machine to answer Identify.
const IDENTIFY_TIME: Duration = Duration::from_secs(15);
