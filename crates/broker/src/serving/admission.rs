//! Admission of sign-in attempts: which of the gateway's questions about strangers is answered next.
//!
//! Only a bounded number of threads judges attempts. The other questions wait as values in a [`FairQueue`], so that
//! many sources that fail neither use up the threads nor come before a source that does not.
//!
//! Passwords have a queue of their own, with as many slots as there are verdicts on passwords at a time
//! (`accounts::SignIn`). So they wait here and not once more behind each other there, and the delay that PAM has for
//! wrong passwords does not hold up tokens and certificates.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use auth::AuthError;
use limits::{Claim, FairQueue, FoldedWarnings, Origin, OutcomeHistory, QueueLimits, Report, Slot};

use super::slots::RequestSlot;
use super::{Broker, guarded};
use crate::message::{Ask, Tell};

/// Sign-in attempts that are judged or wait, and recent outcomes.
pub(super) struct Admission(Mutex<State>);

struct State {
    passwords: FairQueue<Arc<str>, Question>,
    proofs: FairQueue<Arc<str>, Question>,
    history: OutcomeHistory<Arc<str>>,
    refusals: FoldedWarnings<Origin>,
}

/// A question of the gateway about somebody who has not signed in.
struct Question {
    number: u64,
    ask: Ask,
    source: Source,
    /// Bounds the size of all questions that wait.
    size: RequestSlot,
}

/// Source address and account name of an attempt, as far as they are known before it is judged.
#[derive(Clone)]
pub(super) struct Source {
    origin: Origin,
    account: Option<Arc<str>>,
}

/// A question whose turn it is. Dropping it refuses the question if it was not answered, and starts the next one.
struct Turn {
    broker: Arc<Broker>,
    slot: Option<Slot<Arc<str>>>,
    kind: Kind,
    number: u64,
    source: Source,
    is_answered: bool,
}

/// Queue of a question.
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
            history: OutcomeHistory::new(REMEMBERED_FOR, MAX_REMEMBERED),
            refusals: FoldedWarnings::new(WARNING_INTERVAL, MAX_WARNINGS),
        }))
    }
}

impl Admission {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn queue(&mut self, kind: Kind) -> &mut FairQueue<Arc<str>, Question> {
        match kind {
            Kind::Password => &mut self.passwords,
            Kind::Proof => &mut self.proofs,
        }
    }
}

impl Kind {
    fn of(ask: &Ask) -> Self {
        match ask {
            Ask::Password { .. } => Self::Password,
            _ => Self::Proof,
        }
    }
}

impl Source {
    fn new(from: IpAddr, account: Option<&str>) -> Self {
        Self { origin: Origin::of(from), account: account.map(key) }
    }
}

