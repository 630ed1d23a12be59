//! Client side of the Digest scheme: proves a password without sending it (RFC 7616, RFC 2617, RFC 2069).
//!
//! ```
//! use telarch_auth::Secret;
//! use telarch_auth::digest::{Challenge, Session};
//!
//! // Parameters of `WWW-Authenticate: Digest realm="WSMAN", nonce="…", qop="auth"`, without quotes.
//! let challenge = Challenge::parse([("realm", "WSMAN"), ("nonce", "1f0c"), ("qop", "auth")])?;
//! let mut session = Session::new("operator", Secret::new("s3cret".to_owned()))?;
//! session.challenge(challenge)?;
//! let value = session.authorization("POST", "/wsman", "random, new for every request")?;
//! assert!(value.starts_with("Digest username=\"operator\", realm=\"WSMAN\", uri=\"/wsman\""));
//! # Ok::<(), telarch_auth::digest::DigestError>(())
//! ```
//!
//! Digest does not seal messages, so it requires HTTPS or permission for unencrypted messages. The service never offers
//! it. `auth-int` and `rspauth` are not supported.

mod challenge;
#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

use self::challenge::Protection;
pub use self::challenge::{Challenge, DigestError};
use crate::Secret;

/// Digest state for one user at one service: the current challenge and the number of responses to it.
#[derive(Debug)]
pub struct Session {
    /// INVARIANT: not empty, without colons and control characters.
    user: String,
    password: Secret,
    state: State,
}

/// Progress of the exchange.
#[derive(Debug)]
enum State {
    /// No challenge received yet.
    Unchallenged,
    /// A challenge was received and not yet answered.
    Challenged(Box<Exchange>),
    /// The challenge was answered; another one means that the response was rejected.
    Answered(Box<Exchange>),
}

#[derive(Debug)]
struct Exchange {
    challenge: Challenge,
    /// Hash of user, realm and password (HA1); with `-sess` it includes the nonces of the first response.
    key: Option<Hashed>,
    /// Number of responses to this nonce.
    count: u32,
    /// Whether the challenge replaced a stale one.
    retry: Retry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retry {
    First,
    Second,
}

impl Session {
    /// Creates a session without a challenge.
    ///
    /// # Errors
    /// [`DigestError::UserName`] if the name is empty or contains a colon or a control character.
    pub fn new(user: &str, password: Secret) -> Result<Self, DigestError> {
        if user.is_empty() || user.chars().any(|c| c.is_control() || c == ':') {
            return Err(DigestError::UserName);
        }
        Ok(Self { user: user.to_owned(), password, state: State::Unchallenged })
    }

    /// Processes the challenge of a 401 response. On success, send the request again with a response.
    ///
    /// Accepted are the first challenge and, once per request, a challenge that marks the nonce of the last response as
    /// stale.
    ///
    /// # Errors
    /// [`DigestError::Refused`] if a response was rejected: the name or the password is wrong.
    pub fn challenge(&mut self, challenge: Challenge) -> Result<(), DigestError> {
        let retry = match &self.state {
            State::Unchallenged => Retry::First,
            State::Challenged(unanswered) => unanswered.retry,
            State::Answered(answered) if challenge.stale() && answered.retry == Retry::First => Retry::Second,
            State::Answered(_) => return Err(DigestError::Refused),
        };
        self.state = State::Challenged(Box::new(Exchange { challenge, key: None, count: 0, retry }));
        Ok(())
    }

    /// Returns the value of the `Authorization` header for one request.
    ///
    /// `uri` is the target of the request line; `cnonce` has at least eight characters and must be random and new.
    /// Calling this twice without a challenge in between means that the first response was accepted.
    ///
    /// # Errors
    /// [`DigestError::NotChallenged`] before the first challenge, [`DigestError::UsedUp`] after 2³² responses to one
    /// nonce, and [`DigestError::Unwritable`] for arguments that cannot be part of a header.
    pub fn authorization(
        &mut self,
        method: &str,
        uri: &str,
        cnonce: &str,
    ) -> Result<Zeroizing<String>, DigestError> {
        if !is_argument(method, 1) || !is_argument(uri, 1) || !is_argument(cnonce, 8) {
            return Err(DigestError::Unwritable);
        }
        let mut exchange = match std::mem::replace(&mut self.state, State::Unchallenged) {
            State::Unchallenged => return Err(DigestError::NotChallenged),
            State::Challenged(exchange) => exchange,
            State::Answered(exchange) => Box::new(Exchange { retry: Retry::First, ..*exchange }),
        };
        exchange.count = exchange.count.checked_add(1).ok_or(DigestError::UsedUp)?;
        let value = exchange.answer(&self.user, &self.password, Request { method, uri, cnonce });
        self.state = State::Answered(exchange);
        Ok(value)
    }
}

struct Request<'a> {
    method: &'a str,
    uri: &'a str,
    cnonce: &'a str,
}

impl Exchange {
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

fn is_argument(text: &str, min_length: usize) -> bool {
    (min_length..=MAX_ARGUMENT).contains(&text.len()) && !text.chars().any(char::is_control)
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
