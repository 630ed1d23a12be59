//! Digest authentication on one connection (RFC 7616).

use auth::digest::{Challenge, DigestError, Session};
use http::ResponseHead;
use zeroize::Zeroizing;

use super::{Challenger, Credentials};
use crate::random::random;

/// Digest state of one user; the nonce counter belongs to the connection.
#[derive(Debug)]
pub(crate) struct DigestState {
    user: String,
    session: Session,
    progress: Progress,
}

/// Progress of the challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// No request was sent yet.
    New,
    /// The service did not require authentication.
    Unchallenged,
    /// A challenge was received.
    Challenged,
}

/// Required reaction to a 401 or 407 response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChallengeOutcome {
    /// Retry the request with a new response to the challenge.
    Retry,
    /// Authentication failed: the credentials are wrong, or Digest is not offered.
    Rejected,
    /// The challenge uses an unsupported feature.
    Unsupported(DigestError),
}

impl DigestState {
    pub(crate) fn new(credentials: &Credentials) -> Result<Self, DigestError> {
        let session = Session::new(&credentials.user, credentials.password.clone())?;
        Ok(Self { user: credentials.user.clone(), session, progress: Progress::New })
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// Returns whether the challenge must be requested first.
    pub(crate) fn is_new(&self) -> bool {
        self.progress == Progress::New
    }

    /// Records that the service did not require authentication.
    pub(crate) fn mark_unchallenged(&mut self) {
        self.progress = Progress::Unchallenged;
    }

    /// Returns the value of `Authorization` for a request; `None` before a challenge.
    pub(crate) fn next(&mut self, method: &str, target: &str) -> Option<Zeroizing<String>> {
        let random: [u8; 16] = random();
        let cnonce: String = random.iter().map(|octet| format!("{octet:02x}")).collect();
        self.session.authorization(method, target, &cnonce).ok()
    }

    /// Processes the challenges of a 401 or 407 response; the strongest one is used.
    pub(crate) fn accept_challenge(
        &mut self,
        head: &ResponseHead,
        challenger: Challenger,
    ) -> ChallengeOutcome {
        let mut failure = None;
        let mut challenges = Vec::new();
        for line in head.headers(challenger.header()) {
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
            return failure.map_or(ChallengeOutcome::Rejected, ChallengeOutcome::Unsupported);
        };
        self.progress = Progress::Challenged;
        match self.session.challenge(challenge) {
            Ok(()) => ChallengeOutcome::Retry,
            Err(_) => ChallengeOutcome::Rejected,
        }
    }
}
