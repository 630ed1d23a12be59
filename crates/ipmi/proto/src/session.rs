//! The console's end of a session (IPMI 2.0, 13.14 and 13.15): told what arrived and what time it is.

mod established;
mod login;
mod round_trip;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::established::{Established, Purpose};
use self::login::{Attempt, Outcome};
use crate::entropy::Entropy;
use crate::packet::Packet;
use crate::{CipherSuite, GroupKey, Password, Privilege, ProtoError, Request, Response, UserName};

/// A session from Open Session to Close Session.
///
/// Feed [`receive`](Self::receive) with what arrives and [`tick`](Self::tick) when [`deadline`](Self::deadline) has
/// passed; send what [`transmit`](Self::transmit) gives, and see in [`event`](Self::event) what has come of it.
#[derive(Debug)]
pub struct Session {
    login: Login,
    timing: Timing,
    entropy: Entropy,
    phase: Phase,
    waiting: VecDeque<(RequestId, Request)>,
    next_id: u64,
    out: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
enum Phase {
    Opening(Box<Attempt>),
    Open(Box<Established>),
    Ended,
}

/// Who signs in, and how.
#[derive(Clone, Debug)]
pub struct Login {
    pub(crate) user: UserName,
    pub(crate) password: Password,
    pub(crate) group_key: Option<GroupKey>,
    pub(crate) privilege: Privilege,
    /// INVARIANT: not empty.
    pub(crate) suites: Vec<CipherSuite>,
}

impl Login {
    /// As administrator, with suite 17, or 3 where that is refused.
    #[must_use]
    pub fn new(user: UserName, password: Password) -> Self {
        let suites = vec![CipherSuite::SHA256, CipherSuite::SHA1];
        Self { user, password, group_key: None, privilege: Privilege::Administrator, suites }
    }

    /// At another level.
    #[must_use]
    pub fn privilege(mut self, privilege: Privilege) -> Self {
        self.privilege = privilege;
        self
    }

    /// With this suite and no other.
    #[must_use]
    pub fn suite(mut self, suite: CipherSuite) -> Self {
        self.suites = vec![suite];
        self
    }

    /// With the controller's key, besides the password.
    #[must_use]
    pub fn group_key(mut self, key: GroupKey) -> Self {
        self.group_key = Some(key);
        self
    }
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For an answer to a command or to the whole login, with everything that is sent again meanwhile.
    pub limit: Duration,
    /// How many requests may be open at the same time, 1 to 8.
    pub open_requests: usize,
}

impl Default for Timing {
    fn default() -> Self {
        Self { limit: Duration::from_secs(10), open_requests: 4 }
    }
}

/// Tells the requests of a session apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u64);

/// What has come of something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The login succeeded: requests are sent now.
    Established {
        /// With which suite.
        suite: CipherSuite,
    },
    /// A request is done with. A completion code that says "later" is here only when the limit has passed.
    Answered {
        /// Which one.
        id: RequestId,
        /// The answer, or that there is none.
        outcome: Result<Response, ProtoError>,
    },
    /// The session is at its end, and so are all requests: it was closed, or the login failed.
    Ended(Result<(), ProtoError>),
}

impl Session {
    /// Begins a login. The seed must come from a source that nobody can foresee, and be drawn anew every time.
    #[must_use]
    pub fn start(login: Login, seed: [u8; 32], timing: Timing, now: Instant) -> Self {
        let mut entropy = Entropy::new(seed);
        let attempt = Attempt::first(&login, &mut entropy, now + timing.limit, now);
        let out = VecDeque::from([attempt.frame()]);
        Self {
            login,
            timing,
            entropy,
            phase: Phase::Opening(Box::new(attempt)),
            waiting: VecDeque::new(),
            next_id: 0,
            out,
            events: VecDeque::new(),
        }
    }

