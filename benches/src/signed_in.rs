//! Sign-in with tokens, and sealed messages on the connection.

use auth::credssp::{PasswordCredentials, Version};
use auth::ntlm::{self, InitiatorFresh, Login, NtHash, Sealing};
use auth::sealed_body::{self, Protocol};
use auth::spnego::{self, Offer};
use auth::{Initiator, Oid, Scheme, Secret, SecurityContext, Step};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kerberos::{Cache, Credentials, Library, Spn};
use memchr::memmem;
use std::sync::Arc;
use std::time::SystemTime;

use crate::Result;
use crate::connection::{Answer, Connection};
use crate::telarchd::{PASSWORD, USER};

/// Authentication scheme.
#[derive(Clone)]
pub(crate) enum Way {
    Ntlm,
    CredSsp,
    /// With an existing ticket.
    Kerberos(Arc<Library>),
}

impl Way {
    /// Returns all schemes that are available here.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::Ntlm, Self::CredSsp];
        if crate::realm::is_here() {
            all.extend(Library::load().ok().map(Self::Kerberos));
        }
        all
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ntlm => "NTLM",
            Self::CredSsp => "CredSSP with NTLM",
            Self::Kerberos(_) => "Kerberos, AES-256",
        }
    }

    /// Name of the scheme in pyspnego.
    pub(crate) fn protocol(&self) -> &'static str {
        match self {
            Self::Ntlm => "ntlm",
            Self::CredSsp => "credssp",
            Self::Kerberos(_) => "kerberos",
        }
    }

    pub(crate) fn scheme(&self) -> Scheme {
        match self {
            Self::Ntlm => Scheme::Negotiate,
            Self::CredSsp => Scheme::CredSsp,
            Self::Kerberos(_) => Scheme::Kerberos,
        }
    }

    /// Returns the client side of sign-in `number`. Values that otherwise must be random only have to differ here.
    pub(crate) fn initiator(&self, number: u64) -> Result<Box<dyn Initiator>> {
        Ok(match self {
            Self::Ntlm => Box::new(ntlm(number)),
            Self::CredSsp => {
                let inner = Offer { oids: vec![Oid::NTLM], initiator: Box::new(ntlm(number)) };
                let inner = Box::new(spnego::Initiator::new(vec![inner]));
                let secret = |text: &str| Secret::new(text.to_owned());
                let credentials = PasswordCredentials::new(secret(""), secret(USER), secret(PASSWORD));
                Box::new(credssp::Initiator::new(inner, credentials, Version::V6)?)
            }
            Self::Kerberos(library) => {
                let tickets = Credentials::Tickets(Cache::default());
                Box::new(kerberos::Initiator::new(Arc::clone(library), tickets, Spn::http("localhost")?))
            }
        })
    }
}

fn ntlm(number: u64) -> ntlm::Initiator {
    let hash = NtHash::of_password(&Secret::new(PASSWORD.to_owned()));
    let login = Login { domain: String::new(), user: USER.to_owned(), hash };
    let mut session_key = [7; 16];
    session_key[..8].copy_from_slice(&number.to_le_bytes());
    let fresh = InitiatorFresh {
        challenge: number.to_le_bytes(),
        session_key: session_key.into(),
        now: SystemTime::now(),
    };
    ntlm::Initiator::new(login, Sealing::Required, fresh)
}

/// Signs in on a connection, whatever its state was.
pub(crate) fn sign_in(
    connection: &mut Connection,
    way: &Way,
    number: u64,
) -> Result<Box<dyn SecurityContext>> {
    let mut initiator = way.initiator(number)?;
    let mut said: Option<Vec<u8>> = None;
    loop {
        let (token, outcome) = match initiator.step(said.as_deref())? {
            Step::Continue(token) => (Some(token), None),
            Step::Done { token, outcome } => (token, Some(outcome)),
        };
        if let Some(token) = token {
            connection.send(&offering(way.scheme(), &token))?;
            let Answer { status, head, .. } = connection.receive_any()?;
            said = token_of(head, way.scheme())?;
            if !matches!((status, said.is_some(), outcome.is_some()), (401, true, false) | (200, _, _)) {
                return Err(format!("{} is refused with {status}", way.name()).into());
            }
        }
        if let Some(outcome) = outcome {
            return Ok(outcome.context);
        }
    }
}

