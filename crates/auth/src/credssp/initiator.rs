//! Client side of CredSSP (MS-CSSP 3.1.5).

use std::mem;

use super::proof::{self, Side, verify};
use super::{AFTER_END, NO_SEALING, Nonce, PasswordCredentials, PublicKey, TsRequest, Version, unwrap, wrap};
use crate::{AuthError, Initiated, Initiator as Inner, Mutual, SecurityContext, Step};

/// Delegates credentials to one service, after the service has proven that there is no man in the middle.
pub struct Initiator {
    key: PublicKey,
    nonce: Nonce,
    minimum: Version,
    credentials: PasswordCredentials,
    stage: Stage,
}

enum Stage {
    Initial(Box<dyn Inner>),
    Authenticating(Box<dyn Inner>),
    AwaitingProof(Version, Mechanism),
    Over,
}

/// Security context for the proofs.
enum Mechanism {
    /// The mechanism still needs the token that comes with the service's proof.
    AwaitingToken(Box<dyn Inner>),
    Complete(Initiated),
}

impl Initiator {
    /// Creates an initiator. `inner` authenticates the user, `key` is the public key of the certificate that the
    /// service has shown on this connection, `nonce` is random, and versions below `minimum` are rejected.
    #[must_use]
    pub fn new(
        inner: Box<dyn Inner>,
        key: PublicKey,
        credentials: PasswordCredentials,
        nonce: Nonce,
        minimum: Version,
    ) -> Self {
        Self { key, nonce, minimum, credentials, stage: Stage::Initial(inner) }
    }

    /// Processes the service's next request; `None` at the beginning.
    ///
    /// # Errors
    /// [`AuthError`]; no credentials were sent then.
    pub fn step(&mut self, request: Option<&[u8]>) -> Result<Step<Mutual>, AuthError> {
        // After an error the stage is `Over`, so that the exchange cannot continue.
        let stage = mem::replace(&mut self.stage, Stage::Over);
        let request = match (&stage, request) {
            (Stage::Initial(_), None) => TsRequest::new(),
            (Stage::Over, _) => return Err(AFTER_END),
            (Stage::Initial(_), Some(_)) | (_, None) => return Err(OUT_OF_TURN),
            (_, Some(request)) => TsRequest::decode(request)?,
        };
        if let Some(status) = request.error_code {
            return Err(refused(status));
        }
        let version = Version::common(request.version).filter(|version| *version >= self.minimum);
        let version = version.ok_or(TOO_OLD)?;
        match (stage, request) {
            (Stage::Initial(mut inner), _) => match inner.step(None)? {
                Step::Continue(token) => {
                    self.stage = Stage::Authenticating(inner);
                    Ok(Step::Continue(TsRequest { nego_token: Some(&token), ..TsRequest::new() }.encode()))
                }
                Step::Done { .. } => Err(AuthError::Downgraded("an answer from the service")),
            },
            (
                Stage::Authenticating(inner),
                TsRequest { nego_token: Some(token), pub_key_auth: None, auth_info: None, .. },
            ) => self.authenticate(version, inner, token),
            (
                Stage::AwaitingProof(agreed, ready),
                TsRequest { nego_token, pub_key_auth: Some(proof), auth_info: None, .. },
            ) if agreed == version => self.delegate(version, ready, nego_token, proof),
            _ => Err(OUT_OF_TURN),
        }
    }

    fn authenticate(
        &mut self,
        version: Version,
        mut inner: Box<dyn Inner>,
        token: &[u8],
    ) -> Result<Step<Mutual>, AuthError> {
        // The client must send the proof together with the last token of its mechanism (MS-CSSP 3.1.5).
        let (token, ready, own) = match inner.step(Some(token))? {
            Step::Continue(token) => {
                let own = inner.established().map(|context| self.prove(version, context)).transpose()?;
                (Some(token), Mechanism::AwaitingToken(inner), own)
            }
            Step::Done { token, outcome: mut initiated } => {
                let own = self.prove(version, initiated.context.as_mut())?;
                (token, Mechanism::Complete(initiated), Some(own))
            }
        };
        let request = TsRequest {
            nego_token: token.as_deref(),
            pub_key_auth: own.as_deref(),
            client_nonce: (own.is_some() && version >= Version::V5).then_some(self.nonce),
            ..TsRequest::new()
        };
        let request = request.encode();
        self.stage = match (own, ready) {
            (None, Mechanism::AwaitingToken(inner)) => Stage::Authenticating(inner),
            (_, ready) => Stage::AwaitingProof(version, ready),
        };
        Ok(Step::Continue(request))
    }

