//! pyspnego, the sign-in of pywinrm and pypsrp, as one end without HTTP around it.

use std::io::Write as _;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::conversation::{Conversation, decoded, encoded, verdict};
use crate::python::script_command;

/// One end of a sign-in, in a Python process.
pub struct Pyspnego {
    conversation: Conversation,
    known: Value,
    _accounts: Option<NamedTempFile>,
}

/// How pyspnego is to sign in, or to let in.
#[derive(Clone, Debug)]
pub struct PyspnegoSettings<'a> {
    /// The mechanism, and what is around it.
    pub layer: Layer,
    /// `NAME` or `DOMAIN\NAME`, of the client or of the one account of the service.
    pub user: &'a str,
    /// The password.
    pub password: &'a str,
    /// Whether to negotiate signing and sealing.
    pub seals: bool,
    /// The application data of a channel binding.
    pub application_data: Option<&'a [u8]>,
    /// `LM_COMPAT_LEVEL`: below 3 it answers with NTLMv1.
    pub compatibility: u8,
}

/// Protocol of pyspnego; all of them contain NTLM.
#[derive(Clone, Copy, Debug)]
pub enum Layer {
    /// NTLM with nothing around it.
    Ntlm,
    /// SPNEGO.
    Negotiate,
    /// CredSSP.
    CredSsp(CredSspSettings),
}

/// How pyspnego speaks CredSSP.
#[derive(Clone, Copy, Debug)]
pub struct CredSspSettings {
    /// The only version of TLS: `TLSv1_2` or `TLSv1_3`.
    pub tls: &'static str,
    /// Inner protocol: `negotiate` or `ntlm`.
    pub inner: &'static str,
    /// The newest version of CredSSP.
    pub version: u32,
    /// The name that a client hands over; its own unless told so.
    pub hands_over: Option<&'static str>,
}

impl<'a> PyspnegoSettings<'a> {
    /// Returns settings with sealing, NTLMv2, and no channel binding.
    #[must_use]
    pub fn new(layer: Layer, user: &'a str, password: &'a str) -> Self {
        Self { layer, user, password, seals: true, application_data: None, compatibility: 3 }
    }
}

impl Pyspnego {
    /// The client's end.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    #[must_use]
    pub fn initiator(settings: &PyspnegoSettings<'_>) -> Self {
        Self::start("initiate", settings)
    }

    /// The service's end.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    #[must_use]
    pub fn acceptor(settings: &PyspnegoSettings<'_>) -> Self {
        Self::start("accept", settings)
    }

    /// Gives it a token, or none at the beginning, and returns the one it answers with, if any.
    ///
    /// # Errors
    ///
    /// Exception of the peer: name, a colon, and text.
    ///
    /// # Panics
    ///
    /// As all others, when it ends early or is silent for a minute.
    pub fn step(&mut self, token: Option<&[u8]>) -> Result<Option<Vec<u8>>, String> {
        let arguments: Vec<&[u8]> = token.into_iter().collect();
        Ok(self.ask("step", &arguments)?.into_iter().next())
    }

    /// Seals a message: header and the rest.
    ///
    /// # Errors
    ///
    /// Exception of the peer.
    pub fn wrap(&mut self, message: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
        let mut parts = self.ask("wrap", &[message])?.into_iter();
        Ok((parts.next().expect("a header"), parts.next().expect("a message")))
    }

    /// Opens a message.
    ///
    /// # Errors
    ///
    /// Exception of the peer.
    pub fn unwrap(&mut self, header: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
        Ok(self.ask("unwrap", &[header, message])?.into_iter().next().expect("a message"))
    }

    /// Signs a message.
    ///
    /// # Errors
    ///
    /// Exception of the peer.
    pub fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, String> {
        Ok(self.ask("sign", &[message])?.into_iter().next().expect("a signature"))
    }

    /// Checks a signature.
    ///
    /// # Errors
    ///
    /// Exception of the peer.
    pub fn verify(&mut self, message: &[u8], signature: &[u8]) -> Result<(), String> {
        self.ask("verify", &[message, signature]).map(|_| ())
    }

    /// Does with NTLM what its SPNEGO does after both `mechListMIC`.
    ///
    /// # Panics
    ///
    /// When it refuses.
    pub fn mech_list_mic_exchanged(&mut self) {
        self.ask("mech_list_mic_exchanged", &[]).expect("it cannot refuse");
    }

    /// Returns whether the sign-in is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.known.get("complete").and_then(Value::as_bool).unwrap_or_default()
    }

    /// Returns the name of the authenticated client.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        self.known.get("principal").and_then(Value::as_str)
    }

    /// The mechanism that was agreed upon.
    #[must_use]
    pub fn mechanism(&self) -> Option<&str> {
        self.known.get("mechanism").and_then(Value::as_str)
    }

    /// Returns the delegated credentials: domain, name and password.
    #[must_use]
    pub fn credential(&self) -> Option<[&str; 3]> {
        let [domain, user, password] = &self.known.get("credential")?.as_array()?[..] else { return None };
        Some([domain.as_str()?, user.as_str()?, password.as_str()?])
    }

    fn start(usage: &str, settings: &PyspnegoSettings<'_>) -> Self {
        let accounts = (usage == "accept").then(|| write_account(settings));
        let (protocol, credssp) = match settings.layer {
            Layer::Ntlm => ("ntlm", Value::Null),
            Layer::Negotiate => ("negotiate", Value::Null),
            Layer::CredSsp(CredSspSettings { tls, inner, version, hands_over }) => {
                ("credssp", json!({"tls": tls, "inner": inner, "version": version, "hands_over": hands_over}))
            }
        };
        let request = json!({
            "usage": usage,
            "protocol": protocol,
            "user": settings.user,
            "password": settings.password,
            "seals": settings.seals,
            "application_data": settings.application_data.map(encoded),
            "credssp": credssp,
        });
        let mut command = script_command("pyspnego.py");
        command.arg(request.to_string()).env("LM_COMPAT_LEVEL", settings.compatibility.to_string());
        command.envs(accounts.as_ref().map(|file| ("NTLM_USER_FILE", file.path())));
        Self { conversation: Conversation::start(command), known: Value::Null, _accounts: accounts }
    }

    fn ask(&mut self, verb: &str, arguments: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        let arguments: Vec<String> = arguments.iter().map(|octets| encoded(octets)).collect();
        self.known = self.conversation.ask(&json!({"verb": verb, "arguments": arguments}));
        let words = verdict(&self.known)?.get("answer").and_then(Value::as_array);
        Ok(words.expect("an answer or a refusal").iter().map(decoded).collect())
    }
}

fn write_account(settings: &PyspnegoSettings<'_>) -> NamedTempFile {
    let mut file = tempfile::Builder::new().prefix("telarch-peers-").tempfile().expect("a file");
    let (domain, user) = settings.user.split_once('\\').unwrap_or(("", settings.user));
    writeln!(file, "{domain}:{user}:{}", settings.password).expect("a line");
    file
}
