//! Digest, the client's side: a password is proven without being sent (RFC 7616, RFC 2617, RFC 2069).
//!
//! ```
//! use telarch_auth::Secret;
//! use telarch_auth::digest::{Challenge, Session};
//!
//! // As a service sent it in `WWW-Authenticate: Digest realm="WSMAN", nonce="…", qop="auth"`, without the quotes.
//! let challenge = Challenge::parse([("realm", "WSMAN"), ("nonce", "1f0c"), ("qop", "auth")])?;
//! let mut session = Session::new("operator", Secret::new("s3cret".to_owned()))?;
//! session.challenge(challenge)?;
//! let value = session.authorization("POST", "/wsman", "random, for every request another")?;
//! assert!(value.starts_with("Digest username=\"operator\", realm=\"WSMAN\", uri=\"/wsman\""));
//! # Ok::<(), telarch_auth::digest::DigestError>(())
//! ```
//!
//! Nothing is sealed, so this is for HTTPS, or for where unencrypted messages are allowed.
//! The service never offers it. `auth-int` is left out, as it is everywhere else; so is `rspauth`.

mod challenge;
#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

use self::challenge::Protection;
pub use self::challenge::{Challenge, DigestError};
use crate::Secret;

/// One user at one service: remembers the challenge and counts the answers to it.
#[derive(Debug)]
pub struct Session {
    /// INVARIANT: not empty, without colons and control characters.
    user: String,
    password: Secret,
    state: State,
}

/// What was answered so far.
#[derive(Debug)]
enum State {
    /// No challenge came yet.
    Waiting,
    /// A challenge is there, the next step is ours.
    Challenged(Box<Answering>),
    /// The challenge was answered; another one means that the answer was not taken.
    Answered(Box<Answering>),
}

#[derive(Debug)]
struct Answering {
    challenge: Challenge,
    /// What user, realm and password come to; with `-sess`, the nonces of the first answer, too.
    key: Option<Hashed>,
    /// How many answers this nonce has had.
    count: u32,
    /// Whether the challenge came in place of one that had become stale.
    retry: Retry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retry {
    First,
    Second,
}

impl Session {
    /// Begins a session; nothing can be answered before there is a challenge.
    ///
    /// # Errors
    /// [`DigestError::UserName`].
    pub fn new(user: &str, password: Secret) -> Result<Self, DigestError> {
        if user.is_empty() || user.chars().any(|c| c.is_control() || c == ':') {
            return Err(DigestError::UserName);
        }
        Ok(Self { user: user.to_owned(), password, state: State::Waiting })
    }

    /// Takes the challenge of a 401. `Ok` means: answer it.
    ///
    /// The first one is answered, and one that says that the nonce of the last answer had become stale: once for
    /// every request.
    ///
    /// # Errors
    /// [`DigestError::Refused`] after an answer that was not taken: the name or the password is wrong.
    pub fn challenge(&mut self, challenge: Challenge) -> Result<(), DigestError> {
        let retry = match &self.state {
            State::Waiting => Retry::First,
            State::Challenged(unanswered) => unanswered.retry,
            State::Answered(answered) if challenge.stale() && answered.retry == Retry::First => Retry::Second,
            State::Answered(_) => return Err(DigestError::Refused),
        };
        self.state = State::Challenged(Box::new(Answering { challenge, key: None, count: 0, retry }));
        Ok(())
    }

    /// The value of the header `Authorization` for one request.
    ///
    /// `uri` is the target of the request line, `cnonce` at least eight characters that are random and new.
    /// Two answers without a challenge between them mean that the first one was taken.
    ///
    /// # Errors
    /// [`DigestError::NotChallenged`] before the first challenge, [`DigestError::UsedUp`] after 2³² answers to one,
    /// and [`DigestError::Unwritable`] for arguments that do not fit into a header.
    pub fn authorization(
        &mut self,
        method: &str,
        uri: &str,
        cnonce: &str,
    ) -> Result<Zeroizing<String>, DigestError> {
        let fits = |text: &str, least: usize| {
            (least..=MAX_ARGUMENT).contains(&text.len()) && !text.chars().any(char::is_control)
        };
        if !fits(method, 1) || !fits(uri, 1) || !fits(cnonce, 8) {
            return Err(DigestError::Unwritable);
        }
        let mut answering = match std::mem::replace(&mut self.state, State::Waiting) {
            State::Waiting => return Err(DigestError::NotChallenged),
            State::Challenged(answering) => answering,
            State::Answered(answering) => Box::new(Answering { retry: Retry::First, ..*answering }),
        };
        answering.count = answering.count.checked_add(1).ok_or(DigestError::UsedUp)?;
        let value = answering.answer(&self.user, &self.password, Request { method, uri, cnonce });
        self.state = State::Answered(answering);
        Ok(value)
    }
}

struct Request<'a> {
    method: &'a str,
    uri: &'a str,
    cnonce: &'a str,
}

impl Answering {
    fn answer(&mut self, user: &str, password: &Secret, request: Request<'_>) -> Zeroizing<String> {
        let Self { challenge, key, count, .. } = self;
        let algorithm = challenge.algorithm();
        let count = format!("{count:08x}");
        let key = key.get_or_insert_with(|| challenge.key(user, password, request.cnonce));
        let target = algorithm.hash(&[request.method, request.uri]);
        let response = match challenge.protection() {
            Protection::Auth => {
                let nonces = [challenge.nonce(), count.as_str(), request.cnonce, "auth"];
                algorithm.hash(&[&[key.as_str()], nonces.as_slice(), &[target.as_str()]].concat())
            }
            Protection::Legacy => algorithm.hash(&[key.as_str(), challenge.nonce(), &target]),
        };

        let mut value = Zeroizing::new(String::with_capacity(512));
        value.push_str("Digest ");
        challenge.push_user(&mut value, user);
        push_quoted(&mut value, ", realm=", challenge.realm());
        push_quoted(&mut value, ", uri=", request.uri);
        if let Some(name) = challenge.named_algorithm() {
            push(&mut value, &[", algorithm=", name]);
        }
        push_quoted(&mut value, ", nonce=", challenge.nonce());
        if challenge.protection() == Protection::Auth {
            push(&mut value, &[", nc=", &count]);
            push_quoted(&mut value, ", cnonce=", request.cnonce);
            push(&mut value, &[", qop=auth"]);
        }
        push_quoted(&mut value, ", response=", &response);
        if let Some(opaque) = challenge.opaque() {
            push_quoted(&mut value, ", opaque=", opaque);
        }
        value
    }
}

/// Hexadecimal digits of a hash.
type Hashed = Zeroizing<String>;

fn push(value: &mut String, texts: &[&str]) {
    texts.iter().for_each(|text| value.push_str(text));
}

fn push_quoted(value: &mut String, name: &str, text: &str) {
    value.push_str(name);
    value.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            value.push('\\');
        }
        value.push(character);
    }
    value.push('"');
}

const MAX_ARGUMENT: usize = 4_096;
