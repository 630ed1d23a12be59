//! A client that signs in with NTLM anew for every message: pywinrm over a transport of our own.

use serde_json::{Value, json};

use crate::python::Login;
use crate::run::Run;
use crate::telarchd::Telarchd;
use crate::way_in::WayIn;

/// Runs a command by `tests/peers/python/reauthenticate.py`. Returns its result, and how many messages and connections
/// it took.
///
/// # Panics
/// If the client fails.
#[must_use]
pub fn reauthenticate(service: &Telarchd, command: &str) -> (Run, Value) {
    let login = Login::new(service, WayIn::NtlmOverHttp);
    let answer = login.ask("reauthenticate.py", "run", json!({"command": command}));
    let answer = answer.unwrap_or_else(|refusal| panic!("{refusal:?}"));
    (Run::from_json(&answer), answer)
}
