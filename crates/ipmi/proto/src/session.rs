//! The console's side of a session (IPMI 2.0, 13.14 and 13.15); the caller passes received datagrams and the
//! current time.

mod discovery;
mod established;
mod flight;
mod lan15_login;
mod login;
mod request_limit;
mod round_trip;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::discovery::{Discovery, Found};
use self::established::{Done, Established, NewRequest};
use self::flight::Purpose;
use self::lan15_login::Lan15Attempt;
use self::login::{Attempt, Outcome};
use crate::capabilities::{Detail, GetAuthenticationCapabilities};
use crate::entropy::Entropy;
use crate::message::{Answer, SequenceNumber};
use crate::wire::Frame;
use crate::{
    AuthenticationType, CipherSuite, Command as _, CompletionCode, Destination, Frames, GroupKey, Password,
    Privilege, Protection, ProtoError, Request, Response, UserName, lan15,
};

/// A session from Open Session to Close Session.
///
/// Call [`receive`](Self::receive) for each datagram that arrives, and [`tick`](Self::tick) when
/// [`deadline`](Self::deadline) has passed. Send the datagrams that [`transmit`](Self::transmit) returns, and
/// read results from [`event`](Self::event).
#[derive(Debug)]
pub struct Session {
    login: Login,
    timing: Timing,
    initial_limit: Option<usize>,
    entropy: Entropy,
    phase: Phase,
    waiting: VecDeque<(RequestId, Destination, Request)>,
    next_id: u64,
    out: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    /// Whether the session was closed while the controller may already have opened it.
    is_unwanted: bool,
    received: Received,
}

/// Datagrams received so far.
#[derive(Debug)]
enum Received {
    Nothing,
    /// Only invalid ones; the error is that of the first.
    OnlyInvalid(ProtoError),
    /// At least one valid one.
    Valid,
}

#[derive(Debug)]
enum Phase {
    Discovering(Discovery, Instant),
    Opening(Box<Attempt>),
    Opening15(Box<Lan15Attempt>),
    Open(Box<Established>),
    Ended,
}

/// Credentials and options of a login.
#[derive(Clone, Debug)]
pub struct Login {
    pub(crate) user: UserName,
    pub(crate) password: Password,
    pub(crate) group_key: Option<GroupKey>,
    pub(crate) privilege: Privilege,
    /// INVARIANT: not empty.
    pub(crate) suites: Vec<CipherSuite>,
    pub(crate) method: LoginMethod,
}

/// First step of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginMethod {
    /// Open Session with the first suite.
    RmcpPlus,
    /// Get Channel Authentication Capabilities and Get Channel Cipher Suites.
    Discovery,
    /// An IPMI 1.5 login.
    Lan15(AuthenticationType),
}

impl Login {
    /// Returns a login as administrator with suite 17, or suite 3 if the controller rejects 17.
    #[must_use]
    pub fn new(user: UserName, password: Password) -> Self {
        let suites = vec![CipherSuite::SHA256, CipherSuite::SHA1];
        Self {
            user,
            password,
            group_key: None,
            privilege: Privilege::Administrator,
            suites,
            method: LoginMethod::RmcpPlus,
        }
    }

    /// Sets the privilege level.
    #[must_use]
    pub fn privilege(mut self, privilege: Privilege) -> Self {
        self.privilege = privilege;
        self
    }

    /// Lowers the privilege level to `privilege` if it is higher.
    #[must_use]
    pub fn at_most(mut self, privilege: Privilege) -> Self {
        self.privilege = self.privilege.min(privilege);
        self
    }

    /// Returns the requested privilege level.
    #[must_use]
    pub fn level(&self) -> Privilege {
        self.privilege
    }

    /// Allows only this cipher suite.
    #[must_use]
    pub fn suite(mut self, suite: CipherSuite) -> Self {
        self.suites = vec![suite];
        self
    }

    /// Queries the suites of the controller before the login and tries the offered ones first. Without this,
    /// allowed suites are tried in order, which takes fewer packets with most controllers.
    #[must_use]
    pub fn discover(mut self) -> Self {
        self.method = LoginMethod::Discovery;
        self
    }

