//! Digest on one connection: the challenge, and an answer of its own for every request (RFC 7616).

use auth::digest::{Challenge, DigestError, Session};
use http::ResponseHead;
use zeroize::Zeroizing;

use super::{Asker, Credentials};
use crate::random::random;

/// The answers of one user to one service; a nonce is counted by the connection it came over.
#[derive(Debug)]
pub(crate) struct Answers {
    user: String,
    session: Session,
    standing: Standing,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing was sent yet.
    New,
    /// The service has asked for nothing, so nothing is proven.
    NotAsked,
    /// There is a challenge to answer.
    Asked,
}

/// What a 401 asks of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To send the request again, with another answer.
    Again,
    /// Nothing that would help: what was answered is wrong, or the scheme is another.
    Refused,
    /// Something that is not known here.
    Unanswerable(DigestError),
}

impl Answers {
    pub(crate) fn new(credentials: &Credentials) -> Result<Self, DigestError> {
        let session = Session::new(&credentials.user, credentials.password.clone())?;
        Ok(Self { user: credentials.user.clone(), session, standing: Standing::New })
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// Whether the service is still to be asked for its challenge.
    pub(crate) fn is_new(&self) -> bool {
        self.standing == Standing::New
    }

    /// Notes that the service let us in without asking.
    pub(crate) fn not_asked(&mut self) {
        self.standing = Standing::NotAsked;
    }

    /// The value of `Authorization` for a request; none before there is a challenge.
    pub(crate) fn next(&mut self, method: &str, target: &str) -> Option<Zeroizing<String>> {
        let random: [u8; 16] = random();
        let cnonce: String = random.iter().map(|octet| format!("{octet:02x}")).collect();
        self.session.authorization(method, target, &cnonce).ok()
    }

    /// Takes what a 401 or 407 asks for.
    pub(crate) fn asked(&mut self, head: &ResponseHead, asker: Asker) -> Asked {
        let mut failure = None;
        let mut challenges = Vec::new();
        for line in head.headers(asker.header()) {
            for challenge in http::Challenge::parse_list(line).unwrap_or_default() {
                if challenge.is("Digest") {
                    match Challenge::parse(challenge.parameters()) {
                        Ok(challenge) => challenges.push(challenge),
                        Err(error) => failure = Some(error),
                    }
                }
            }
        }
        let Some(challenge) = Challenge::strongest(challenges) else {
            return failure.map_or(Asked::Refused, Asked::Unanswerable);
        };
        self.standing = Standing::Asked;
        match self.session.challenge(challenge) {
            Ok(()) => Asked::Again,
            Err(_) => Asked::Refused,
        }
    }
}
