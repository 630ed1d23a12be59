//! Several sign-ins by clients in Python, one after the other in one process.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::python::script_command;
use crate::run::{run, tail};

/// Client that signs in with one scheme and exchanges messages.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// A function of `tests/peers/python/matrix.py`.
    pub client: &'static str,
    /// The scheme, as clients in Python call it.
    pub scheme: &'static str,
    /// Protocol inside CredSSP, if it is to be fixed.
    pub inner: Option<&'static str>,
    /// The first part of the service principal name that pypsrp asks a ticket for.
    pub spn: &'static str,
    /// Whether to bind the sign-in to the TLS connection if possible.
    pub sends_binding: bool,
    /// The address of the service.
    pub url: String,
    /// User name.
    pub user: String,
    /// The password.
    pub password: String,
    /// Files of the client certificate and its key, for the scheme `certificate`.
    pub certificate: Option<[PathBuf; 2]>,
}

/// Result of a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed {
    /// Messages went to and fro, and were sealed.
    Sealed,
    /// Messages went to and fro as they were.
    Open,
    /// Refused, with the client's exception.
    Refused(String),
}

/// Lets them sign in one after the other.
///
/// # Panics
///
/// When Python is not installed, or a client fails in another way than for not being let in.
#[must_use]
pub fn walk(sign_ins: &[SignIn]) -> Vec<Signed> {
    let cells = sign_ins.iter().map(|sign_in| {
        json!({
            "client": sign_in.client, "scheme": sign_in.scheme, "inner": sign_in.inner, "spn": sign_in.spn,
            "sends_binding": sign_in.sends_binding, "url": sign_in.url, "user": sign_in.user,
            "password": sign_in.password, "certificate": sign_in.certificate,
        })
    });
    let request = Value::Array(cells.collect());
    let ended = run(&mut script_command("matrix.py"), request.to_string().as_bytes(), LIMIT);
    assert_eq!(ended.code, 0, "matrix.py failed: {}", tail(&ended.stderr));
    let answers: Vec<Value> =
        serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    assert_eq!(answers.len(), sign_ins.len(), "{ended:?}");
    answers.iter().map(read).collect()
}

fn read(answer: &Value) -> Signed {
    match (answer.as_str(), answer.get("refused").and_then(Value::as_str)) {
        (Some("sealed"), _) => Signed::Sealed,
        (Some("open"), _) => Signed::Open,
        (_, Some(exception)) => Signed::Refused(exception.to_owned()),
        _ => panic!("not what became of a sign-in: {answer}"),
    }
}

/// For all of them together, on a machine that does other things as well.
const LIMIT: Duration = Duration::from_secs(120);
