//! Authenticated clients whose accounts are disabled later.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use accounts::SignIn;
use auth::{Acceptor, Account, AuthError, Authenticator, Identity, Peer, Scheme, Secret, VerifierCost};
use telarch_service::EndReason;
use wsman::Subcode;
use wsman::eventing::SubscribeResponse;

use super::client::{self, SignedInClient};
use super::{assert_refused, calls, certificate_of_credssp, names, with_authenticator};
use crate::faults::enumeration::pull;
use crate::message::Message;
use crate::running::{Running, accounts as listed};
use crate::subscription::{abandoned, ended, opened, push, subscribe};
use crate::wire::{ADA, BEN, post};

/// An authenticator for every scheme that can disable ada's account.
struct Revoking {
    sign_in: SignIn,
    stands_for: Duration,
    is_ada_out: AtomicBool,
    /// Number of checks whether an account may still be used.
    requested: AtomicUsize,
}

impl Revoking {
    async fn start(stands_for: Duration, settings: &[(&str, &str)]) -> (Running, Arc<Self>) {
        let accounts = Arc::new(listed().on_host(names()));
        let sign_in = SignIn::new(Arc::clone(&accounts) as _).with_ntlm(accounts, names());
        let sign_in = sign_in.with_credssp(certificate_of_credssp);
        let (is_ada_out, requested) = (AtomicBool::new(false), AtomicUsize::new(0));
        let revoking = Arc::new(Self { sign_in, stands_for, is_ada_out, requested });
        (with_authenticator(Arc::clone(&revoking) as _, settings).await, revoking)
    }
}

impl Authenticator for Revoking {
    fn supports(&self, scheme: Scheme) -> bool {
        self.sign_in.supports(scheme)
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
        // A test that observes the count may change the result of the next check only.
        self.requested.fetch_add(1, Ordering::Release);
        if is_out { Err(AuthError::NotAllowed) } else { Ok(()) }
    }

    fn verdict_lifetime(&self) -> Duration {
        self.stands_for
    }
}

#[tokio::test]
async fn a_disabled_account_ends_the_authentication_of_its_connections() {
    let (running, revoking) = Revoking::start(Duration::ZERO, &[]).await;
    for way in 0..3 {
        let (scheme, initiator) = client::every_way("ada", ADA).into_iter().nth(way).unwrap();
        let mut ada = SignedInClient::by(running.connect().await, scheme, initiator).await;
        let mut ben = SignedInClient::by_ntlm(running.connect().await, "ben", BEN).await;
        assert_eq!(ada.ask("before").await, "ada");
        revoking.is_ada_out.store(true, Ordering::Relaxed);
        let request = ada.seal("after");
        assert_refused(&ada.wire.ask(&request).await);
        assert_eq!(ben.ask("ben").await, "ben");
        revoking.is_ada_out.store(false, Ordering::Relaxed);
        // The connection has also lost its keys and needs a new handshake.
        let request = ada.seal("later");
        assert_refused(&ada.wire.ask(&request).await);
        let mut ada = SignedInClient::by_ntlm(ada.wire, "ada", ADA).await;
        assert_eq!(ada.ask("again").await, "ada");
    }
    assert_eq!(calls(&running), ["before", "ben", "again"].repeat(3));
    running.stop().await;
}

#[tokio::test]
async fn a_cached_password_is_rejected_once_the_account_is_disabled() {
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
async fn requests_in_quick_succession_cause_no_further_checks() {
    let (running, revoking) = Revoking::start(Duration::from_secs(3_600), &[]).await;
    let mut ada = SignedInClient::by_ntlm(running.connect().await, "ada", ADA).await;
    for _ in 0..20 {
        ada.ask("quick").await;
    }
    assert_eq!(revoking.requested.load(Ordering::Relaxed), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_push_subscription_ends_after_its_account_was_disabled() {
    let settings = [("Service.Auth.Basic", "true"), ("Service.AllowUnencrypted", "true")];
    let (running, revoking) = Revoking::start(Duration::ZERO, &settings).await;
    let mut wire = running.connect().await;
    opened(&mut wire, push("x")).await;
    revoking.is_ada_out.store(true, Ordering::Relaxed);
    ended(&running, EndReason::AccessLost, "x").await;
    running.stop().await;
}

#[tokio::test]
async fn an_event_is_not_sent_if_the_account_was_disabled_during_the_wait() {
    let settings = [("Service.Auth.Basic", "true"), ("Service.AllowUnencrypted", "true")];
    let (running, revoking) = Revoking::start(Duration::ZERO, &settings).await;
    let mut wire = running.connect().await;
    let as_ada = |message| post(message).signed_in("ada", ADA);
    let answer = wire.ask(&as_ada(subscribe("x"))).await;
    let subscribed = SubscribeResponse::parse(answer.response().content().unwrap()).unwrap();
    let requested = revoking.requested.load(Ordering::Relaxed);
    wire.send(as_ada(pull(subscribed.context.as_deref().unwrap())).octets()).await;
    while revoking.requested.load(Ordering::Acquire) == requested {
        tokio::task::yield_now().await;
    }
    revoking.is_ada_out.store(true, Ordering::Relaxed);
    running.probe.emit(Ok("secret".to_owned()));
    let answer = wire.answer().await;
    assert_eq!(*answer.fault().subcode(), Subcode::AccessDenied);
    assert!(!answer.text().contains("secret"));
    abandoned(&running, "x").await;
    running.stop().await;
}
