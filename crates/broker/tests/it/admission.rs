//! Admission of many concurrent sign-in attempts.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use auth::{Acceptor, Account, AuthError, Authenticator, Identity, Peer, Scheme, Secret, VerifierCost};
use telarch_broker::Gateway;

use crate::{Accounts, HERE, TestBroker};

/// Blocks on wrong passwords until `open` is called.
#[derive(Default)]
struct Slow {
    accounts: Accounts,
    is_open: Mutex<bool>,
    opened: Condvar,
    judging: AtomicUsize,
}

impl Slow {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl Authenticator for Slow {
    fn supports(&self, scheme: Scheme) -> bool {
        self.accounts.supports(scheme)
    }

    fn password(&self, user: &str, password: &Secret, source: IpAddr) -> Result<Account, AuthError> {
        assert_ne!(user, "panic", "on purpose");
        if password.expose() == "wrong" {
            self.judging.fetch_add(1, Ordering::SeqCst);
            let is_open = self.is_open.lock().unwrap();
            drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
        }
        self.accounts.password(user, password, source)
    }

    fn acceptor(&self, scheme: Scheme, peer: &Peer) -> Result<Box<dyn Acceptor>, AuthError> {
        self.accounts.acceptor(scheme, peer)
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Slow
    }

    fn admits(&self, identity: &Identity, source: IpAddr) -> Result<(), AuthError> {
        self.accounts.admits(identity, source)
    }
}

fn connect() -> (TestBroker, Arc<Slow>, Arc<Gateway>) {
    let slow = Arc::<Slow>::default();
    let (server, link) = TestBroker::with_authenticator(Arc::clone(&slow) as Arc<dyn Authenticator>);
    (server, slow, Gateway::connect(link, |_| {}).unwrap())
}

fn request(gateway: &Gateway, user: &str, password: &str, source: IpAddr) -> Result<String, AuthError> {
    gateway.password(user, &Secret::new(password.to_owned()), source).map(|account| account.name)
}

#[test]
fn sign_in_attempts_from_300_addresses_do_not_delay_a_known_user() {
    let (_server, slow, gateway) = connect();
    let alices: IpAddr = [192, 0, 2, 1].into();
    assert_eq!(request(&gateway, "alice", "correct horse", alices).as_deref(), Ok("alice"));
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..300_u16 {
            let [high, low] = number.to_be_bytes();
            let (gateway, refused) = (&gateway, &refused);
            scope.spawn(move || {
                let verdict = request(gateway, "nobody", "wrong", [10, 0, high, low].into());
                refused.fetch_add(usize::from(verdict == Err(AuthError::Unavailable)), Ordering::SeqCst);
            });
        }
        // Six are verified, 192 wait, and the others are refused.
        while refused.load(Ordering::SeqCst) < 300 - 6 - 192 {
            thread::yield_now();
        }
        for _ in 0..3 {
            assert_eq!(request(&gateway, "alice", "correct horse", alices).as_deref(), Ok("alice"));
        }
        assert_eq!(slow.judging.load(Ordering::SeqCst), 6);
        slow.open();
    });
    assert_eq!(request(&gateway, "bob", "battery", HERE).as_deref(), Ok("bob"));
}

#[test]
fn a_panic_during_verification_refuses_the_attempt_and_frees_its_slot() {
    let (_server, _slow, gateway) = connect();
    for _ in 0..20 {
        assert_eq!(request(&gateway, "panic", "", HERE), Err(AuthError::Unavailable));
    }
    assert_eq!(request(&gateway, "alice", "correct horse", HERE).as_deref(), Ok("alice"));
}
