//! Delivery of a subscription whose events the service sends to the subscriber (DSP0226 10.2.9, MS-WSMV 2.2.4.44).

use std::fmt;
use std::time::Duration;

use xml::Writer;

use crate::duration;

/// Address and limits of push delivery, as the subscriber requests them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushDelivery {
    /// URL for heartbeats, events, and the message at the end.
    pub address: DeliveryAddress,
    /// Value of the reference property `e:Identifier`, which every message repeats as a header.
    pub identifier: String,
    /// Profile of the authentication that the address requires; `None` without authentication.
    pub profile: Option<&'static str>,
    /// Maximum time between two messages.
    pub heartbeat: Duration,
    /// Maximum time that an event waits for others.
    pub max_latency: Duration,
    /// Maximum number of events of a message.
    pub max_items: Option<u32>,
    /// Maximum size of a message in bytes, before compression.
    pub max_envelope_size: u32,
    /// Time between attempts after a failure.
    pub retry_interval: Duration,
    /// Number of attempts after a failure.
    pub retries: u32,
    /// Character encoding of messages, such as `UTF-16`.
    pub encoding: &'static str,
}

/// URL whose path contains a secret. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct DeliveryAddress(String);

impl DeliveryAddress {
    /// Wraps a URL.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self(url)
    }
}

/// Hides the secret.
impl fmt::Debug for DeliveryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeliveryAddress(..)")
    }
}

/// Profile of Kerberos over HTTP (MS-WSMV 2.2.4.2).
pub const PROFILE_KERBEROS: &str =
    "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/http/spnego-kerberos";

const POLICY: &str = "http://schemas.xmlsoap.org/ws/2002/12/policy";
const AUTHENTICATION: &str = "http://schemas.microsoft.com/wbem/wsman/1/authentication";

impl PushDelivery {
    /// Writes the element `e:EndTo`, which precedes the delivery.
    pub(super) fn write_end_to(&self, writer: &mut Writer) {
        writer.start("e:EndTo");
        self.write_endpoint(writer);
        writer.end();
    }

    /// Writes the content of `e:Delivery`.
    pub(super) fn write_content(&self, writer: &mut Writer) {
        writer.element("w:Heartbeats", &duration::write(self.heartbeat));
        writer.start("e:NotifyTo");
        self.write_endpoint(writer);
        if let Some(profile) = self.profile {
            writer.start("c:Policy").namespace("c", POLICY).namespace("auth", AUTHENTICATION);
            writer.start("c:ExactlyOne").start("c:All");
            writer.start("auth:Authentication").attribute("Profile", profile).end_empty();
            writer.end().end().end();
        }
        writer.end();
        writer.start("w:ConnectionRetry").attribute("Total", &self.retries.to_string());
        writer.text(&duration::write(self.retry_interval)).end();
        if let Some(items) = self.max_items {
            writer.element("w:MaxElements", &items.to_string());
        }
        writer.element("w:MaxTime", &duration::write(self.max_latency));
        let size = self.max_envelope_size.to_string();
        writer.start("w:MaxEnvelopeSize").attribute("Policy", "Notify").text(&size).end();
        writer.element("w:ContentEncoding", self.encoding);
    }

    fn write_endpoint(&self, writer: &mut Writer) {
        writer.element("a:Address", &self.address.0);
        writer.start("a:ReferenceProperties").element("e:Identifier", &self.identifier).end();
    }
}