impl Broker {
    /// Returns the source of a question about somebody who has not signed in, or `None` for any other question.
    pub(super) fn sign_in_source(&self, ask: &Ask) -> Option<Source> {
        let from = match ask {
            Ask::Password { user, from, .. } => return Some(Source::new(*from, Some(user))),
            Ask::Begin { address, .. } => Some(*address),
            Ask::Holder { from, .. } => Some(*from),
            Ask::Step { handshake: number, .. }
            | Ask::Consider { holder: number }
            | Ask::Account { holder: number, .. } => self.kept().address(*number),
            _ => return None,
        };
        // A number that does not exist is refused when its turn has come.
        Some(Source::new(from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), None))
    }

    /// Answers a question in its turn, or refuses one if too many wait.
    pub(super) fn admit(self: &Arc<Self>, number: u64, ask: Ask, source: Source, octets: usize) {
        // The gateway's own limits keep tokens of clients so short that they never use up the bytes.
        let Some(size) = self.sign_in_slots.take(usize::MAX, octets) else {
            self.tell(number, &Tell::refused(AuthError::Unavailable), None);
            return;
        };
        let now = Instant::now();
        let mut state = self.sign_ins.lock();
        let Source { origin, account } = source.clone();
        let priority = state.history.priority(origin, account.as_ref(), now);
        let (kind, claim) = (Kind::of(&ask), Claim { origin, account, priority });
        let refused = state.queue(kind).push(claim, Question { number, ask, source, size });
        let report = refused.as_ref().and_then(|question| state.refusals.note(question.source.origin, now));
        drop(state);
        if let Some(Question { number, source, .. }) = refused {
            if let Some(Report { repeated, others }) = report {
                let peer = source.origin;
                tracing::warn!(%peer, repeated, others, "Sign-in attempt refused: too many wait for a verdict");
            }
            self.tell(number, &Tell::refused(AuthError::Unavailable), None);
        }
        self.start_sign_ins(kind);
    }

    /// Starts every question of a kind for which there is a slot.
    fn start_sign_ins(self: &Arc<Self>, kind: Kind) {
        loop {
            let next = self.sign_ins.lock().queue(kind).start_next();
            let Some((slot, Question { number, ask, source, size })) = next else { return };
            let broker = Arc::clone(self);
            let turn = Turn { broker, slot: Some(slot), kind, number, source, is_answered: false };
            let judging = move || {
                turn.judge(ask);
                drop(size);
            };
            if let Err(error) = self.workers.run(Box::new(judging)) {
                // The question was refused when its turn was dropped.
                tracing::error!(%error, "Cannot start a thread to judge a sign-in attempt");
            }
        }
    }
}

impl Turn {
    fn judge(mut self, ask: Ask) {
        // After a panic the drop of the turn refuses the question.
        let Some((told, descriptor)) = guarded(|| self.broker.answer(ask)) else { return };
        // Before the answer, because the next attempt may follow it at once.
        self.record(&told);
        self.broker.tell(self.number, &told, descriptor);
        self.is_answered = true;
    }

    /// Remembers what the answer says about the source.
    fn record(&self, told: &Tell) {
        let Source { origin, account } = &self.source;
        let history = &mut self.broker.sign_ins.lock().history;
        match told {
            Tell::SignedIn(signed_in) | Tell::Done { signed_in, .. } => {
                let account = account.clone().unwrap_or_else(|| key(&signed_in.account));
                history.record_success(*origin, account, Instant::now());
            }
            Tell::Refused { error: AuthError::WrongPassword, claim, .. } => {
                let account = account.clone().or_else(|| claim.name.as_deref().map(key));
                history.record_failure(*origin, account, Instant::now());
            }
            _ => {}
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_answered {
            // Judging has panicked, or there was no thread for it.
            self.broker.tell(self.number, &Tell::refused(AuthError::Unavailable), None);
        }
        if let Some(slot) = self.slot.take() {
            self.broker.sign_ins.lock().queue(self.kind).finish(slot);
        }
        self.broker.start_sign_ins(self.kind);
    }
}

/// Returns a name as outcomes are remembered by it: in small letters, and not longer than an account name can be.
fn key(name: &str) -> Arc<str> {
    let beginning: String = name.chars().take(MAX_NAME).collect();
    beginning.to_lowercase().into()
}

/// Passwords that are judged at the same time, and that wait.
///
/// With [`PROOFS`] these are at most 360, so that the gateway, whose 512 threads wait for the answers, never runs out
/// of threads. With the longest tokens they take 90 MiB.
const PASSWORDS: QueueLimits = QueueLimits { running: 8, waiting: 192 };

/// Tokens and certificates that are judged at the same time, and that wait.
const PROOFS: QueueLimits = QueueLimits { running: 32, waiting: 128 };

/// How long an outcome is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(15 * 60);

/// Maximum number of sources and accounts whose outcomes are remembered.
const MAX_REMEMBERED: usize = 20_000;

/// Maximum length of a name, in characters.
const MAX_NAME: usize = 128;

/// Interval between two warnings about one source.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// Maximum number of sources with warnings of their own.
const MAX_WARNINGS: usize = 256;
