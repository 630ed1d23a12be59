//! Messages to a subscriber and its responses.

use std::time::Duration;

use client::{
    Authentication, ClientCertificate, ClientKeytab, Credentials, Endpoint, RawResponse, Secret, Session,
    SessionBuilder, TlsPolicy, Transport,
};
use config::{Config, EventForwarding};
use winevent::delivery::{Address, CollectorAnswer, Push, SinkCredentials, SourceMessage, decode};
use winevent::sldc;
use wsman::eventing::DeliveryMode;
use xml::Fragment;

use crate::error::PushError;
use crate::request::{MessageForm, SignIn, excerpt};
use crate::send_error::SendError;

/// An address of the subscriber.
pub(crate) struct Sink {
    session: Session,
    address: Address,
    machine: String,
    session_id: String,
    form: MessageForm,
}

/// Time to connect to a subscriber.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for a message and its response.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(120);
/// Maximum size of a response in bytes, in addition to that of a message.
const MAX_ANSWER: usize = 64 << 10;

impl Sink {
    /// Prepares connections to an address; sends nothing. `machine` is the full name of this machine.
    pub(crate) fn new(
        address: Address,
        machine: &str,
        form: MessageForm,
        sign_in: Option<&SignIn>,
        config: &Config,
    ) -> Result<Self, PushError> {
        let unusable = |reason: String| PushError::Address { url: excerpt(&address.url), reason };
        let endpoint = Endpoint::parse(&address.url).map_err(|error| unusable(error.to_string()))?;
        // Kerberos encrypts messages.
        let is_open = endpoint.transport() == Transport::Http && !matches!(sign_in, Some(SignIn::Keytab));
        if is_open && !config.client.allow_unencrypted {
            return Err(PushError::Unencrypted(excerpt(&address.url)));
        }
        let host = endpoint.host().to_owned();
        let mut tls = TlsPolicy::new();
        if let Some(path) = config.event_forwarding.push_authorities.path() {
            tls = tls.ca_file(path);
        }
        let builder = Session::builder(endpoint).tls(tls).with_client_settings(&config.client, &host);
        let builder = with_sign_in(builder, sign_in, &config.event_forwarding)?;
        let session = builder
            .connect_timeout(CONNECT_TIMEOUT)
            .total_timeout(Some(MESSAGE_TIMEOUT))
            .answer_limit(MAX_ANSWER)
            .encoding(form.encoding)
            .build();
        let session = session.map_err(|error| unusable(error.to_string()))?;
        session.check_sign_in().map_err(|error| unusable(error.to_string()))?;
        Ok(Self { session, machine: machine.to_owned(), session_id: new_id(), form, address })
    }

    /// Returns the URL without its path, which may contain a secret of the subscriber.
    pub(crate) fn server(&self) -> String {
        let endpoint = self.session.endpoint();
        format!("{}://{}", endpoint.transport().scheme(), endpoint.authority())
    }

    /// Returns whether a URL has the scheme, host and port of this address.
    pub(crate) fn is_same_server(&self, url: &str) -> bool {
        let own = self.session.endpoint();
        Endpoint::parse(url).is_ok_and(|other| {
            (other.transport(), other.authority().to_ascii_lowercase())
                == (own.transport(), own.authority().to_ascii_lowercase())
        })
    }

    /// Sends events or a heartbeat, and waits until the subscriber has accepted it.
    pub(crate) async fn push(
        &self,
        content: Push<'_>,
        bookmark: Option<&str>,
        mode: DeliveryMode,
    ) -> Result<(), SendError> {
        let is_acknowledged = mode != DeliveryMode::Push;
        let id = new_id();
        let response = self.post(self.message(&id).push(content, bookmark, is_acknowledged)).await?;
        match is_acknowledged {
            true => check_acknowledgement(&response, &id),
            false => check_status(&response, &id),
        }
    }

    /// Reports the end of the subscription once, without waiting for more than a response of any kind.
    pub(crate) async fn end(&self, status: &str, reason: &str) -> Result<(), SendError> {
        let text = self.message(&new_id()).subscription_end(status, reason);
        self.post(text).await.map(|_| ())
    }

    fn message<'a>(&'a self, id: &'a str) -> SourceMessage<'a> {
        SourceMessage {
            to: &self.address.url,
            machine_id: &self.machine,
            message_id: id,
            operation_id: id,
            session_id: &self.session_id,
            reference: self.reference(),
        }
    }

    fn reference(&self) -> &[Fragment] {
        &self.address.reference
    }

    async fn post(&self, text: String) -> Result<RawResponse, SendError> {
        let body = self.form.encoding.encode(text);
        if !self.form.is_compressed {
            return Ok(self.session.post_encoded(&body, &[]).await?);
        }
        let body = sldc::encode(&body)?;
        Ok(self.session.post_encoded(&body, &[("Content-Encoding", "SLDC")]).await?)
    }
}

