//! Report about the authentication schemes with which users can sign in.

use auth::{SchemeReport, SchemeState};
use service::{Answer, Call};
use wsman::Fault;

use super::{CallerMachine, NAMESPACE, Stage};
use crate::ConfigPlugin;

/// Writes the report, and the listeners at which a client can try the schemes.
pub(super) async fn answer(
    plugin: &ConfigPlugin,
    machine: &CallerMachine,
    call: &Call,
) -> Result<Answer, Fault> {
    let report = machine.sign_in().await?;
    let state = plugin.store.state();
    let mut reply = call.reply();
    let writer = reply.body();
    writer.start(&format!("p:{}_OUTPUT", Stage::AnalyzeSignIn.name())).namespace("p", NAMESPACE);
    for (name, value) in [
        ("p:Listening", report.listens),
        ("p:SignInPossible", report.usable().next().is_some()),
        ("p:VerifiesPasswords", report.verifies_passwords),
        ("p:AllowUnencrypted", report.allow_unencrypted),
    ] {
        writer.element(name, if value { "true" } else { "false" });
    }
    for SchemeReport { scheme, state } in &report.schemes {
        let (state, text) = match state {
            SchemeState::Usable(by) => ("usable", by.as_str()),
            SchemeState::Unusable(reason) => ("unusable", reason.as_str()),
            SchemeState::Disabled => ("disabled", ""),
        };
        writer.start("p:Scheme").attribute("Name", &scheme.to_string()).attribute("State", state);
        writer.text(text).end();
    }
    for remedy in &report.remedies {
        writer.element("p:Remedy", remedy);
    }
    for word in &report.account_options {
        writer.element("p:AccountOption", word);
    }
    for listener in state.listeners.in_force(&state.config.service) {
        let addresses = plugin.sockets.of(&listener);
        let Some(address) =
            addresses.addresses.iter().find(|own| own.is_loopback()).or(addresses.addresses.first())
        else {
            continue;
        };
        writer.start("p:Listener").attribute("Address", &address.to_string());
        writer.attribute("Transport", listener.transport.as_str());
        writer.attribute("Port", &listener.port.number().to_string()).end_empty();
    }
    writer.end();
    call.finish(reply)
}
