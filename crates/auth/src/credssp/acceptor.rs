//! Service side of CredSSP (MS-CSSP 3.1.5).

use std::mem;

use super::proof::{self, Side, verify};
use super::{AFTER_END, NO_SEALING, Nonce, PasswordCredentials, PublicKey, TsRequest, Version, unwrap, wrap};
use crate::{Accepted, Acceptor as Inner, Account, AuthError, Oid, SecurityContext, Step};

/// Receives the credentials of one client.
pub struct Acceptor {
    key: PublicKey,
    minimum: Version,
    inner: Box<dyn Inner>,
    /// Version in the client's first request; all its requests must have the same.
    client_version: Option<u32>,
    failed: bool,
    stage: Stage,
}

enum Stage {
    Authenticating,
    AwaitingKey(Accepted),
    AwaitingCredentials(Account, Box<dyn SecurityContext>),
    Over,
}

/// Result of an [`Acceptor`].
pub struct Delegation {
    /// Account that the inner mechanism has authenticated.
    pub account: Account,
    /// Delegated credentials, for the same account.
    pub credentials: PasswordCredentials,
}

impl std::fmt::Debug for Delegation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delegation").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Acceptor {
    /// Creates an acceptor. `inner` authenticates the client, `key` is the public key of the certificate shown on this
    /// connection, and versions below `minimum` are rejected.
    #[must_use]
    pub fn new(inner: Box<dyn Inner>, key: PublicKey, minimum: Version) -> Self {
        let stage = Stage::Authenticating;
        Self { key, minimum, inner, client_version: None, failed: false, stage }
    }

    /// Processes the client's next request.
    ///
    /// # Errors
    /// [`AuthError`]; [`refusal`](Self::refusal) returns the message for the client then.
    pub fn step(&mut self, request: &[u8]) -> Result<Step<Delegation>, AuthError> {
        // After an error the stage is `Over`, so that the exchange cannot continue.
        let stage = mem::replace(&mut self.stage, Stage::Over);
        let step = self.answer(stage, request);
        self.failed = step.is_err();
        step
    }

    /// Returns the message for the client after a failed step, if its protocol version has one. The status is always
    /// the same.
    #[must_use]
    pub fn refusal(&self) -> Option<Vec<u8>> {
        let version = Version::common(self.client_version?)?;
        if !self.failed || !version.has_error_code() {
            return None;
        }
        Some(TsRequest { error_code: Some(STATUS_LOGON_FAILURE), ..TsRequest::new() }.encode())
    }

    /// Mechanism inside, once it is negotiated.
    #[must_use]
    pub fn mechanism(&self) -> Option<Oid> {
        self.inner.mechanism()
    }

    /// Name that the client claims in the inner mechanism.
    #[must_use]
    pub fn claimed(&self) -> Option<String> {
        self.inner.claimed()
    }

    fn answer(&mut self, stage: Stage, request: &[u8]) -> Result<Step<Delegation>, AuthError> {
        let request = TsRequest::decode(request)?;
        let version = self.version(request.version)?;
        if let Some(status) = request.error_code {
            return Err(AuthError::Refused(status));
        }
        if request.auth_info.is_some() != matches!(stage, Stage::AwaitingCredentials(..)) {
            return Err(AuthError::Malformed("unexpected credentials"));
        }
        match (stage, request) {
            (
                Stage::Authenticating,
                TsRequest { nego_token: Some(token), pub_key_auth, client_nonce, .. },
            ) => self.authenticate(version, token, pub_key_auth, client_nonce.as_ref()),
            (
                Stage::AwaitingKey(accepted),
                TsRequest { nego_token: None, pub_key_auth: Some(key), client_nonce, .. },
            ) => self.prove(version, accepted, None, key, client_nonce.as_ref()),
            (
                Stage::AwaitingCredentials(account, context),
                TsRequest { nego_token: None, pub_key_auth: None, auth_info: Some(credentials), .. },
            ) => receive(account, context, credentials),
            (Stage::Over, _) => Err(AFTER_END),
            _ => Err(AuthError::Malformed("missing or unexpected field")),
        }
    }

    /// Returns the version common to both ends.
    fn version(&mut self, client: u32) -> Result<Version, AuthError> {
        if *self.client_version.get_or_insert(client) != client {
            return Err(AuthError::Malformed("version differs from earlier requests"));
        }
        let version = Version::common(client).ok_or(TOO_OLD)?;
        if version < self.minimum { Err(TOO_OLD) } else { Ok(version) }
    }

    fn authenticate(
        &mut self,
        version: Version,
        token: &[u8],
        pub_key_auth: Option<&[u8]>,
        nonce: Option<&Nonce>,
    ) -> Result<Step<Delegation>, AuthError> {
        let (answer, accepted) = match (self.inner.step(token)?, pub_key_auth) {
            (Step::Continue(_), Some(_)) => {
                return Err(AuthError::Malformed("pubKeyAuth before the mechanism is complete"));
            }
            (Step::Continue(answer), None) => {
                self.stage = Stage::Authenticating;
                return Ok(Step::Continue(tokens(Some(&answer))));
            }
            (Step::Done { token, outcome }, _) => (token, outcome),
        };
        if !accepted.context.can_seal() {
            return Err(NO_SEALING);
        }
        match pub_key_auth {
            Some(key) => self.prove(version, accepted, answer.as_deref(), key, nonce),
            None => {
                self.stage = Stage::AwaitingKey(accepted);
                Ok(Step::Continue(tokens(answer.as_deref())))
            }
        }
    }

    fn prove(
        &mut self,
        version: Version,
        accepted: Accepted,
        answer: Option<&[u8]>,
        pub_key_auth: &[u8],
        nonce: Option<&Nonce>,
    ) -> Result<Step<Delegation>, AuthError> {
        let Accepted { account, mut context, .. } = accepted;
        let shown = unwrap(context.as_mut(), pub_key_auth)?;
        verify(&shown, &proof::proof(Side::Client, version, &self.key, nonce)?)?;
        let own = wrap(context.as_mut(), proof::proof(Side::Service, version, &self.key, nonce)?)?;
        self.stage = Stage::AwaitingCredentials(account, context);
        let reply = TsRequest { nego_token: answer, pub_key_auth: Some(&own), ..TsRequest::new() };
        Ok(Step::Continue(reply.encode()))
    }
}

fn receive(
    account: Account,
    mut context: Box<dyn SecurityContext>,
    credentials: &[u8],
) -> Result<Step<Delegation>, AuthError> {
    let credentials = PasswordCredentials::decode(&unwrap(context.as_mut(), credentials)?)?;
    if !credentials.belong_to(&account) {
        return Err(AuthError::Malformed("credentials of another account"));
    }
    Ok(Step::Done { token: None, outcome: Delegation { account, credentials } })
}

fn tokens(answer: Option<&[u8]>) -> Vec<u8> {
    TsRequest { nego_token: answer, ..TsRequest::new() }.encode()
}

/// Logon failure (MS-ERREF 2.3.1).
const STATUS_LOGON_FAILURE: u32 = 0xc000_006d;

const TOO_OLD: AuthError = AuthError::Downgraded("a recent version of CredSSP");
