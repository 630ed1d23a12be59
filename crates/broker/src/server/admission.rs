//! Admission of sign-in attempts: decides which one is verified next.
//!
//! A bounded number of threads verifies attempts. The others wait in a [`FairQueue`], so that many sources whose
//! attempts fail neither occupy all threads nor delay a source without failures.
//!
//! Passwords have their own queue with as many slots as `accounts::SignIn` verifies in parallel. Attempts therefore do
//! not queue there a second time, and the delay that PAM adds after a wrong password does not slow down tokens and
//! certificates.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::AuthError;
use limits::{Claim, FairQueue, FoldedWarnings, Origin, OutcomeHistory, QueueLimits, Report, Slot};
use locks::Mutex;

use super::slots::RequestSlot;
use super::{Broker, guarded};
use crate::message::{BrokerMessage, GatewayRequest};

/// Queues of sign-in attempts, and recent outcomes.
pub(super) struct Admission(Mutex<State>);

struct State {
    passwords: FairQueue<Arc<str>, Attempt>,
    proofs: FairQueue<Arc<str>, Attempt>,
    history: OutcomeHistory<Arc<str>>,
    refusals: FoldedWarnings<Origin>,
}

/// A sign-in attempt that waits.
struct Attempt {
    number: u64,
    request: GatewayRequest,
    source: Source,
    /// Bounds the total size of all waiting attempts.
    size: RequestSlot,
}

/// Source address and account name of an attempt, as far as they are known before verification.
#[derive(Clone)]
pub(super) struct Source {
    origin: Origin,
    account: Option<Arc<str>>,
}

/// An attempt that is being verified. Dropping it refuses the attempt if it was not answered, and starts the next one.
struct ActiveAttempt {
    broker: Arc<Broker>,
    slot: Option<Slot<Arc<str>>>,
    kind: Kind,
    number: u64,
    source: Source,
    is_answered: bool,
}

/// Queue of an attempt.
#[derive(Clone, Copy)]
enum Kind {
    Password,
    /// Tokens and certificates.
    Proof,
}

impl Default for Admission {
    fn default() -> Self {
        Self(Mutex::new(State {
            passwords: FairQueue::new(PASSWORDS),
            proofs: FairQueue::new(PROOFS),
            history: OutcomeHistory::new(HISTORY_TIME, MAX_REMEMBERED),
            refusals: FoldedWarnings::new(WARNING_INTERVAL, MAX_WARNINGS),
        }))
    }
}

impl State {
    fn queue(&mut self, kind: Kind) -> &mut FairQueue<Arc<str>, Attempt> {
        match kind {
            Kind::Password => &mut self.passwords,
            Kind::Proof => &mut self.proofs,
        }
    }
}

impl Kind {
    fn of(request: &GatewayRequest) -> Self {
        match request {
            GatewayRequest::VerifyPassword { .. } => Self::Password,
            _ => Self::Proof,
        }
    }
}

impl Source {
    fn new(source: IpAddr, account: Option<&str>) -> Self {
        Self { origin: Origin::of(source), account: account.map(key) }
    }
}