    fn prove(&self, version: Version, context: &mut dyn SecurityContext) -> Result<Vec<u8>, AuthError> {
        if !context.can_seal() {
            return Err(NO_SEALING);
        }
        Ok(wrap(context, proof::proof(Side::Client, version, &self.key, Some(&self.nonce))?)?)
    }

    fn delegate(
        &mut self,
        version: Version,
        ready: Mechanism,
        token: Option<&[u8]>,
        shown: &[u8],
    ) -> Result<Step<Mutual>, AuthError> {
        let Initiated { mut context, mutual } = match ready {
            Mechanism::Complete(initiated) => initiated,
            Mechanism::AwaitingToken(mut inner) => match inner.step(Some(token.ok_or(OUT_OF_TURN)?))? {
                Step::Done { token: None, outcome } => outcome,
                _ => return Err(AuthError::Malformed("mechanism is not complete")),
            },
        };
        let shown = unwrap(context.as_mut(), shown)?;
        verify(&shown, &proof::proof(Side::Service, version, &self.key, Some(&self.nonce))?)?;
        let credentials = wrap(context.as_mut(), self.credentials.encode())?;
        let request = TsRequest { auth_info: Some(&credentials), ..TsRequest::new() };
        Ok(Step::Done { token: Some(request.encode()), outcome: mutual })
    }
}

/// Translates the status of a refusal (MS-ERREF 2.3.1).
fn refused(status: u32) -> AuthError {
    match status {
        STATUS_NO_SUCH_USER | STATUS_WRONG_PASSWORD | STATUS_LOGON_FAILURE | SEC_E_LOGON_DENIED => {
            AuthError::WrongPassword
        }
        STATUS_ACCOUNT_RESTRICTION..=STATUS_ACCOUNT_DISABLED
        | STATUS_LOGON_TYPE_NOT_GRANTED
        | STATUS_ACCOUNT_EXPIRED
        | STATUS_PASSWORD_MUST_CHANGE
        | STATUS_ACCOUNT_LOCKED_OUT => AuthError::NotAllowed,
        STATUS_TIME_DIFFERENCE_AT_DC => AuthError::ClockSkew,
        other => AuthError::Refused(other),
    }
}

const STATUS_NO_SUCH_USER: u32 = 0xc000_0064;
const STATUS_WRONG_PASSWORD: u32 = 0xc000_006a;
const STATUS_LOGON_FAILURE: u32 = 0xc000_006d;
/// The range up to the next status covers logon hours, workstation and expired password.
const STATUS_ACCOUNT_RESTRICTION: u32 = 0xc000_006e;
const STATUS_ACCOUNT_DISABLED: u32 = 0xc000_0072;
const STATUS_TIME_DIFFERENCE_AT_DC: u32 = 0xc000_0133;
const STATUS_LOGON_TYPE_NOT_GRANTED: u32 = 0xc000_015b;
const STATUS_ACCOUNT_EXPIRED: u32 = 0xc000_0193;
const STATUS_PASSWORD_MUST_CHANGE: u32 = 0xc000_0224;
const STATUS_ACCOUNT_LOCKED_OUT: u32 = 0xc000_0234;
/// Not an NTSTATUS, but sent by some services in its place (MS-ERREF 2.1.1).
const SEC_E_LOGON_DENIED: u32 = 0x8009_030c;

const OUT_OF_TURN: AuthError = AuthError::Malformed("missing or unexpected field");
const TOO_OLD: AuthError = AuthError::Downgraded("a recent version of CredSSP");
