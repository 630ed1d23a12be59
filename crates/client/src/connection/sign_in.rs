//! Signing in by tokens or a challenge, and what follows from it: messages that only the two ends can read.

use auth::choice::{ClientScheme, Ntlm, Protection};
use auth::sealed_body::{self, Protocol};
use auth::{AuthError, Initiated, Step};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::MediaType;
use zeroize::Zeroizing;

use super::{Connection, Request, Response};
use crate::Endpoint;
use crate::authentication::{Asked, Asker, Beginning, Proof, Tokens, token};
use crate::error::{Error, SignInCause as Cause, Violation};
use crate::patience::Patience;

impl Connection {
    /// Makes the connection the user's, if that is still to be done.
    pub(super) async fn sign_in(&mut self, endpoint: &Endpoint, patience: &Patience) -> Result<(), Error> {
        let tokens = match &self.proof {
            Proof::Pending(tokens) => tokens.clone(),
            Proof::Digest(answers) if answers.is_new() => {
                return self.ask_for_challenge(endpoint, patience).await;
            }
            _ => return Ok(()),
        };
        let Beginning { mut initiator, kerberos } = tokens.begin(endpoint, self.channel.as_ref())?;
        let mut received: Option<Vec<u8>> = None;
        let initiated = loop {
            // Kerberos may have to ask a KDC, and files.
            let stepping = tokio::task::spawn_blocking(move || {
                let step = initiator.step(received.as_deref());
                (initiator, step)
            });
            let (back, step) = patience
                .for_bytes(stepping)
                .await?
                .map_err(|error| tokens.failed(endpoint, Cause::Other, &error))?;
            initiator = back;
            let step = step.map_err(|error| tokens.step_failed(endpoint, &error, kerberos.as_ref()))?;
            match step {
                Step::Continue(token) => {
                    received = Some(self.next_token(&tokens, &token, endpoint, patience).await?);
                }
                Step::Done { token: None, outcome } => break outcome,
                Step::Done { token: Some(token), outcome } => {
                    let response = self.send_token(&tokens, &token, endpoint, patience).await?;
                    if response.head.status() == 401 {
                        return Err(self.refusal(&tokens, endpoint, &response, initiator.as_mut()));
                    }
                    break outcome;
                }
            }
        };
        let Initiated { context, .. } = initiated;
        if tokens.protection == Protection::Sealed && !context.can_seal() {
            let error = AuthError::Downgraded("messages that are sealed");
            return Err(tokens.failed(endpoint, Cause::Other, &error));
        }
        self.proof = Proof::Established { tokens, context };
        Ok(())
    }

    /// Sends a token, and returns the one that comes back.
    async fn next_token(
        &mut self,
        tokens: &Tokens,
        sent: &[u8],
        endpoint: &Endpoint,
        patience: &Patience,
    ) -> Result<Vec<u8>, Error> {
        let response = self.send_token(tokens, sent, endpoint, patience).await?;
        match token(&response.head, tokens.scheme, Asker::Service) {
            Some(_) if !response.reusable && response.head.status() == 401 => {
                Err(self.violated(Violation::ClosedDuringSignIn))
            }
            Some(token) => Ok(token),
            None if response.head.status() == 401 => Err(self.proof.refused(&response.head)),
            // It let us in without showing that it knows us.
            None => Err(tokens.failed(endpoint, Cause::ServiceUnproven, &AuthError::Unproven)),
        }
    }

    async fn send_token(
        &mut self,
        tokens: &Tokens,
        token: &[u8],
        endpoint: &Endpoint,
        patience: &Patience,
    ) -> Result<Response, Error> {
        let authorization = Zeroizing::new(format!("{} {}", tokens.scheme.name(), STANDARD.encode(token)));
        let headers = [("Authorization", authorization.as_str())];
        let media_type = "application/soap+xml;charset=UTF-8";
        let request = Request { endpoint, media_type, headers: &headers, body: &[] };
        self.converse(&request, MOST_OCTETS, patience).await
    }