impl Broker {
    /// Returns the source of a sign-in attempt, or `None` for any other request.
    pub(super) fn sign_in_source(&self, request: &GatewayRequest) -> Option<Source> {
        let address = match request {
            GatewayRequest::VerifyPassword { user, source, .. } => {
                return Some(Source::new(*source, Some(user)));
            }
            GatewayRequest::BeginHandshake { address, .. } => Some(*address),
            GatewayRequest::VerifyCertificate { source, .. } => Some(*source),
            GatewayRequest::ContinueHandshake { handshake: handle, .. }
            | GatewayRequest::CheckMapping { holder: handle }
            | GatewayRequest::ResolveAccount { holder: handle, .. } => self.objects.lock().address(*handle),
            _ => return None,
        };
        // An unknown handle is refused when the attempt is verified.
        Some(Source::new(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), None))
    }

    /// Queues an attempt, or refuses one if too many wait.
    pub(super) fn admit(
        self: &Arc<Self>,
        number: u64,
        request: GatewayRequest,
        source: Source,
        octets: usize,
    ) {
        // The gateway limits the length of tokens so that honest clients never reach this limit.
        let Some(size) = self.sign_in_slots.take(usize::MAX, octets) else {
            self.respond(number, &BrokerMessage::refused(AuthError::Unavailable), None);
            return;
        };
        let now = Instant::now();
        let mut state = self.sign_ins.0.lock();
        let Source { origin, account } = source.clone();
        let priority = state.history.priority(origin, account.as_ref(), now);
        let (kind, claim) = (Kind::of(&request), Claim { origin, account, priority });
        let refused = state.queue(kind).push(claim, Attempt { number, request, source, size });
        let report = refused.as_ref().and_then(|attempt| state.refusals.note(attempt.source.origin, now));
        drop(state);
        if let Some(Attempt { number, source, .. }) = refused {
            if let Some(Report { repeated, others }) = report {
                let peer = source.origin;
                tracing::warn!(%peer, repeated, others, "Sign-in attempt refused: too many attempts are waiting");
            }
            self.respond(number, &BrokerMessage::refused(AuthError::Unavailable), None);
        }
        self.start_sign_ins(kind);
    }

    /// Starts as many waiting attempts of a kind as there are free slots.
    fn start_sign_ins(self: &Arc<Self>, kind: Kind) {
        loop {
            let next = self.sign_ins.0.lock().queue(kind).start_next();
            let Some((slot, Attempt { number, request, source, size })) = next else { return };
            let broker = Arc::clone(self);
            let attempt =
                ActiveAttempt { broker, slot: Some(slot), kind, number, source, is_answered: false };
            let job = move || {
                attempt.verify(request);
                drop(size);
            };
            if let Err(error) = self.workers.run(Box::new(job)) {
                // Dropping the job has already refused the attempt.
                tracing::error!(%error, "Cannot start a thread to verify a sign-in attempt");
            }
        }
    }
}

impl ActiveAttempt {
    fn verify(mut self, request: GatewayRequest) {
        // After a panic, dropping `self` refuses the attempt.
        let Some((response, descriptor)) = guarded(|| self.broker.answer(request)) else { return };
        // Recorded before the response is sent, because the client may start its next attempt at once.
        self.record(&response);
        self.broker.respond(self.number, &response, descriptor);
        self.is_answered = true;
    }

    /// Records the outcome for the source of the attempt.
    fn record(&self, response: &BrokerMessage) {
        let Source { origin, account } = &self.source;
        let history = &mut self.broker.sign_ins.0.lock().history;
        match response {
            BrokerMessage::SignedIn(signed_in) | BrokerMessage::HandshakeDone { signed_in, .. } => {
                let account = account.clone().unwrap_or_else(|| key(&signed_in.account));
                history.record_success(*origin, account, Instant::now());
            }
            BrokerMessage::SignInRefused { error: AuthError::WrongPassword, claim, .. } => {
                let account = account.clone().or_else(|| claim.name.as_deref().map(key));
                history.record_failure(*origin, account, Instant::now());
            }
            _ => {}
        }
    }
}

impl Drop for ActiveAttempt {
    fn drop(&mut self) {
        if !self.is_answered {
            // Verification has panicked, or no thread could be started.
            self.broker.respond(self.number, &BrokerMessage::refused(AuthError::Unavailable), None);
        }
        if let Some(slot) = self.slot.take() {
            self.broker.sign_ins.0.lock().queue(self.kind).finish(slot);
        }
        self.broker.start_sign_ins(self.kind);
    }
}

/// Returns the key of an account name in the history: lower case, cut to the maximum length of account names.
fn key(name: &str) -> Arc<str> {
    let beginning: String = name.chars().take(MAX_NAME).collect();
    beginning.to_lowercase().into()
}

/// Limits of the password queue.
///
/// Together with [`PROOFS`] at most 360 attempts are pending, so that the gateway, which blocks one of its 512 threads
/// for each, never runs out of threads. With tokens of maximum size they use 90 MiB.
const PASSWORDS: QueueLimits = QueueLimits { running: 8, waiting: 192 };

/// Limits of the queue of tokens and certificates.
const PROOFS: QueueLimits = QueueLimits { running: 32, waiting: 128 };

/// How long an outcome is objects.
const HISTORY_TIME: Duration = Duration::from_secs(15 * 60);

/// Maximum number of sources and accounts with recorded outcomes.
const MAX_REMEMBERED: usize = 20_000;

/// Maximum length of an account name in the history, in characters.
const MAX_NAME: usize = 128;

/// Minimum interval between two warnings about one source.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Maximum number of sources whose warnings are counted separately.
const MAX_WARNINGS: usize = 256;