    /// Uses an IPMI 1.5 session, which has no encryption and weak authentication.
    ///
    /// # Errors
    /// If the password is longer than the 16 bytes of IPMI 1.5; it would be truncated to a different
    /// password.
    pub fn lan15(mut self, kind: AuthenticationType) -> Result<Self, ProtoError> {
        if !self.password.fits_16() {
            return Err(ProtoError::LongForLan15);
        }
        self.method = LoginMethod::Lan15(kind);
        Ok(self)
    }

    /// Sets the key `K_g` of the controller, used in addition to the password.
    #[must_use]
    pub fn group_key(mut self, key: GroupKey) -> Self {
        self.group_key = Some(key);
        self
    }
}

/// Time limits and number of parallel requests of a session.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Time limit for the whole login and for each response, including all retransmissions.
    pub limit: Duration,
    /// Maximum number of outstanding requests, 1 to 32. A session starts with four, adds more while they are
    /// answered, and reduces the number when a response is lost.
    pub open_requests: usize,
    /// Idle time after which a request is sent to keep the session alive: controllers end a session after a
    /// minute.
    pub keep_alive: Duration,
}

impl Timing {
    /// Upper limit of outstanding requests.
    pub const MOST_OPEN_REQUESTS: usize = request_limit::MAX;
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(10),
            open_requests: Self::MOST_OPEN_REQUESTS,
            keep_alive: Duration::from_secs(25),
        }
    }
}

/// Identifies a request of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u64);

impl RequestId {
    /// Returns the number; requests of a session are counted from 0.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Event of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The login succeeded, and requests are sent from now on. For level `User` no privilege level is set,
    /// because sessions start with it, unless the controller rejects a request for that reason. If it rejects
    /// that level as well, the session ends.
    Established {
        /// Protection of the session.
        protection: Protection,
        /// GUID of the controller, if the login contains one. Some manufacturers use the same GUID for all
        /// devices of a kind.
        guid: Option<[u8; 16]>,
    },
    /// A request is complete. A completion code that asks to retry is returned only after the time limit.
    Answered {
        /// The request.
        id: RequestId,
        /// The response, or the error that prevented it.
        outcome: Result<Response, ProtoError>,
    },
    /// A packet for a [`SerialConsole`](crate::serial::SerialConsole).
    Serial(Vec<u8>),
    /// The session ended, and with it all requests: it was closed, or the login failed.
    Ended(Result<(), ProtoError>),
}

impl Session {
    /// Starts a login. The seed must come from a cryptographically secure source and must not be reused.
    #[must_use]
    pub fn start(login: Login, seed: [u8; 32], timing: Timing, now: Instant) -> Self {
        let mut session = Self {
            timing,
            initial_limit: None,
            entropy: Entropy::new(seed),
            phase: Phase::Ended,
            waiting: VecDeque::new(),
            next_id: 0,
            out: VecDeque::new(),
            events: VecDeque::new(),
            is_unwanted: false,
            received: Received::Nothing,
            login,
        };
        let give_up_at = now + timing.limit;
        match session.login.method {
            LoginMethod::RmcpPlus => session.open_session(session.login.suites.clone(), give_up_at, now),
            LoginMethod::Discovery => {
                let discovery = Discovery::first(now);
                session.out.push_back(discovery.frame(&session.login));
                session.phase = Phase::Discovering(discovery, give_up_at);
            }
            LoginMethod::Lan15(kind) => {
                let attempt = Lan15Attempt::first(kind, give_up_at, now);
                session.out.push_back(attempt.challenge(&session.login));
                session.phase = Phase::Opening15(Box::new(attempt));
            }
        }
        session
    }

    fn open_session(&mut self, suites: Vec<CipherSuite>, give_up_at: Instant, now: Instant) {
        let attempt = Attempt::first(suites, &mut self.entropy, give_up_at, now);
        self.out.push_back(attempt.frame());
        self.phase = Phase::Opening(Box::new(attempt));
    }