    /// Why the service says no: a reason of its own where the scheme has one.
    fn refusal(
        &self,
        tokens: &Tokens,
        endpoint: &Endpoint,
        response: &Response,
        initiator: &mut dyn auth::Initiator,
    ) -> Error {
        let reason =
            token(&response.head, tokens.scheme, Asker::Service).map(|token| initiator.step(Some(&token)));
        match reason {
            Some(Err(error @ AuthError::Refused(_))) => tokens.failed(endpoint, (&error).into(), &error),
            _ => self.proof.refused(&response.head),
        }
    }

    /// Sends a request so that only the service can read it, and opens the answer.
    pub(super) async fn exchange_sealed(
        &mut self,
        request: &Request<'_>,
        limit: usize,
        patience: &Patience,
    ) -> Result<Response, Error> {
        let Proof::Established { tokens, context } = &mut self.proof else {
            return self.converse(request, limit, patience).await;
        };
        let Some(protocol) = Protocol::of(tokens.scheme) else {
            return self.converse(request, limit, patience).await;
        };
        let sealed = sealed_body::seal(context.as_mut(), protocol, request.media_type, request.body.to_vec())
            .map_err(|error| Error::Protocol { address: self.address.clone(), violation: error.into() })?;
        let sealed = Request { media_type: sealed.content_type, body: &sealed.body, ..*request };
        // Headers of parts take about a tenth at most.
        let room = limit.saturating_add(limit / 10).saturating_add(4_096);
        let response = self.converse(&sealed, room, patience).await?;
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
        let opened = match &mut self.proof {
            Proof::Established { context, .. }
                if is("multipart/encrypted") || is("multipart/x-multi-encrypted") =>
            {
                sealed_body::unseal(context.as_mut(), protocol, &content_type, body, limit)
                    .map_err(|error| self.violated(error.into()))?
            }
            // Whoever is on the way could have written it.
            _ => return Err(self.violated(Violation::NotSealed { status: head.status() })),
        };
        Ok(Response { head, content_type: Some(opened.content_type), body: opened.body, reusable })
    }

    /// Whether messages over this connection are to be sealed.
    pub(super) fn seals(&self) -> bool {
        matches!(&self.proof, Proof::Established { tokens, .. } if tokens.protection == Protection::Sealed)
    }

    /// Gets the challenge of Digest without sending a message: an empty request is answered by it.
    async fn ask_for_challenge(&mut self, endpoint: &Endpoint, patience: &Patience) -> Result<(), Error> {
        let media_type = "application/soap+xml;charset=UTF-8";
        let request = Request { endpoint, media_type, headers: &[], body: &[] };
        let response = self.converse(&request, MOST_OCTETS, patience).await?;
        if response.head.status() == 401 {
            return self.take_challenge(endpoint, &response);
        }
        if let Proof::Digest(answers) = &mut self.proof {
            answers.not_asked();
        }
        // A connection that ends here has let nobody in and taken nothing.
        if response.reusable { Ok(()) } else { Err(self.violated(Violation::ClosedDuringSignIn)) }
    }

    /// What a 401 means: `Ok` that the request is to be sent again.
    pub(super) fn take_challenge(&mut self, endpoint: &Endpoint, response: &Response) -> Result<(), Error> {
        let asked = match &mut self.proof {
            Proof::Digest(answers) => answers.asked(&response.head, Asker::Service),
            _ => Asked::Refused,
        };
        match asked {
            Asked::Again if response.reusable => Ok(()),
            Asked::Again => Err(self.violated(Violation::ClosedDuringSignIn)),
            Asked::Refused => Err(self.proof.refused(&response.head)),
            Asked::Unanswerable(error) => Err(Error::SignIn {
                scheme: ClientScheme::Digest,
                peer: endpoint.place(),
                cause: Cause::Other,
                reason: error.to_string(),
                ntlm: Ntlm::Forbidden,
            }),
        }
    }

    /// The proof of a connection that was closed while it was asked for, if another connection may go on with it.
    pub(crate) fn proof_to_go_on_with(&mut self) -> Option<Proof> {
        match &self.proof {
            Proof::Digest(answers) if !answers.is_new() => {
                Some(std::mem::replace(&mut self.proof, Proof::Anonymous))
            }
            _ => None,
        }
    }
}

/// The largest answer to a token that is read; it should have no body at all.
const MOST_OCTETS: usize = 64 * 1_024;
