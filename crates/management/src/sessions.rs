//! Sessions of signed-in users.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use locks::Mutex;

use crate::token::TokenHash;
use crate::{ManagementError, Timestamp, Token};

/// A session, without its secret.
#[derive(Clone, Debug)]
pub struct Session {
    /// Public identifier, for lists.
    pub id: String,
    /// Name of the user.
    pub user: String,
    /// Address of the client that signed in.
    pub from: IpAddr,
    /// Time of the sign-in.
    pub since: Timestamp,
    /// Secret that every changing request of a browser repeats.
    pub csrf: Token,
    started: Instant,
    used: Instant,
    elevated_until: Option<Instant>,
}

impl Session {
    /// Returns whether the user has repeated the password in the last five minutes.
    #[must_use]
    pub fn is_elevated(&self, now: Instant) -> bool {
        self.elevated_until.is_some_and(|until| now < until)
    }

    /// Returns an identifier that stays the same when the session is elevated, and that is no secret.
    #[must_use]
    pub fn lasting_id(&self) -> String {
        self.csrf.hash().identifier()
    }

    fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) < IDLE
            && now.saturating_duration_since(self.started) < ABSOLUTE
    }
}

/// A new session with the secret for the client's cookie.
#[derive(Debug)]
pub struct NewSession {
    /// Secret of the session.
    pub token: Token,
    /// The session.
    pub session: Session,
}

/// All sessions. They end after 15 minutes without a request, and at the latest after 12 hours.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<TokenHash, Session>>);

impl Sessions {
    /// Starts a session, elevated for five minutes. The oldest session of the user ends if there are 20.
    ///
    /// # Errors
    /// [`ManagementError::TooMany`] if there are 1000 sessions; [`ManagementError::Random`] without randomness.
    pub fn start(&self, user: &str, from: IpAddr, now: Instant) -> Result<NewSession, ManagementError> {
        let (token, csrf) = (Token::random()?, Token::random()?);
        let mut sessions = self.0.lock();
        sessions.retain(|_, session| session.is_live(now));
        let own = sessions.iter().filter(|(_, session)| session.user == user);
        if own.clone().count() >= MAX_OF_USER
            && let Some(oldest) = own.min_by_key(|(_, session)| session.used).map(|(hash, _)| *hash)
        {
            sessions.remove(&oldest);
        }
        if sessions.len() >= MAX_SESSIONS {
            return Err(ManagementError::TooMany { kind: "sessions", limit: MAX_SESSIONS });
        }
        let hash = token.hash();
        let session = Session {
            id: hash.identifier(),
            user: user.to_owned(),
            from,
            since: Timestamp::now(),
            csrf,
            started: now,
            used: now,
            elevated_until: Some(now + ELEVATION),
        };
        sessions.insert(hash, session.clone());
        Ok(NewSession { token, session })
    }

    /// Returns the session of a token that a client has sent, and prolongs it.
    pub fn find(&self, token: &str, now: Instant) -> Option<Session> {
        let mut sessions = self.0.lock();
        let session = sessions.get_mut(&TokenHash::of(token)).filter(|session| session.is_live(now))?;
        session.used = now;
        Some(session.clone())
    }

    /// Returns the user of a live session without prolonging it.
    #[must_use]
    pub fn user(&self, token: &str, now: Instant) -> Option<String> {
        let sessions = self.0.lock();
        sessions
            .get(&TokenHash::of(token))
            .filter(|session| session.is_live(now))
            .map(|found| found.user.clone())
    }

    /// Returns the user of the live session with this secret for changing requests, which does not change with the token.
    /// `is_used` prolongs the session.
    #[must_use]
    pub fn user_of_secret(&self, csrf: &str, is_used: bool, now: Instant) -> Option<String> {
        let mut sessions = self.0.lock();
        let found = sessions.values_mut().find(|session| session.csrf.matches(csrf))?;
        if !found.is_live(now) {
            return None;
        }
        if is_used {
            found.used = now;
        }
        Some(found.user.clone())
    }