    /// Sets the initial number of outstanding requests, if it is known from an earlier session with this
    /// controller; the default is four. It has no effect once the session is established.
    pub fn set_initial_limit(&mut self, open_requests: usize) {
        self.initial_limit = Some(open_requests);
    }

    /// Returns the number of outstanding requests that the controller currently keeps up with; `None` if no
    /// session is established.
    #[must_use]
    pub fn request_limit(&self) -> Option<usize> {
        match &self.phase {
            Phase::Open(session) => Some(session.request_limit()),
            _ => None,
        }
    }

    /// Reserves memory for this number of further requests.
    pub fn reserve(&mut self, requests: usize) {
        self.waiting.reserve(requests);
        if let Phase::Open(session) = &mut self.phase {
            session.reserve(requests.min(request_limit::MAX));
        }
    }

    /// Queues a request. It is sent once the session is established and the number of outstanding requests
    /// permits.
    pub fn request(&mut self, request: Request) -> RequestId {
        self.request_at(Destination::CONTROLLER, request)
    }

    /// Queues a request for another logical unit, or for another controller behind this one.
    pub fn request_at(&mut self, destination: Destination, request: Request) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        if matches!(self.phase, Phase::Ended) {
            self.events.push_back(Event::Answered { id, outcome: Err(ProtoError::Ended) });
        } else {
            self.waiting.push_back((id, destination, request));
        }
        id
    }

    /// Processes a datagram from the controller.
    ///
    /// # Errors
    /// If the datagram does not belong to this session or is not valid. It was dropped, and the session
    /// continues.
    pub fn receive(&mut self, datagram: &[u8], now: Instant) -> Result<(), ProtoError> {
        let result = self.process(datagram, now);
        match (&result, &self.received) {
            (Ok(()), _) => self.received = Received::Valid,
            (Err(error), Received::Nothing) => self.received = Received::OnlyInvalid(error.clone()),
            (Err(_), _) => {}
        }
        result
    }

    fn process(&mut self, datagram: &[u8], now: Instant) -> Result<(), ProtoError> {
        let frame = Frame::decode(datagram)?;
        match (&mut self.phase, &frame) {
            (Phase::Discovering(discovery, give_up_at), Frame::Lan15(packet)) => {
                let (found, give_up_at) = (discovery.receive(packet, &self.login, now)?, *give_up_at);
                self.found(found, give_up_at, now);
            }
            (Phase::Opening(attempt), Frame::RmcpPlus(packet)) => {
                let outcome = attempt.receive(packet, &self.login, &mut self.entropy, now)?;
                self.advance(outcome, now);
            }
            (Phase::Opening(attempt), Frame::Lan15(packet)) if attempt.is_silent() => {
                let answer = Answer::decode(packet.in_clear()?)?;
                let ask = self.capabilities();
                let requested = ask.request();
                if (answer.net_fn, answer.command) != (requested.net_fn, requested.command) {
                    return Err(ProtoError::OutOfWindow);
                }
                let capabilities = ask.reply(&answer.response.data)?;
                if let Some(error) = discovery::without_rmcp_plus(&capabilities) {
                    self.end(Err(error));
                }
            }
            (Phase::Opening15(attempt), Frame::Lan15(packet)) => {
                let outcome = attempt.receive(packet, &self.login, &mut self.entropy, now)?;
                self.advance(outcome, now);
            }
            (Phase::Open(session), frame) => {
                let done = session.receive(frame, now)?;
                if done.needs_level {
                    let until = now + self.timing.limit;
                    let level = self.login.privilege;
                    self.out.push_back(session.set_privilege(level, until, &mut self.entropy, now));
                }
                self.done(done, now);
            }
            (Phase::Ended, _) => return Err(ProtoError::Ended),
            _ => return Err(ProtoError::OutOfWindow),
        }
        Ok(())
    }

    /// Resends requests that have not been answered, or ends them at their time limit.
    pub fn tick(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Discovering(_, give_up_at) if now >= *give_up_at => self.end(Err(ProtoError::NoAnswer)),
            Phase::Discovering(discovery, give_up_at) => {
                let (found, give_up_at) = (discovery.tick(&self.login, now), *give_up_at);
                self.found(found, give_up_at, now);
            }
            Phase::Opening(_) | Phase::Opening15(_) if self.is_unwanted => {
                if self.deadline().is_some_and(|deadline| now >= deadline) {
                    self.end(Ok(()));
                }
            }
            Phase::Opening(attempt) => {
                let outcome = attempt.tick(&self.login, &mut self.entropy, now);
                let is_silent = attempt.is_silent();
                self.advance(outcome, now);
                if is_silent && matches!(self.phase, Phase::Opening(_)) {
                    // An IPMI 1.5 controller ignores Open Session; this query finds out whether it is one.
                    let request = self.capabilities().request().encode(SequenceNumber::FIRST);
                    self.out.push_back(lan15::in_clear(&request));
                }
            }
            Phase::Opening15(attempt) => {
                let outcome = attempt.tick(&self.login, now);
                self.advance(outcome, now);
            }
            Phase::Open(session) => {
                let done = session.tick(&mut self.entropy, &mut self.out, now);
                let Timing { keep_alive, limit, .. } = self.timing;
                self.out.extend(session.keep_alive(keep_alive, limit, &mut self.entropy, now));
                self.done(done, now);
            }
            Phase::Ended => {}
        }
    }

    fn capabilities(&self) -> GetAuthenticationCapabilities {
        GetAuthenticationCapabilities { privilege: self.login.privilege, detail: Detail::Ipmi20 }
    }

    /// Returns the time at which [`tick`](Self::tick) must be called, unless a datagram arrives before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Discovering(discovery, give_up_at) => Some(discovery.deadline().min(*give_up_at)),
            Phase::Opening(attempt) => Some(attempt.deadline()),
            Phase::Opening15(attempt) => Some(attempt.deadline()),
            Phase::Open(session) => session.deadline(self.timing.keep_alive),
            Phase::Ended => None,
        }
    }

    /// Returns the next datagram for the controller, or `None`.
    pub fn transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let mut datagram = Vec::new();
        self.write_next(&mut datagram, now).then_some(datagram)
    }

    /// Appends all datagrams that are ready for the controller.
    pub fn transmit_into(&mut self, frames: &mut Frames, now: Instant) {
        while frames.add_if(|out| self.write_next(out, now)) {}
    }

    /// Appends the next datagram if there is one; returns whether there was.
    fn write_next(&mut self, out: &mut Vec<u8>, now: Instant) -> bool {
        if let Some(frame) = self.out.pop_front() {
            out.extend_from_slice(&frame);
            return true;
        }
        let Self { phase: Phase::Open(session), waiting, entropy, timing, .. } = self else { return false };
        if !session.has_room(timing.open_requests) {
            return false;
        }
        if let Some(frame) = session.resume(entropy, now) {
            out.extend_from_slice(&frame);
            return true;
        }
        let Some((id, destination, request)) = waiting.pop_front() else { return false };
        let (purpose, give_up_at) = (Purpose::Caller(id), now + timing.limit);
        session.write(NewRequest { purpose, destination, request, give_up_at }, entropy, now, out);
        true
    }

    /// Returns the oldest event not returned yet.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Sends a packet of the serial console. The console itself handles acknowledgement and resending.
    pub fn send_serial(&mut self, payload: &[u8]) {
        if let Phase::Open(session) = &mut self.phase {
            self.out.push_back(session.seal_serial(payload, &mut self.entropy));
        }
    }

    /// Ends the session, so that its slot at the controller becomes free: controllers have few. Queued
    /// requests are dropped.
    pub fn close(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Open(session) => {
                self.waiting.clear();
                if !session.is_closing() {
                    // If the controller does not respond, its session times out anyway: two seconds are
                    // enough to try.
                    let until = now + self.timing.limit.min(Duration::from_secs(2));
                    self.out.push_back(session.close(until, &mut self.entropy, now));
                }
            }
            // The response may be on its way, and only with it can the session be closed.
            Phase::Opening(attempt) if attempt.may_be_open() => self.is_unwanted = true,
            Phase::Opening15(attempt) if attempt.may_be_open() => self.is_unwanted = true,
            Phase::Discovering(..) | Phase::Opening(_) | Phase::Opening15(_) => self.end(Ok(())),
            Phase::Ended => {}
        }
    }

    fn found(&mut self, found: Found, give_up_at: Instant, now: Instant) {
        match found {
            Found::Waiting => {}
            Found::Send(frame) => self.out.push_back(frame),
            Found::Suites(suites) => self.open_session(suites, give_up_at, now),
            Found::Failed(error) => self.end(Err(error)),
        }
    }

    fn advance(&mut self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Waiting => {}
            Outcome::Send(frame) => self.out.push_back(frame),
            Outcome::Failed { error, goodbye } => {
                self.out.extend(goodbye);
                self.end(if self.is_unwanted { Ok(()) } else { Err(error) });
            }
            Outcome::Proven(session) if self.is_unwanted => {
                self.phase = Phase::Open(session);
                self.close(now);
            }
            Outcome::Proven(mut session) => {
                session.set_initial_limit(self.initial_limit);
                if self.login.privilege == Privilege::User {
                    self.events.push_back(session.enter_as_user());
                } else {
                    let until = now + self.timing.limit;
                    let level = self.login.privilege;
                    self.out.push_back(session.set_privilege(level, until, &mut self.entropy, now));
                }
                self.phase = Phase::Open(session);
            }
        }
    }

    fn done(&mut self, done: Done, now: Instant) {
        self.events.extend(done.serial.map(Event::Serial));
        let answered = done.answered.map(|(purpose, response)| (purpose, Ok(response)));
        for (purpose, outcome) in answered.into_iter().chain(done.given_up) {
            self.finish(purpose, outcome, now);
        }
        // No packet arrived for a whole time limit, so the other requests need not wait for theirs.
        if done.is_silent && !matches!(self.phase, Phase::Ended) {
            self.end(Err(ProtoError::NoAnswer));
        }
    }

    fn finish(&mut self, purpose: Purpose, outcome: Result<Response, ProtoError>, now: Instant) {
        match purpose {
            Purpose::Caller(id) => self.events.push_back(Event::Answered { id, outcome }),
            Purpose::SetPrivilege => match (outcome, &self.phase) {
                (Ok(response), Phase::Open(session)) if response.code == CompletionCode::OK => {
                    if self.login.privilege != Privilege::User {
                        self.events.push_back(session.established_event());
                    }
                }
                (Ok(response), _) => {
                    let (level, code) = (self.login.privilege.name(), response.code.0);
                    self.leave(ProtoError::Level { level, code }, now);
                }
                (Err(error), _) => self.leave(error, now),
            },
            // The response does not matter; a missing one is detected elsewhere.
            Purpose::KeepAlive => {}
            Purpose::Close => self.end(Ok(())),
        }
    }

    /// Ends a session that is not usable and sends Close Session, so that the controller frees the slot. Does
    /// not wait for the response.
    fn leave(&mut self, error: ProtoError, now: Instant) {
        if let Phase::Open(session) = &mut self.phase
            && !session.is_closing()
        {
            self.out.push_back(session.close(now, &mut self.entropy, now));
        }
        self.end(Err(error));
    }

    fn end(&mut self, outcome: Result<(), ProtoError>) {
        let outcome = match (outcome, &self.received) {
            // Datagrams are not authenticated here, so they change the message only.
            (Err(ProtoError::NoAnswer), Received::OnlyInvalid(error)) => {
                Err(ProtoError::NoValidAnswer { reason: error.to_string() })
            }
            (outcome, _) => outcome,
        };
        let open = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Ended => return,
            Phase::Open(session) => session.callers(),
            _ => Vec::new(),
        };
        let error = outcome.clone().err().unwrap_or(ProtoError::Ended);
        for id in open.into_iter().chain(self.waiting.drain(..).map(|(id, ..)| id)) {
            self.events.push_back(Event::Answered { id, outcome: Err(error.clone()) });
        }
        self.events.push_back(Event::Ended(outcome));
    }
}