/// Adds the sign-in. The files are read with the rights of this process. If the service runs as root, this
/// process runs as the subscribing user.
fn with_sign_in(
    builder: SessionBuilder,
    sign_in: Option<&SignIn>,
    settings: &EventForwarding,
) -> Result<SessionBuilder, PushError> {
    Ok(match sign_in {
        None => builder.authentication(Authentication::None),
        Some(SignIn::Basic(user)) => {
            builder.credentials(credentials(user)).authentication(Authentication::Basic)
        }
        Some(SignIn::Digest(user)) => {
            builder.credentials(credentials(user)).authentication(Authentication::Digest)
        }
        Some(SignIn::Keytab) => {
            let (scheme, setting) = ("Kerberos", "PushKeytab");
            let path = settings.push_keytab.path();
            let path = path.ok_or(PushError::NotConfigured { scheme, content: "keytab", setting })?;
            let keytab = ClientKeytab::of_file(path).map_err(|error| PushError::Unusable {
                scheme,
                setting,
                reason: in_one_line(&error),
            })?;
            builder.client_keytab(keytab).authentication(Authentication::Negotiate)
        }
        Some(SignIn::Certificate) => {
            let (scheme, setting) = ("a certificate", "PushCertificate");
            let path = settings.push_certificate.path();
            let path = path.ok_or(PushError::NotConfigured { scheme, content: "certificate", setting })?;
            let certificate = ClientCertificate::of_group(path).map_err(|error| PushError::Unusable {
                scheme,
                setting,
                reason: in_one_line(&error),
            })?;
            builder.client_certificate(certificate).authentication(Authentication::Certificate)
        }
    })
}

fn credentials(user: &SinkCredentials) -> Credentials {
    Credentials { user: user.user.clone(), password: Secret::new(user.password.to_string()) }
}

/// Returns a message with its advice in one line.
fn in_one_line(error: &dyn std::error::Error) -> String {
    error.to_string().lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// Checks that a response acknowledges the message with this identifier.
fn check_acknowledgement(response: &RawResponse, id: &str) -> Result<(), SendError> {
    let (text, _) = decode(&response.body);
    match CollectorAnswer::parse(&text, id) {
        Ok(CollectorAnswer::Acknowledged) if response.status == 200 => Ok(()),
        Ok(CollectorAnswer::Fault { subcode, .. }) => Err(SendError::Fault(subcode)),
        _ if response.status != 200 => Err(SendError::Status(response.status)),
        Ok(_) => Err(SendError::UnexpectedAnswer),
        Err(error) => Err(error.into()),
    }
}

/// Checks that a message without acknowledgement has arrived.
fn check_status(response: &RawResponse, id: &str) -> Result<(), SendError> {
    if (200..300).contains(&response.status) {
        return Ok(());
    }
    let (text, _) = decode(&response.body);
    match CollectorAnswer::parse(&text, id) {
        Ok(CollectorAnswer::Fault { subcode, .. }) => Err(SendError::Fault(subcode)),
        _ => Err(SendError::Status(response.status)),
    }
}

/// Returns a new UUID in the form of Windows.
fn new_id() -> String {
    random::uuid().to_string().to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> RawResponse {
        RawResponse { status, body: body.as_bytes().to_vec(), content_type: None }
    }

    fn envelope(header: &str, body: &str) -> String {
        format!(
            "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' \
             xmlns:a='http://schemas.xmlsoap.org/ws/2004/08/addressing' \
             xmlns:w='http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd'><s:Header>{header}</s:Header>\
             <s:Body>{body}</s:Body></s:Envelope>"
        )
    }

    fn refusal() -> String {
        envelope(
            "",
            "<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:DeliveryRefused</s:Value>\
             </s:Subcode></s:Code><s:Reason><s:Text>no more</s:Text></s:Reason></s:Fault>",
        )
    }

    #[test]
    fn only_the_acknowledgement_of_the_message_counts() {
        let ack = envelope(
            "<a:Action>http://schemas.dmtf.org/wbem/wsman/1/wsman/Ack</a:Action><a:RelatesTo>uuid:7</a:RelatesTo>",
            "",
        );
        assert!(check_acknowledgement(&response(200, &ack), "7").is_ok());
        assert!(check_acknowledgement(&response(202, &ack), "7").is_err());
        assert!(check_acknowledgement(&response(200, &ack), "8").is_err());
        assert!(check_acknowledgement(&response(200, ""), "7").is_err());
        let refused = check_acknowledgement(&response(500, &refusal()), "7").unwrap_err();
        assert!(refused.is_cancellation(), "{refused}");
    }

    #[test]
    fn a_message_without_acknowledgement_needs_a_successful_status() {
        assert!(check_status(&response(202, ""), "7").is_ok());
        assert!(check_status(&response(302, ""), "7").is_err());
        assert!(check_status(&response(500, &refusal()), "7").unwrap_err().is_cancellation());
    }
}
