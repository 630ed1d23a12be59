//! Queries before a login: authentication capabilities and cipher suites (IPMI 2.0, 13.14).

use std::time::Instant;

use super::Login;
use super::round_trip::RoundTrip;
use crate::capabilities::{
    AuthenticationCapabilities, Detail, GetAuthenticationCapabilities, GetCipherSuites, suites,
};
use crate::message::{Answer, SequenceNumber};
use crate::{AuthenticationType, CipherSuite, Command as _, CompletionCode, ProtoError, Request, lan15};

/// Queries before a login.
#[derive(Debug)]
pub(super) struct Discovery {
    step: Step,
    number: SequenceNumber,
    list: Vec<u8>,
    unanswered: u32,
    resend_at: Instant,
    round_trip: RoundTrip,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Capabilities(Detail),
    Suites(u8),
}

/// State after a response or timeout.
pub(super) enum Found {
    Waiting,
    Send(Vec<u8>),
    /// Suites in the order in which to try them.
    Suites(Vec<CipherSuite>),
    Failed(ProtoError),
}

impl Discovery {
    pub(super) fn first(now: Instant) -> Self {
        let round_trip = RoundTrip::default();
        Self {
            step: Step::Capabilities(Detail::Ipmi20),
            number: SequenceNumber::FIRST,
            list: Vec::new(),
            unanswered: 0,
            resend_at: now + round_trip.timeout(0),
            round_trip,
        }
    }

    pub(super) fn frame(&self, login: &Login) -> Vec<u8> {
        lan15::in_clear(&self.request(login).encode(self.number))
    }

    pub(super) fn deadline(&self) -> Instant {
        self.resend_at
    }

    /// Resends the query. After several timeouts, goes on with the login: some controllers respond to a login
    /// but not to these queries.
    pub(super) fn tick(&mut self, login: &Login, now: Instant) -> Found {
        if now < self.resend_at {
            return Found::Waiting;
        }
        self.unanswered += 1;
        if self.unanswered > MOST_UNANSWERED {
            return Found::Suites(login.suites.clone());
        }
        self.resend_at = now + self.round_trip.timeout(self.unanswered);
        Found::Send(self.frame(login))
    }

    pub(super) fn receive(
        &mut self,
        packet: &lan15::Lan15Packet<'_>,
        login: &Login,
        now: Instant,
    ) -> Result<Found, ProtoError> {
        let answer = Answer::decode(packet.in_clear()?)?;
        let request = self.request(login);
        if (answer.number, answer.net_fn, answer.command) != (self.number, request.net_fn, request.command) {
            return Err(ProtoError::OutOfWindow);
        }
        let is_done = answer.response.code == CompletionCode::OK;
        let data = &answer.response.data;
        match self.step {
            Step::Capabilities(Detail::Ipmi20) if !is_done => {
                Ok(self.ask(Step::Capabilities(Detail::Ipmi15), login, now))
            }
            Step::Capabilities(_) if !is_done => Ok(Found::Suites(login.suites.clone())),
            Step::Capabilities(detail) => {
                let ask = GetAuthenticationCapabilities { privilege: login.privilege, detail };
                let capabilities = ask.reply(data)?;
                match without_rmcp_plus(&capabilities) {
                    Some(error) => Ok(Found::Failed(error)),
                    None => Ok(self.ask(Step::Suites(0), login, now)),
                }
            }
            Step::Suites(_) if !is_done => Ok(Found::Suites(login.suites.clone())),
            Step::Suites(piece) => {
                let ask = GetCipherSuites::here(piece);
                let octets = ask.reply(data)?;
                let is_last = ask.is_last(&octets);
                self.list.extend(octets);
                if !is_last {
                    return Ok(self.ask(Step::Suites(piece + 1), login, now));
                }
                Ok(Found::Suites(in_order(&login.suites, &suites(&self.list))))
            }
        }
    }

    fn ask(&mut self, step: Step, login: &Login, now: Instant) -> Found {
        self.step = step;
        self.number = self.number.next();
        self.unanswered = 0;
        self.resend_at = now + self.round_trip.timeout(0);
        Found::Send(self.frame(login))
    }

    fn request(&self, login: &Login) -> Request {
        match self.step {
            Step::Capabilities(detail) => {
                GetAuthenticationCapabilities { privilege: login.privilege, detail }.request()
            }
            Step::Suites(piece) => GetCipherSuites::here(piece).request(),
        }
    }
}

/// Returns the error if the controller does not support IPMI 2.0 sessions.
pub(super) fn without_rmcp_plus(capabilities: &AuthenticationCapabilities) -> Option<ProtoError> {
    let names: Vec<&str> = capabilities.lan15.iter().copied().map(AuthenticationType::name).collect();
    (!capabilities.rmcp_plus).then(|| ProtoError::OnlyLan15 { kinds: names.join(", ") })
}

/// Returns the wanted suites that are offered, then the other wanted ones, because some controllers list
/// suites incorrectly. Suites that are not wanted are never used.
fn in_order(wanted: &[CipherSuite], offered: &[CipherSuite]) -> Vec<CipherSuite> {
    let (mut first, then): (Vec<_>, Vec<_>) = wanted.iter().partition(|suite| offered.contains(suite));
    first.extend(then);
    first
}

const MOST_UNANSWERED: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offered_suites_come_first_and_weak_ones_never() {
        let suite = |number| CipherSuite::new(number).unwrap();
        let wanted = [CipherSuite::SHA256, CipherSuite::SHA1];
        let offered = [suite(0), suite(1), suite(3), suite(15)];
        assert_eq!(in_order(&wanted, &offered), [CipherSuite::SHA1, CipherSuite::SHA256]);
        assert_eq!(in_order(&wanted, &[]), wanted);
    }
}
