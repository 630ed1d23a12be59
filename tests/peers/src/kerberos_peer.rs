//! Other people's ends of Kerberos, token by token.

use serde_json::{Value, json};

use crate::conversation::{Conversation, decoded, encoded, verdict};
use crate::python::{missing_modules, script_command};
use crate::telarchd::{PASSWORD, USER};

/// A Python process that is one end; it belongs to the realm of this process (see [`in_realm`](crate::in_realm)).
pub struct KerberosPeer(Conversation);

/// End of the conversation and its library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A client of pyspnego, which signs in by password.
    PyspnegoClient(Messages),
    /// A service of pyspnego.
    PyspnegoServer,
    /// A client of pykerberos, which takes the ticket that is there.
    PykerberosClient,
}

/// Flags that a client requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// Detection of messages out of order.
    InSequence,
    /// Integrity and confidentiality of messages.
    InAnyOrder,
}

/// Result of processing a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Token for the other end; can be empty.
    pub token: Vec<u8>,
    /// Whether this end has finished the sign-in.
    pub is_complete: bool,
}

impl KerberosPeer {
    /// Returns whether the required Python packages are installed; otherwise the test is skipped.
    ///
    /// # Panics
    /// When there is no Python environment at all.
    #[must_use]
    pub fn is_installed() -> bool {
        let missing = missing_modules("gssapi, krb5, kerberos");
        if let Some(complaint) = &missing {
            skips::skip!(
                "the peers cannot sign in to Kerberos: {complaint} (libkrb5-dev, gcc, then ./test --install)"
            );
        }
        missing.is_none()
    }

    /// Starts it, bound to a TLS connection or to none.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(end: End, binding: Option<&[u8]>) -> Self {
        let mut peer = Self(Conversation::start(script_command("kerberos_peer.py")));
        let (end, in_sequence) = match end {
            End::PyspnegoClient(messages) => ("pyspnego client", messages == Messages::InSequence),
            End::PyspnegoServer => ("pyspnego server", true),
            End::PykerberosClient => ("pykerberos client", true),
        };
        let binding = binding.map(encoded);
        let request = json!({
            "end": end, "binding": binding, "in_sequence": in_sequence,
            "user": format!("{USER}@{}", crate::REALM), "password": PASSWORD,
        });
        peer.converse(&request).expect("it is one of those");
        peer
    }

    /// Hands it the other end's token, empty at the beginning.
    ///
    /// # Errors
    /// Error text of the peer.
    pub fn step(&mut self, token: &[u8]) -> Result<Progress, String> {
        let answer = self.ask("step", &[token])?;
        let is_complete = answer.get("complete").and_then(Value::as_bool).unwrap_or_default();
        Ok(Progress { token: octets(&answer, "token"), is_complete })
    }

    /// Header and sealed message.
    ///
    /// # Errors
    /// Error text of the peer.
    pub fn seal(&mut self, message: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
        let answer = self.ask("seal", &[message])?;
        Ok((octets(&answer, "header"), octets(&answer, "message")))
    }

    /// The message that was sealed.
    ///
    /// # Errors
    /// Error text of the peer.
    pub fn unseal(&mut self, header: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
        Ok(octets(&self.ask("unseal", &[header, message])?, "message"))
    }

    /// The signature of a message.
    ///
    /// # Errors
    /// Error text of the peer.
    pub fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, String> {
        Ok(octets(&self.ask("sign", &[message])?, "message"))
    }

    /// Checks the signature of a message.
    ///
    /// # Errors
    /// Error text of the peer.
    pub fn verify(&mut self, message: &[u8], signature: &[u8]) -> Result<(), String> {
        self.ask("verify", &[message, signature]).map(drop)
    }

    /// Returns the name of the client that the service has authenticated.
    ///
    /// # Errors
    /// Error text of the peer.
    pub fn principal(&mut self) -> Result<String, String> {
        let answer = self.ask("principal", &[])?;
        Ok(answer.get("name").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    fn ask(&mut self, what: &str, octets: &[&[u8]]) -> Result<Value, String> {
        let octets: Vec<String> = octets.iter().map(|octets| encoded(octets)).collect();
        self.converse(&json!({"ask": what, "octets": octets}))
    }

    fn converse(&mut self, request: &Value) -> Result<Value, String> {
        let answer = self.0.ask(request);
        verdict(&answer).cloned()
    }
}

fn octets(answer: &Value, name: &str) -> Vec<u8> {
    decoded(answer.get(name).unwrap_or(&Value::Null))
}
