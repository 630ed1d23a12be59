//! Messages to a collector and its answers.

use client::{Authentication, ClientCertificate, Endpoint, Session, Transport};
use winevent::delivery::{CollectorAnswer, EventForm, SourceItem, SourceMessage, decode};
use winevent::event::BookmarkList;
use winevent::sldc;
use xml::{Encoding, Fragment};

use crate::{ForwarderError, ForwarderParts};

/// Authentication of this machine at collectors.
#[derive(Clone)]
pub enum SourceAuthentication {
    /// Client certificate for collectors with HTTPS; Kerberos for the others.
    Certificate(ClientCertificate),
    /// Kerberos with the tickets of this process.
    Kerberos,
}

/// Connection to one address of a collector.
pub(crate) struct CollectorLink {
    session: Session,
    url: String,
    machine: String,
    session_id: String,
    is_compressed: bool,
    reference: Vec<Fragment>,
}

/// Content of a message to a collector.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outgoing<'m> {
    /// Request for the subscriptions.
    Enumerate,
    /// Request for the rest of the subscriptions, with the context of the previous answer.
    Pull(&'m str),
    /// The subscription runs and has no new events.
    Heartbeat,
    /// Events, and the position behind them.
    Events { items: &'m [SourceItem], bookmark: &'m BookmarkList, form: EventForm },
    /// The forwarder stops.
    ShuttingDown,
}

impl Outgoing<'_> {
    fn text(&self, message: &SourceMessage<'_>) -> String {
        match self {
            Self::Enumerate => message.enumerate(),
            Self::Pull(context) => message.pull(context),
            Self::Heartbeat => message.heartbeat(),
            Self::Events { items, bookmark, form } => message.events(items, bookmark, *form),
            Self::ShuttingDown => {
                message.subscription_end("SourceShuttingDown", "the forwarder of this machine stops")
            }
        }
    }
}

/// Maximum size of an answer in bytes.
const MAX_ANSWER: usize = 16 << 20;

/// Checks whether a URL can be used with the authentication; sends nothing.
pub(crate) fn check(parts: &ForwarderParts, url: &str) -> Result<(), ForwarderError> {
    Ok(session(parts, url)?.check_sign_in()?)
}

fn session(parts: &ForwarderParts, url: &str) -> Result<Session, ForwarderError> {
    let endpoint =
        Endpoint::parse(url).map_err(|source| ForwarderError::Address { url: url.to_owned(), source })?;
    let is_tls = endpoint.transport() == Transport::Https;
    let builder =
        Session::builder(endpoint).encoding(Encoding::Utf16).answer_limit(MAX_ANSWER).tls(parts.tls.clone());
    let builder = match &parts.authentication {
        SourceAuthentication::Certificate(certificate) if is_tls => {
            builder.client_certificate(certificate.clone()).authentication(Authentication::None)
        }
        _ => builder.authentication(Authentication::Kerberos),
    };
    Ok(builder.build()?)
}

/// Returns a new UUID in the form of Windows.
fn new_id() -> String {
    random::uuid().to_string().to_ascii_uppercase()
}

impl CollectorLink {
    /// Prepares a connection to an address; sends nothing.
    pub(crate) fn new(
        parts: &ForwarderParts,
        url: &str,
        reference: Vec<Fragment>,
        is_compressed: bool,
    ) -> Result<Self, ForwarderError> {
        Ok(Self {
            session: session(parts, url)?,
            url: url.to_owned(),
            machine: parts.computer.clone(),
            session_id: new_id(),
            is_compressed,
            reference,
        })
    }

    /// Returns the URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sends a message and returns the answer.
    pub(crate) async fn exchange(&self, outgoing: &Outgoing<'_>) -> Result<CollectorAnswer, ForwarderError> {
        let (message_id, operation_id) = (new_id(), new_id());
        let text = outgoing.text(&SourceMessage {
            to: &self.url,
            machine_id: &self.machine,
            message_id: &message_id,
            operation_id: &operation_id,
            session_id: &self.session_id,
            reference: &self.reference,
        });
        let body = Encoding::Utf16.encode(text);
        let response = match self.is_compressed {
            true => {
                let body = sldc::encode(&body)?;
                self.session.post_encoded(&body, &[("Content-Encoding", "SLDC")]).await?
            }
            false => self.session.post_encoded(&body, &[]).await?,
        };
        let (text, _) = decode(&response.body);
        if !text.is_empty() {
            match CollectorAnswer::parse(&text, &message_id) {
                Ok(CollectorAnswer::Fault { subcode, reason }) => {
                    return Err(ForwarderError::Fault { subcode, reason });
                }
                Ok(answer) if response.status == 200 => return Ok(answer),
                Err(error) if response.status == 200 => return Err(error.into()),
                _ => {}
            }
        }
        let status = response.status;
        Err(ForwarderError::Status { status, hint: hint(status) })
    }

    /// Sends a message that the collector must acknowledge.
    pub(crate) async fn deliver(&self, outgoing: &Outgoing<'_>) -> Result<(), ForwarderError> {
        match self.exchange(outgoing).await? {
            CollectorAnswer::Acknowledged => Ok(()),
            _ => Err(ForwarderError::UnexpectedAnswer),
        }
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        200 => "the answer is empty",
        401 => "check that this machine has a Kerberos ticket that the collector accepts",
        403 => "check that the collector trusts the issuer of the certificate of this machine",
        404 => "check the path of the URL, such as /wsman/SubscriptionManager/WEC",
        503 => "the collector is overloaded or cannot store events; the message is sent again",
        _ => "see the log of the collector",
    }
}
