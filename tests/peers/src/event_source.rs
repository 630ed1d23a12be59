//! An event source in Python that signs in with pyspnego.

use serde_json::json;

use crate::python::Login;
use crate::way_in::WayIn;

/// Response to a message of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceAnswer {
    /// HTTP status.
    pub status: u16,
    /// Envelope without encryption; empty without a body.
    pub text: String,
}

/// Enumerates the subscriptions at a collector with the tickets of this process, sends a heartbeat and these batches of
/// events to the first one, and returns all answers. `framing` is `Kerberos` or `Negotiate`.
///
/// # Panics
/// When the sign-in fails, or an answer is not sealed.
#[must_use]
pub fn deliver_events(url: &str, framing: &str, batches: &[Vec<String>]) -> Vec<SourceAnswer> {
    let login = Login::of("", url, WayIn::KerberosOverHttp);
    let answer = login.ask("event_source.py", "deliver", json!({"framing": framing, "batches": batches}));
    let answers = answer.unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let read = |one: &serde_json::Value| SourceAnswer {
        status: one["status"].as_u64().and_then(|status| status.try_into().ok()).unwrap_or_default(),
        text: one["text"].as_str().unwrap_or_default().to_owned(),
    };
    answers.as_array().into_iter().flatten().map(read).collect()
}
