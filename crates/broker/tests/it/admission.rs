//! Many attempts to sign in at the same time.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use auth::{Acceptor, Account, AuthError, Authenticator, Identity, Peer, Scheme, Secret, VerifierCost};
use telarch_broker::Gateway;

use crate::{Accounts, HERE, Served};

/// Judges wrong passwords only once it is allowed to.
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

    fn password(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        assert_ne!(user, "panic", "on purpose");
        if password.expose() == "wrong" {
            self.judging.fetch_add(1, Ordering::SeqCst);
            let is_open = self.is_open.lock().unwrap();
            drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
        }
        self.accounts.password(user, password, from)
    }

    fn acceptor(&self, scheme: Scheme, peer: &Peer) -> Result<Box<dyn Acceptor>, AuthError> {
        self.accounts.acceptor(scheme, peer)
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Slow
    }

    fn admits(&self, identity: &Identity, from: IpAddr) -> Result<(), AuthError> {
        self.accounts.admits(identity, from)
    }
}

fn connect() -> (Served, Arc<Slow>, Arc<Gateway>) {
    let slow = Arc::<Slow>::default();
    let (served, link) = Served::judged_by(Arc::clone(&slow) as Arc<dyn Authenticator>);
    (served, slow, Gateway::connect(link, |_| {}).unwrap())
}

fn ask(gateway: &Gateway, user: &str, password: &str, from: IpAddr) -> Result<String, AuthError> {
    gateway.password(user, &Secret::new(password.to_owned()), from).map(|account| account.name)
}

#[test]
fn three_hundred_addresses_that_are_being_judged_keep_nobody_else_out() {
    let (_served, slow, gateway) = connect();
    let alices: IpAddr = [192, 0, 2, 1].into();
    assert_eq!(ask(&gateway, "alice", "correct horse", alices).as_deref(), Ok("alice"));
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..300_u16 {
            let [high, low] = number.to_be_bytes();
            let (gateway, refused) = (&gateway, &refused);
            scope.spawn(move || {
                let verdict = ask(gateway, "nobody", "wrong", [10, 0, high, low].into());
                refused.fetch_add(usize::from(verdict == Err(AuthError::Unavailable)), Ordering::SeqCst);
            });
        }
        // Six are judged, 192 wait, and the others have to try again.
        while refused.load(Ordering::SeqCst) < 300 - 6 - 192 {
            thread::yield_now();
        }
        for _ in 0..3 {
            assert_eq!(ask(&gateway, "alice", "correct horse", alices).as_deref(), Ok("alice"));
        }
        assert_eq!(slow.judging.load(Ordering::SeqCst), 6);
        slow.open();
    });
    assert_eq!(ask(&gateway, "bob", "battery", HERE).as_deref(), Ok("bob"));
}

#[test]
fn a_panic_while_judging_refuses_the_attempt_and_costs_no_slot() {
    let (_served, _slow, gateway) = connect();
    for _ in 0..20 {
        assert_eq!(ask(&gateway, "panic", "", HERE), Err(AuthError::Unavailable));
    }
    assert_eq!(ask(&gateway, "alice", "correct horse", HERE).as_deref(), Ok("alice"));
}