    /// Queues a command; it is sent once the session is established and fewer than the limit are open.
    pub fn request(&mut self, request: Request) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        if matches!(self.phase, Phase::Ended) {
            self.events.push_back(Event::Answered { id, outcome: Err(ProtoError::Ended) });
        } else {
            self.waiting.push_back((id, request));
        }
        id
    }

    /// Takes a datagram from the controller.
    ///
    /// # Errors
    /// When it is not of this session, or means nothing; it was dropped, and everything goes on.
    pub fn receive(&mut self, frame: &[u8], now: Instant) -> Result<(), ProtoError> {
        let packet = Packet::decode(frame)?;
        match &mut self.phase {
            Phase::Opening(attempt) => {
                let outcome = attempt.receive(&packet, &self.login, &mut self.entropy, now)?;
                self.advance(outcome, now);
            }
            Phase::Open(session) => {
                for (purpose, outcome) in session.receive(&packet, now)? {
                    self.finish(purpose, outcome);
                }
            }
            Phase::Ended => return Err(ProtoError::Ended),
        }
        Ok(())
    }

    /// Sends again what has not been answered, or gives up.
    pub fn tick(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Opening(attempt) => {
                let outcome = attempt.tick(&self.login, &mut self.entropy, now);
                self.advance(outcome, now);
            }
            Phase::Open(session) => {
                for (purpose, outcome) in session.tick(&mut self.entropy, &mut self.out, now) {
                    self.finish(purpose, outcome);
                }
            }
            Phase::Ended => {}
        }
    }

    /// When [`tick`](Self::tick) has something to do, unless something arrives before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Opening(attempt) => Some(attempt.deadline()),
            Phase::Open(session) => session.deadline(),
            Phase::Ended => None,
        }
    }

    /// The next datagram for the controller.
    pub fn transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        if let Phase::Open(session) = &mut self.phase {
            while session.has_room(self.timing.open_requests) {
                let Some((id, request)) = self.waiting.pop_front() else { break };
                let until = now + self.timing.limit;
                self.out.push_back(session.send(Purpose::Caller(id), request, until, &mut self.entropy, now));
            }
        }
        self.out.pop_front()
    }

    /// What has come of something, oldest first.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Ends the session, so that its slot is free: controllers have few. Requests that are waiting are dropped.
    pub fn close(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Open(session) => {
                self.waiting.clear();
                if !session.is_closing() {
                    // Who does not hear of it lets it end by itself: two seconds are enough to try.
                    let until = now + self.timing.limit.min(Duration::from_secs(2));
                    self.out.push_back(session.close(until, &mut self.entropy, now));
                }
            }
            Phase::Opening(_) => self.end(Ok(())),
            Phase::Ended => {}
        }
    }

    fn advance(&mut self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Waiting => {}
            Outcome::Send(frame) => self.out.push_back(frame),
            Outcome::Failed { error, goodbye } => {
                self.out.extend(goodbye);
                self.end(Err(error));
            }
            Outcome::Proven(mut session) => {
                let until = now + self.timing.limit;
                let frame = session.set_privilege(self.login.privilege, until, &mut self.entropy, now);
                self.out.push_back(frame);
                self.phase = Phase::Open(session);
            }
        }
    }

    fn finish(&mut self, purpose: Purpose, outcome: Result<Response, ProtoError>) {
        match purpose {
            Purpose::Caller(id) => self.events.push_back(Event::Answered { id, outcome }),
            Purpose::SetPrivilege => match (outcome, &self.phase) {
                (Ok(response), Phase::Open(session)) if response.code.0 == 0 => {
                    self.events.push_back(Event::Established { suite: session.suite() });
                }
                (Ok(response), _) => self.end(Err(ProtoError::Level {
                    level: self.login.privilege.name(),
                    code: response.code.0,
                })),
                (Err(error), _) => self.end(Err(error)),
            },
            Purpose::Close => self.end(Ok(())),
        }
    }

    fn end(&mut self, outcome: Result<(), ProtoError>) {
        let open = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Open(session) => session.callers(),
            _ => Vec::new(),
        };
        let error = outcome.clone().err().unwrap_or(ProtoError::Ended);
        for id in open.into_iter().chain(self.waiting.drain(..).map(|(id, _)| id)) {
            self.events.push_back(Event::Answered { id, outcome: Err(error.clone()) });
        }
        self.events.push_back(Event::Ended(outcome));
    }
}