    /// Replaces the token of a session and elevates it for five minutes, after the user has repeated the password.
    ///
    /// # Errors
    /// [`ManagementError::NotFound`] if the session has ended; [`ManagementError::Random`] without randomness.
    pub fn elevate(&self, token: &str, now: Instant) -> Result<NewSession, ManagementError> {
        let fresh = Token::random()?;
        let mut sessions = self.0.lock();
        let mut session = sessions.remove(&TokenHash::of(token)).ok_or_else(|| {
            ManagementError::NotFound { kind: "session", name: "of this request".to_owned() }
        })?;
        session.elevated_until = Some(now + ELEVATION);
        session.id = fresh.hash().identifier();
        sessions.insert(fresh.hash(), session.clone());
        Ok(NewSession { token: fresh, session })
    }

    /// Ends the session of a token.
    pub fn end(&self, token: &str) {
        self.0.lock().remove(&TokenHash::of(token));
    }

    /// Ends the session with a public identifier; returns whether there was one.
    pub fn end_by_id(&self, id: &str) -> bool {
        let mut sessions = self.0.lock();
        let before = sessions.len();
        sessions.retain(|_, session| session.id != id);
        sessions.len() < before
    }

    /// Ends all sessions of a user, after a change of the user's password, state or permissions.
    pub fn end_of_user(&self, user: &str) {
        self.0.lock().retain(|_, session| !session.user.eq_ignore_ascii_case(user));
    }

    /// Returns the live sessions, the oldest first.
    #[must_use]
    pub fn list(&self, now: Instant) -> Vec<Session> {
        let mut sessions: Vec<_> =
            self.0.lock().values().filter(|session| session.is_live(now)).cloned().collect();
        sessions.sort_by_key(|session| session.started);
        sessions
    }
}

const IDLE: Duration = Duration::from_secs(15 * 60);
const ABSOLUTE: Duration = Duration::from_secs(12 * 3_600);
const ELEVATION: Duration = Duration::from_secs(5 * 60);
const MAX_SESSIONS: usize = 1_000;
const MAX_OF_USER: usize = 20;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn sessions_end_when_idle_and_after_twelve_hours() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let new = sessions.start("ada", FROM, start).unwrap();
        let token = new.token.expose();
        let mut now = start;
        while now < start + ABSOLUTE - IDLE {
            now += IDLE - Duration::from_secs(1);
            assert!(sessions.find(token, now).is_some());
        }
        assert!(sessions.find(token, start + ABSOLUTE).is_none());
        let new = sessions.start("ada", FROM, start).unwrap();
        assert!(sessions.find(new.token.expose(), start + IDLE).is_none());
        assert!(sessions.find("", start).is_none());
    }

    #[test]
    fn elevation_lasts_five_minutes_and_changes_the_token() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let old = sessions.start("ada", FROM, start).unwrap();
        let later = start + ELEVATION;
        assert!(old.session.is_elevated(start) && !old.session.is_elevated(later));
        let new = sessions.elevate(old.token.expose(), later).unwrap();
        // The secret for changing requests stays.
        let secret = old.session.csrf.expose();
        assert_eq!(sessions.user_of_secret(secret, true, later).as_deref(), Some("ada"));
        assert_eq!(sessions.user_of_secret(secret, false, later + IDLE), None);
        assert_eq!(sessions.user_of_secret("", true, later), None);
        assert!(new.session.is_elevated(later));
        assert!(sessions.find(old.token.expose(), later).is_none());
        assert!(sessions.find(new.token.expose(), later).is_some());
        sessions.end_of_user("ADA");
        assert!(sessions.list(later).is_empty());
    }

    #[test]
    fn a_user_has_at_most_twenty_sessions() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let first = sessions.start("ada", FROM, start).unwrap();
        for number in 1..=20 {
            sessions.start("ada", FROM, start + Duration::from_secs(number)).unwrap();
        }
        assert_eq!(sessions.list(start).len(), 20);
        assert!(sessions.find(first.token.expose(), start).is_none());
    }
}
