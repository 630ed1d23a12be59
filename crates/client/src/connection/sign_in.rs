//! Authentication of a connection by tokens or a challenge, and encrypted messages.

use auth::choice::{ClientScheme, Ntlm, Protection};
use auth::sealed_body::{self, Protocol};
use auth::{AuthError, Initiated, Step};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::MediaType;
use zeroize::Zeroizing;

use super::{Connection, Request, Response};
use crate::Endpoint;
use crate::authentication::{AuthState, ChallengeOutcome, Challenger, TokenExchange, Tokens, token};
use crate::error::{Error, SignInCause as Cause, Violation};
use crate::timeouts::Timeouts;

impl Connection {
    /// Authenticates the connection if that is necessary before the first message.
    pub(super) async fn sign_in(&mut self, endpoint: &Endpoint, timeouts: &Timeouts) -> Result<(), Error> {
        let tokens = match &self.auth_state {
            AuthState::Pending(tokens) => tokens.clone(),
            AuthState::Digest(answers) if answers.is_new() => {
                return self.ask_for_challenge(endpoint, timeouts).await;
            }
            _ => return Ok(()),
        };
        let TokenExchange { mut initiator, kerberos } = tokens.start(endpoint, self.channel.as_ref())?;
        let mut received: Option<Vec<u8>> = None;
        let initiated = loop {
            // Kerberos may wait for a KDC and read files.
            let stepping = tokio::task::spawn_blocking(move || {
                let step = initiator.step(received.as_deref());
                (initiator, step)
            });
            let (back, step) = timeouts
                .within_idle(stepping)
                .await?
                .map_err(|error| tokens.failed(endpoint, Cause::Other, &error))?;
            initiator = back;
            let step = step.map_err(|error| tokens.step_failed(endpoint, &error, kerberos.as_ref()))?;
            match step {
                Step::Continue(token) => {
                    received = Some(self.next_token(&tokens, &token, endpoint, timeouts).await?);
                }
                Step::Done { token: None, outcome } => break outcome,
                Step::Done { token: Some(token), outcome } => {
                    let response = self.send_token(&tokens, &token, endpoint, timeouts).await?;
                    if response.head.status() == 401 {
                        return Err(self.refusal(&tokens, endpoint, &response, initiator.as_mut()));
                    }
                    break outcome;
                }
            }
        };
        let Initiated { context, .. } = initiated;
        if tokens.protection == Protection::Sealed && !context.can_seal() {
            let error = AuthError::Downgraded("message encryption");
            return Err(tokens.failed(endpoint, Cause::Other, &error));
        }
        self.auth_state = AuthState::Established { tokens, context };
        Ok(())
    }

    /// Sends a token and returns the token of the response.
    async fn next_token(
        &mut self,
        tokens: &Tokens,
        sent: &[u8],
        endpoint: &Endpoint,
        timeouts: &Timeouts,
    ) -> Result<Vec<u8>, Error> {
        let response = self.send_token(tokens, sent, endpoint, timeouts).await?;
        match token(&response.head, tokens.scheme, Challenger::Service) {
            Some(_) if !response.reusable && response.head.status() == 401 => {
                Err(self.violated(Violation::ClosedDuringSignIn))
            }
            Some(token) => Ok(token),
            None if response.head.status() == 401 => Err(self.auth_state.refused(&response.head)),
            // The service accepted the connection without proving its identity.
            None => Err(tokens.failed(endpoint, Cause::ServiceUnproven, &AuthError::Unproven)),
        }
    }

    async fn send_token(
        &mut self,
        tokens: &Tokens,
        token: &[u8],
        endpoint: &Endpoint,
        timeouts: &Timeouts,
    ) -> Result<Response, Error> {
        let authorization = Zeroizing::new(format!("{} {}", tokens.scheme.name(), STANDARD.encode(token)));
        let headers = [("Authorization", authorization.as_str())];
        let media_type = "application/soap+xml;charset=UTF-8";
        let request = Request { endpoint, media_type, headers: &headers, body: &[] };
        self.converse(&request, MOST_OCTETS, timeouts).await
    }

    /// Returns the error for a rejected token, with the reason of the service if the scheme has one.
    fn refusal(
        &self,
        tokens: &Tokens,
        endpoint: &Endpoint,
        response: &Response,
        initiator: &mut dyn auth::Initiator,
    ) -> Error {
        let reason = token(&response.head, tokens.scheme, Challenger::Service)
            .map(|token| initiator.step(Some(&token)));
        match reason {
            Some(Err(error @ AuthError::Refused(_))) => tokens.failed(endpoint, (&error).into(), &error),
            _ => self.auth_state.refused(&response.head),
        }
    }

