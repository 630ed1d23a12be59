//! Tokens that an attacker relays from another connection.

use auth::{ChannelBinding, Initiator, Scheme};

use super::client::{self, SignedInClient, credssp_of, ntlm_of, spnego_of};
use super::hardened;
use crate::message::Message;
use crate::wire::{ADA, post};

#[tokio::test]
async fn the_level_decides_about_relaying_from_another_tls_connection() {
    // Channel binding of the client: the presented certificate, none, or that of an attacker in between.
    for (level, expected) in
        [("None", [true, true, true]), ("Relaxed", [true, true, false]), ("Strict", [true, false, false])]
    {
        let running = hardened(&[("Service.Auth.CbtHardeningLevel", level)]).await;
        let wire = running.connect_tls().await;
        let own = ChannelBinding::of_certificate(wire.certificate());
        let other = ChannelBinding::tls_server_end_point(&[7; 32]);
        for (sent, expected) in [Some(own.clone()), None, Some(other.clone())].into_iter().zip(expected) {
            let clients: [Box<dyn Initiator>; 2] =
                [Box::new(ntlm_of("ada", ADA, sent.clone())), Box::new(spnego_of("ada", ADA, sent.clone()))];
            for mut client in clients {
                let mut wire = running.connect_tls().await;
                let outcome = client::sign_in(&mut wire, Scheme::Negotiate, client.as_mut()).await;
                assert_eq!(outcome.is_ok(), expected, "{level}: {sent:?}");
                let hello = post(Message::probe("echo", "hello")).anonymous();
                assert_eq!(wire.ask(&hello).await.status, if expected { 200 } else { 401 });
            }
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn without_tls_only_credssp_has_a_channel_binding() {
    let running = hardened(&[("Service.Auth.CbtHardeningLevel", "Strict")]).await;
    let mut ada = SignedInClient::by_ntlm(running.connect().await, "ada", ADA).await;
    assert_eq!(ada.ask("over HTTP").await, "ada");
    let credssp = Box::new(credssp_of("ada", ADA));
    let mut ada = SignedInClient::by(running.connect_tls().await, Scheme::CredSsp, credssp).await;
    assert_eq!(ada.ask("by CredSSP").await, "ada");
    running.stop().await;
}

#[tokio::test]
async fn the_level_decides_about_relaying_from_another_protocol() {
    // Target names: a file service, a web service of another machine, and one of this machine.
    let names = ["cifs/elsewhere", "HTTP/elsewhere", "HTTP/node7"];
    for (level, expected) in
        [("None", [false, true, true]), ("Relaxed", [false, true, true]), ("Strict", [false, false, true])]
    {
        let running = hardened(&[("Service.Auth.CbtHardeningLevel", level)]).await;
        for (name, expected) in names.into_iter().zip(expected) {
            let mut client = ntlm_of("ada", ADA, None).target_name(name);
            let mut wire = running.connect().await;
            let outcome = client::sign_in(&mut wire, Scheme::Negotiate, &mut client).await;
            assert_eq!(outcome.is_ok(), expected, "{level}: {name}");
        }
        // With TLS, the channel binding proves the target, so the name does not matter.
        for (name, expected) in names.into_iter().zip([level == "Strict", true, true]) {
            let mut wire = running.connect_tls().await;
            let own = ChannelBinding::of_certificate(wire.certificate());
            for (binding, expected) in [(Some(own), true), (None, expected && level != "Strict")] {
                let mut client = ntlm_of("ada", ADA, binding).target_name(name);
                let outcome = client::sign_in(&mut wire, Scheme::Negotiate, &mut client).await;
                assert_eq!(outcome.is_ok(), expected, "{level}: {name} with TLS");
            }
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn a_changed_level_applies_to_new_handshakes() {
    let running = hardened(&[]).await;
    let mut wire = running.connect_tls().await;
    assert!(client::sign_in(&mut wire, Scheme::Negotiate, &mut ntlm_of("ada", ADA, None)).await.is_ok());
    running.set("Service.Auth.CbtHardeningLevel", "Strict");
    assert!(client::sign_in(&mut wire, Scheme::Negotiate, &mut ntlm_of("ada", ADA, None)).await.is_err());
    running.stop().await;
}
