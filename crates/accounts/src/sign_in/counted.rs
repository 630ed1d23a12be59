//! Counting of sign-ins by tokens, together with those by passwords.
//!
//! Only NTLM lets a client guess passwords, so only its verdicts are counted. The response to the challenge proves the
//! password, but that is not yet a sign-in: the timestamp, the message integrity code, the channel binding and the
//! target name are verified afterwards (MS-NLMP 3.2.5.1.2), then the `mechListMIC` of SPNEGO (RFC 4178 5), and with
//! CredSSP the key of the TLS connection and the delegated credentials. A relayed or replayed response fails in one of
//! these checks. So the success is counted, and failures are removed, by the outermost acceptor at its last step
//! ([`CountedAcceptor`]).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use auth::ntlm::{HostNames, NtlmVerifier, Verified};
use auth::{Accepted, Acceptor, AuthError, Oid, Step, VerifierCost};
use locks::Mutex;

use crate::lockout::{Attempt, Attempts};
use crate::verdict_queue::VerdictQueue;

/// Slot for an account name whose password was right, until the sign-in completes or fails.
#[derive(Clone, Debug, Default)]
pub(super) struct ProvenName(Arc<Mutex<Option<String>>>);

/// Counts wrong passwords, and stores the name when the password was right.
pub(super) struct CountedNtlm {
    pub(super) verifier: Arc<dyn NtlmVerifier>,
    pub(super) queue: Arc<VerdictQueue>,
    pub(super) names: HostNames,
    pub(super) attempts: Arc<Attempts>,
    pub(super) address: IpAddr,
    pub(super) proven: ProvenName,
}

/// Counts the success of a proven name once everything else is verified.
pub(super) struct CountedAcceptor {
    pub(super) acceptor: Box<dyn Acceptor>,
    pub(super) attempts: Arc<Attempts>,
    pub(super) address: IpAddr,
    pub(super) proven: ProvenName,
}

impl ProvenName {
    fn set(&self, name: String) {
        *self.0.lock() = Some(name);
    }

    fn take(&self) -> Option<String> {
        self.0.lock().take()
    }
}

impl NtlmVerifier for CountedNtlm {
    fn verify(
        &self,
        domain: &str,
        user: &str,
        challenge: &[u8; 8],
        nt_response: &[u8],
    ) -> Result<Verified, AuthError> {
        // All spellings of a local account count as one name.
        let name = match self.names.local_account(domain, user) {
            Some(name) => name.to_owned(),
            None => format!("{domain}\\{user}"),
        };
        let queue = (self.verifier.cost() == VerifierCost::Slow).then_some(&*self.queue);
        let attempt = Attempt { user: &name, from: self.address, now: Instant::now(), queue };
        let verified = self
            .attempts
            .judge_password_only(attempt, || self.verifier.verify(domain, user, challenge, nt_response))?;
        self.proven.set(name);
        Ok(verified)
    }

    fn cost(&self) -> VerifierCost {
        self.verifier.cost()
    }

    fn covers(&self, domain: &str, user: &str) -> bool {
        self.verifier.covers(domain, user)
    }

    fn is_available(&self) -> bool {
        self.verifier.is_available()
    }
}

impl Acceptor for CountedAcceptor {
    fn step(&mut self, token: &[u8]) -> Result<Step<Accepted>, AuthError> {
        let step = self.acceptor.step(token);
        match &step {
            Ok(Step::Continue(_)) => {}
            Ok(Step::Done { .. }) => {
                if let Some(name) = self.proven.take() {
                    self.attempts.complete(&name, self.address, Instant::now());
                }
            }
            Err(_) => {
                if self.proven.take().is_some() {
                    self.attempts.fail_after_password(self.address, Instant::now());
                }
            }
        }
        step
    }

    fn refusal(&mut self) -> Option<Vec<u8>> {
        self.acceptor.refusal()
    }

    fn mechanism(&self) -> Option<Oid> {
        self.acceptor.mechanism()
    }

    fn claimed(&self) -> Option<String> {
        self.acceptor.claimed()
    }
}