    /// Sends an encrypted request and decrypts the response (MS-WSMV 2.2.9.1).
    pub(super) async fn exchange_sealed(
        &mut self,
        request: &Request<'_>,
        limit: usize,
        timeouts: &Timeouts,
    ) -> Result<Response, Error> {
        let AuthState::Established { tokens, context } = &mut self.auth_state else {
            return self.converse(request, limit, timeouts).await;
        };
        let Some(protocol) = Protocol::of(tokens.scheme) else {
            return self.converse(request, limit, timeouts).await;
        };
        let sealed = sealed_body::seal(context.as_mut(), protocol, request.media_type, request.body.to_vec())
            .map_err(|error| Error::Protocol { address: self.address.clone(), violation: error.into() })?;
        let sealed = Request { media_type: sealed.content_type, body: &sealed.body, ..*request };
        // The headers of the multipart body add about a tenth at most.
        let room = limit.saturating_add(limit / 10).saturating_add(4_096);
        let response = self.converse(&sealed, room, timeouts).await?;
        self.unseal(response, protocol, limit)
    }

    fn unseal(&mut self, response: Response, protocol: Protocol, limit: usize) -> Result<Response, Error> {
        let Response { head, content_type, body, reusable } = response;
        if body.is_empty() {
            return Ok(Response { head, content_type, body, reusable });
        }
        let content_type = content_type.unwrap_or_default();
        let media_type = MediaType::parse(&content_type).ok();
        let is = |essence| media_type.as_ref().is_some_and(|media_type| media_type.is(essence));
        let opened = match &mut self.auth_state {
            AuthState::Established { context, .. }
                if is("multipart/encrypted") || is("multipart/x-multi-encrypted") =>
            {
                sealed_body::unseal(context.as_mut(), protocol, &content_type, body, limit)
                    .map_err(|error| self.violated(error.into()))?
            }
            // An unencrypted response could be forged.
            _ => return Err(self.violated(Violation::NotSealed { status: head.status() })),
        };
        Ok(Response { head, content_type: Some(opened.content_type), body: opened.body, reusable })
    }

    /// Returns whether messages on this connection are encrypted.
    pub(super) fn seals_messages(&self) -> bool {
        matches!(&self.auth_state, AuthState::Established { tokens, .. } if tokens.protection == Protection::Sealed)
    }

    /// Requests a Digest challenge with an empty body, so that no message is sent before authentication.
    async fn ask_for_challenge(&mut self, endpoint: &Endpoint, timeouts: &Timeouts) -> Result<(), Error> {
        let media_type = "application/soap+xml;charset=UTF-8";
        let request = Request { endpoint, media_type, headers: &[], body: &[] };
        let response = self.converse(&request, MOST_OCTETS, timeouts).await?;
        if response.head.status() == 401 {
            return self.accept_challenge(endpoint, &response);
        }
        if let AuthState::Digest(answers) = &mut self.auth_state {
            answers.mark_unchallenged();
        }
        // The service accepted the empty request but closes the connection, so the next message would need a challenge.
        if response.reusable { Ok(()) } else { Err(self.violated(Violation::ClosedDuringSignIn)) }
    }

    /// Processes a 401 response; returns `Ok` if the request is to be repeated.
    pub(super) fn accept_challenge(&mut self, endpoint: &Endpoint, response: &Response) -> Result<(), Error> {
        let requested = match &mut self.auth_state {
            AuthState::Digest(answers) => answers.accept_challenge(&response.head, Challenger::Service),
            _ => ChallengeOutcome::Rejected,
        };
        match requested {
            ChallengeOutcome::Retry if response.reusable => Ok(()),
            ChallengeOutcome::Retry => Err(self.violated(Violation::ClosedDuringSignIn)),
            ChallengeOutcome::Rejected => Err(self.auth_state.refused(&response.head)),
            ChallengeOutcome::Unsupported(error) => Err(Error::SignIn {
                scheme: ClientScheme::Digest,
                peer: endpoint.host_and_port(),
                cause: Cause::Other,
                reason: error.to_string(),
                ntlm: Ntlm::Forbidden,
            }),
        }
    }

    /// Takes the authentication state of a closed connection if it can be used on another one.
    pub(crate) fn take_transferable_state(&mut self) -> Option<AuthState> {
        match &self.auth_state {
            AuthState::Digest(answers) if !answers.is_new() => {
                Some(std::mem::replace(&mut self.auth_state, AuthState::Anonymous))
            }
            _ => None,
        }
    }
}

/// Maximum size of a response to a token, in bytes; it normally has no body.
const MOST_OCTETS: usize = 64 * 1_024;
