//! Those who have signed in, and may not any more.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use accounts::SignIn;
use auth::{Acceptor, Account, AuthError, Authenticator, Identity, Peer, Scheme, Secret, VerifierCost};
use wsman::Subcode;
use wsman::eventing::SubscribeResponse;

use super::visitor::{self, Visitor};
use super::{assert_refused, calls, certificate_of_credssp, judged_by, names};
use crate::faults::enumeration::pull;
use crate::message::Message;
use crate::running::{Running, accounts as listed};
use crate::subscription::{abandoned, subscribe};
use crate::wire::{ADA, BEN, post};

/// Knows every scheme, and can take ada's account away.
struct Revoking {
    sign_in: SignIn,
    stands_for: Duration,
    is_ada_out: AtomicBool,
    /// How often it was asked whether somebody may stay.
    asked: AtomicUsize,
}

impl Revoking {
    async fn start(stands_for: Duration, settings: &[(&str, &str)]) -> (Running, Arc<Self>) {
        let accounts = Arc::new(listed().on_host(names()));
        let sign_in = SignIn::new(Arc::clone(&accounts) as _).with_ntlm(accounts, names());
        let sign_in = sign_in.with_credssp(certificate_of_credssp);
        let (is_ada_out, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
        let revoking = Arc::new(Self { sign_in, stands_for, is_ada_out, asked });
        (judged_by(Arc::clone(&revoking) as _, settings).await, revoking)
    }
}

impl Authenticator for Revoking {
    fn knows(&self, scheme: Scheme) -> bool {
        self.sign_in.knows(scheme)
    }

    fn password(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        self.sign_in.password(user, password, from)
    }

    fn acceptor(&self, scheme: Scheme, peer: &Peer) -> Result<Box<dyn Acceptor>, AuthError> {
        self.sign_in.acceptor(scheme, peer)
    }

    fn cost(&self) -> VerifierCost {
        self.sign_in.cost()
    }

    fn admits(&self, identity: &Identity, _: IpAddr) -> Result<(), AuthError> {
        let is_out = self.is_ada_out.load(Ordering::Relaxed) && identity.account().name == "ada";
        // Who sees that it was asked may change the answer, but only of the next question.
        self.asked.fetch_add(1, Ordering::Release);
        if is_out { Err(AuthError::NotAllowed) } else { Ok(()) }
    }

    fn stands_for(&self) -> Duration {
        self.stands_for
    }
}

#[tokio::test]
async fn a_connection_is_nobodys_once_its_account_is_out_and_stays_so() {
    let (running, revoking) = Revoking::start(Duration::ZERO, &[]).await;
    for way in 0..3 {
        let (scheme, initiator) = visitor::every_way("ada", ADA).into_iter().nth(way).unwrap();
        let mut ada = Visitor::by(running.connect().await, scheme, initiator).await;
        let mut ben = Visitor::by_ntlm(running.connect().await, "ben", BEN).await;
        assert_eq!(ada.ask("before").await, "ada");
        revoking.is_ada_out.store(true, Ordering::Relaxed);
        let request = ada.seal("after");
        assert_refused(&ada.wire.ask(&request).await);
        assert_eq!(ben.ask("ben").await, "ben");
        revoking.is_ada_out.store(false, Ordering::Relaxed);
        // The connection has lost its keys, too: it takes a new sign-in.
        let request = ada.seal("later");
        assert_refused(&ada.wire.ask(&request).await);
        let mut ada = Visitor::by_ntlm(ada.wire, "ada", ADA).await;
        assert_eq!(ada.ask("again").await, "ada");
    }
    assert_eq!(calls(&running), ["before", "ben", "again"].repeat(3));
    running.stop().await;
}

#[tokio::test]
async fn a_password_that_was_right_a_moment_ago_is_of_no_use_once_the_account_is_out() {
    let settings = [("Service.Auth.Basic", "true"), ("Service.AllowUnencrypted", "true")];
    let (running, revoking) = Revoking::start(Duration::ZERO, &settings).await;
    let hello = post(Message::probe("echo", "hello")).signed_in("ada", ADA);
    let mut wire = running.connect().await;
    assert_eq!(wire.ask(&hello).await.status, 200);
    revoking.is_ada_out.store(true, Ordering::Relaxed);
    assert_eq!(wire.ask(&hello).await.status, 401);
    revoking.is_ada_out.store(false, Ordering::Relaxed);
    assert_eq!(wire.ask(&hello).await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn nobody_is_asked_about_a_request_that_comes_soon_after_another() {
    let (running, revoking) = Revoking::start(Duration::from_secs(3_600), &[]).await;
    let mut ada = Visitor::by_ntlm(running.connect().await, "ada", ADA).await;
    for _ in 0..20 {
        ada.ask("quick").await;
    }
    assert_eq!(revoking.asked.load(Ordering::Relaxed), 0);
    running.stop().await;
}

#[tokio::test]
async fn an_event_is_nobodys_when_the_account_went_out_while_it_was_waited_for() {
    let settings = [("Service.Auth.Basic", "true"), ("Service.AllowUnencrypted", "true")];
    let (running, revoking) = Revoking::start(Duration::ZERO, &settings).await;
    let mut wire = running.connect().await;
    let as_ada = |message| post(message).signed_in("ada", ADA);
    let answer = wire.ask(&as_ada(subscribe("x"))).await;
    let subscribed = SubscribeResponse::parse(answer.response().content().unwrap()).unwrap();
    let asked = revoking.asked.load(Ordering::Relaxed);
    wire.send(as_ada(pull(subscribed.context.as_deref().unwrap())).octets()).await;
    while revoking.asked.load(Ordering::Acquire) == asked {
        tokio::task::yield_now().await;
    }
    revoking.is_ada_out.store(true, Ordering::Relaxed);
    running.probe.happen(Ok("secret".to_owned()));
    let answer = wire.answer().await;
    assert_eq!(*answer.fault().subcode(), Subcode::AccessDenied);
    assert!(!answer.text().contains("secret"));
    abandoned(&running, "x").await;
    running.stop().await;
}
