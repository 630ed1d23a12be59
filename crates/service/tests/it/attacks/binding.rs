//! Tokens that somebody passes on from another TLS connection.

use auth::{ChannelBinding, Initiator, Scheme};

use super::fortress;
use super::visitor::{self, Visitor, credssp_of, ntlm_of, spnego_of};
use crate::message::Message;
use crate::wire::{ADA, post};

#[tokio::test]
async fn a_sign_in_passed_on_from_another_tls_connection_is_refused_as_the_level_says() {
    // What a client sends: the certificate that it sees, none, or that of who stands in between.
    for (level, expected) in
        [("None", [true, true, true]), ("Relaxed", [true, true, false]), ("Strict", [true, false, false])]
    {
        let running = fortress(&[("Service.Auth.CbtHardeningLevel", level)]).await;
        let wire = running.connect_tls().await;
        let own = ChannelBinding::of_certificate(wire.certificate());
        let other = ChannelBinding::tls_server_end_point(&[7; 32]);
        for (sent, expected) in [Some(own.clone()), None, Some(other.clone())].into_iter().zip(expected) {
            let clients: [Box<dyn Initiator>; 2] =
                [Box::new(ntlm_of("ada", ADA, sent.clone())), Box::new(spnego_of("ada", ADA, sent.clone()))];
            for mut client in clients {
                let mut wire = running.connect_tls().await;
                let outcome = visitor::sign_in(&mut wire, Scheme::Negotiate, client.as_mut()).await;
                assert_eq!(outcome.is_ok(), expected, "{level}: {sent:?}");
                let hello = post(Message::probe("echo", "hello")).anonymous();
                assert_eq!(wire.ask(&hello).await.status, if expected { 200 } else { 401 });
            }
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn without_tls_there_is_nothing_to_be_bound_to_and_credssp_binds_itself() {
    let running = fortress(&[("Service.Auth.CbtHardeningLevel", "Strict")]).await;
    let mut ada = Visitor::by_ntlm(running.connect().await, "ada", ADA).await;
    assert_eq!(ada.ask("over HTTP").await, "ada");
    let credssp = Box::new(credssp_of("ada", ADA));
    let mut ada = Visitor::by(running.connect_tls().await, Scheme::CredSsp, credssp).await;
    assert_eq!(ada.ask("by CredSSP").await, "ada");
    running.stop().await;
}

#[tokio::test]
async fn a_sign_in_passed_on_from_a_service_of_another_protocol_is_refused_as_the_level_says() {
    // Of files, of this kind on some other machine, and on this one.
    let names = ["cifs/elsewhere", "HTTP/elsewhere", "HTTP/node7"];
    for (level, expected) in
        [("None", [false, true, true]), ("Relaxed", [false, true, true]), ("Strict", [false, false, true])]
    {
        let running = fortress(&[("Service.Auth.CbtHardeningLevel", level)]).await;
        for (name, expected) in names.into_iter().zip(expected) {
            let mut client = ntlm_of("ada", ADA, None).target_name(name);
            let mut wire = running.connect().await;
            let outcome = visitor::sign_in(&mut wire, Scheme::Negotiate, &mut client).await;
            assert_eq!(outcome.is_ok(), expected, "{level}: {name}");
        }
        // With TLS, whoever is bound to this connection has meant it, whatever it is called there.
        for (name, expected) in names.into_iter().zip([level == "Strict", true, true]) {
            let mut wire = running.connect_tls().await;
            let own = ChannelBinding::of_certificate(wire.certificate());
            for (binding, expected) in [(Some(own), true), (None, expected && level != "Strict")] {
                let mut client = ntlm_of("ada", ADA, binding).target_name(name);
                let outcome = visitor::sign_in(&mut wire, Scheme::Negotiate, &mut client).await;
                assert_eq!(outcome.is_ok(), expected, "{level}: {name} with TLS");
            }
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn the_level_holds_for_a_sign_in_that_begins_after_it_was_set() {
    let running = fortress(&[]).await;
    let mut wire = running.connect_tls().await;
    assert!(visitor::sign_in(&mut wire, Scheme::Negotiate, &mut ntlm_of("ada", ADA, None)).await.is_ok());
    running.set("Service.Auth.CbtHardeningLevel", "Strict");
    assert!(visitor::sign_in(&mut wire, Scheme::Negotiate, &mut ntlm_of("ada", ADA, None)).await.is_err());
    running.stop().await;
}