fn offering(scheme: Scheme, token: &[u8]) -> Vec<u8> {
    let token = BASE64_STANDARD.encode(token);
    format!(
        "POST /wsman HTTP/1.1\r\nHost: localhost:5985\r\nConnection: Keep-Alive\r\n\
         Authorization: {} {token}\r\nContent-Length: 0\r\n\r\n",
        scheme.name()
    )
    .into_bytes()
}

fn token_of(head: &[u8], scheme: Scheme) -> Result<Option<Vec<u8>>> {
    let name = format!("WWW-Authenticate: {} ", scheme.name());
    let Some(at) = memmem::find(head, name.as_bytes()) else { return Ok(None) };
    let rest = &head[at + name.len()..];
    let end = memchr::memchr(b'\r', rest).ok_or("a header has no end")?;
    Ok(Some(BASE64_STANDARD.decode(&rest[..end])?))
}

/// A connection on which all messages are sealed.
pub(crate) struct SealedConnection {
    connection: Connection,
    context: Box<dyn SecurityContext>,
    protocol: Protocol,
}

impl SealedConnection {
    pub(crate) fn new(mut connection: Connection, way: &Way) -> Result<Self> {
        let context = sign_in(&mut connection, way, 1)?;
        let protocol = Protocol::of(way.scheme()).ok_or("it does not seal")?;
        Ok(Self { connection, context, protocol })
    }

    /// Seals the body of a plain-text request and writes a new head for it.
    pub(crate) fn seal(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let at = memmem::find(request, b"\r\n\r\n").ok_or("a request has no body")? + 4;
        let body = request[at..].to_vec();
        let sealed = sealed_body::seal(
            self.context.as_mut(),
            self.protocol,
            "application/soap+xml;charset=UTF-8",
            body,
        )?;
        let mut request = format!(
            "POST /wsman HTTP/1.1\r\nHost: localhost:5985\r\nUser-Agent: telarch-benches\r\n\
             Connection: Keep-Alive\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
            sealed.content_type,
            sealed.body.len()
        )
        .into_bytes();
        request.extend(sealed.body);
        Ok(request)
    }

    /// Sends a request and opens the answer.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let request = self.seal(request)?;
        self.connection.send(&request)?;
        let Answer { status, head, body } = self.connection.receive_any()?;
        const NAME: &[u8] = b"Content-Type: ";
        let at = memmem::find(head, NAME).ok_or("an answer has no type")? + NAME.len();
        let end = memchr::memchr(b'\r', &head[at..]).ok_or("a header has no end")?;
        let content_type = std::str::from_utf8(&head[at..at + end])?;
        let open =
            sealed_body::unseal(self.context.as_mut(), self.protocol, content_type, body.to_vec(), 1 << 22)?;
        if status != 200 {
            return Err(format!("the server answered {status}").into());
        }
        Ok(open.body)
    }

    /// Sends a request and returns the length of the sealed data in the answer, which is not opened, so that only the
    /// service is measured.
    pub(crate) fn exchange_unopened(&mut self, request: &[u8]) -> Result<u64> {
        let request = self.seal(request)?;
        self.connection.send(&request)?;
        let body = self.connection.receive()?;
        let mut length = 0;
        // Boundary lines are expected at fixed positions; ciphertext that looks like one is not handled.
        for at in
            memmem::find_iter(body, b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=")
        {
            let rest = &body[at..];
            let at = memmem::find(rest, b"Length=").unwrap_or_default() + 7;
            let end = memchr::memchr(b'\r', &rest[at..]).ok_or("a line has no end")?;
            length += std::str::from_utf8(&rest[at..at + end])?.parse::<u64>()?;
        }
        Ok(length)
    }
}
