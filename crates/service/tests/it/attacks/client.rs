//! The client's side of a handshake, one token at a time.

use auth::credssp::{PasswordCredentials, Version};
use auth::ntlm::{InitiatorFresh, Login, NtHash, Sealing};
use auth::sealed_body::{self, Protocol};
use auth::spnego::Offer;
use auth::{
    AuthError, ChannelBinding, Initiated, Initiator, Oid, Scheme, Secret, SecurityContext, Step, ntlm, spnego,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::SystemTime;

use crate::message::Message;
use crate::wire::{Answer, Post, Wire, post};

/// An authenticated connection with the security context that seals its messages.
pub(super) struct SignedInClient {
    pub(super) wire: Wire,
    pub(super) scheme: Scheme,
    pub(super) context: Box<dyn SecurityContext>,
}

impl SignedInClient {
    /// Authenticates with NTLM without SPNEGO, which most clients send under Negotiate.
    pub(super) async fn by_ntlm(wire: Wire, user: &str, password: &str) -> Self {
        Self::by(wire, Scheme::Negotiate, Box::new(ntlm_of(user, password, None))).await
    }

    /// Authenticates with these tokens, which must be accepted.
    pub(super) async fn by(mut wire: Wire, scheme: Scheme, mut initiator: Box<dyn Initiator>) -> Self {
        let signed_in = sign_in(&mut wire, scheme, initiator.as_mut()).await;
        let context = signed_in.unwrap_or_else(|refused| panic!("not let in: {refused:?}")).context;
        Self { wire, scheme, context }
    }

    /// Returns a sealed request that the probe echoes.
    pub(super) fn seal(&mut self, text: &str) -> Post {
        self.seal_message(&Message::probe("echo", text))
    }

    pub(super) fn seal_message(&mut self, message: &Message) -> Post {
        sealed(self.context.as_mut(), self.scheme, message.text().into_bytes())
    }

    /// Returns the text of a sealed response.
    pub(super) fn open(&mut self, answer: &Answer) -> String {
        let content_type = answer.header("Content-Type").unwrap_or_default();
        let protocol = Protocol::of(self.scheme).unwrap();
        let body = answer.body.clone();
        let open = sealed_body::unseal(self.context.as_mut(), protocol, content_type, body, 1 << 20);
        let open = open.unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        String::from_utf8(open.body).unwrap()
    }

    /// Sends a sealed request and returns the account that the service reports.
    pub(super) async fn ask(&mut self, text: &str) -> String {
        let request = self.seal(text);
        let answer = self.wire.ask(&request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let opened = self.open(&answer);
        assert!(opened.contains(&format!(">{text}<")), "{opened}");
        account(&opened)
    }
}

/// Returns the account that the probe has reported.
pub(super) fn account(envelope: &str) -> String {
    let account = envelope.split("Account=\"").nth(1).and_then(|rest| rest.split('"').next());
    account.unwrap_or_else(|| panic!("no account in {envelope}")).to_owned()
}

/// Returns an NTLM initiator for an account of the service's machine.
pub(super) fn ntlm_of(user: &str, password: &str, binding: Option<ChannelBinding>) -> ntlm::Initiator {
    let (domain, user) = user.split_once('\\').unwrap_or(("", user));
    let hash = NtHash::of_password(&Secret::new(password.to_owned()));
    let login = Login { domain: domain.to_owned(), user: user.to_owned(), hash };
    let fresh = InitiatorFresh {
        challenge: accounts::random().unwrap(),
        session_key: accounts::random::<16>().unwrap().into(),
        now: SystemTime::now(),
    };
    let initiator = ntlm::Initiator::new(login, Sealing::IfAgreed, fresh);
    match binding {
        Some(binding) => initiator.channel_binding(binding),
        None => initiator,
    }
}

/// Returns an NTLM initiator within SPNEGO.
pub(super) fn spnego_of(user: &str, password: &str, binding: Option<ChannelBinding>) -> spnego::Initiator {
    let initiator = Box::new(ntlm_of(user, password, binding));
    spnego::Initiator::new(vec![Offer { oids: vec![Oid::NTLM], initiator }])
}

/// Returns an NTLM initiator within CredSSP.
pub(super) fn credssp_of(user: &str, password: &str) -> credssp::Initiator {
    let secret = |text: &str| Secret::new(text.to_owned());
    let credentials = PasswordCredentials::new(secret(""), secret(user), secret(password));
    credssp::Initiator::new(Box::new(spnego_of(user, password, None)), credentials, Version::V6).unwrap()
}

/// Returns an initiator for each way to authenticate with a password.
pub(super) fn every_way(user: &str, password: &str) -> [(Scheme, Box<dyn Initiator>); 3] {
    [
        (Scheme::Negotiate, Box::new(ntlm_of(user, password, None))),
        (Scheme::Negotiate, Box::new(spnego_of(user, password, None))),
        (Scheme::CredSsp, Box::new(credssp_of(user, password))),
    ]
}

/// A failed handshake.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) answer: Answer,
    /// The error of the initiator.
    pub(super) reason: Option<AuthError>,
}

/// Exchanges tokens until the service accepts or rejects the client.
pub(super) async fn sign_in(
    wire: &mut Wire,
    scheme: Scheme,
    initiator: &mut dyn Initiator,
) -> Result<Initiated, Refused> {
    let mut step = initiator.step(None).unwrap();
    loop {
        let (token, outcome) = match step {
            Step::Continue(token) => (token, None),
            Step::Done { token: Some(token), outcome } => (token, Some(outcome)),
            Step::Done { token: None, outcome } => return Ok(outcome),
        };
        let answer = offer(wire, scheme, &token).await;
        let said = token_of(&answer);
        if answer.status != 200 && (said.is_none() || outcome.is_some()) {
            return Err(Refused { answer, reason: None });
        }
        step = match (outcome, said) {
            (Some(outcome), None) => return Ok(outcome),
            (None, Some(said)) => match initiator.step(Some(&said)) {
                Ok(step) => step,
                // CredSSP sends the reason of a rejection.
                Err(reason) => return Err(Refused { answer, reason: Some(reason) }),
            },
            (outcome, said) => panic!("{} {said:?}: {answer:?}", outcome.is_some()),
        };
    }
}

/// Sends a token with an empty request.
pub(super) async fn offer(wire: &mut Wire, scheme: Scheme, token: &[u8]) -> Answer {
    wire.ask(&offering(post(""), scheme, token)).await
}

/// Returns a request with a token.
pub(super) fn offering(post: Post, scheme: Scheme, token: &[u8]) -> Post {
    post.header("Authorization", &format!("{} {}", scheme.name(), STANDARD.encode(token)))
}

/// Returns the token in a response.
pub(super) fn token_of(answer: &Answer) -> Option<Vec<u8>> {
    let lines = answer.headers("WWW-Authenticate");
    let tokens: Vec<_> = lines.iter().filter_map(|line| line.split_once(' ')).collect();
    let [(scheme, token)] = tokens.as_slice() else { return None };
    assert!(
        *scheme == "Basic" || lines.len() == 1,
        "clients read a token only if it stands alone: {lines:?}"
    );
    (*scheme != "Basic").then(|| STANDARD.decode(token).unwrap())
}

/// Returns a sealed request without an `Authorization` header.
pub(super) fn sealed(context: &mut dyn SecurityContext, scheme: Scheme, body: Vec<u8>) -> Post {
    let protocol = Protocol::of(scheme).unwrap();
    let sealed = sealed_body::seal(context, protocol, "application/soap+xml;charset=UTF-8", body).unwrap();
    post(sealed.body).anonymous().header("Content-Type", sealed.content_type)
}

/// Performs an NTLM handshake up to the last token of the client and returns that token. `meddle` may change the
/// challenge of the service.
pub(super) async fn last_token(
    wire: &mut Wire,
    initiator: &mut dyn Initiator,
    meddle: impl FnOnce(&mut [u8]),
) -> (Vec<u8>, Initiated) {
    let Step::Continue(first) = initiator.step(None).unwrap() else { panic!("it begins") };
    let answer = offer(wire, Scheme::Negotiate, &first).await;
    let mut challenge = token_of(&answer).unwrap_or_else(|| panic!("no challenge: {answer:?}"));
    meddle(&mut challenge);
    match initiator.step(Some(&challenge)).unwrap() {
        Step::Done { token, outcome } => (token.unwrap(), outcome),
        Step::Continue(_) => panic!("NTLM has three messages"),
    }
}
