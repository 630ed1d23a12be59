//! Listeners (`winrm/config/listener`).

mod key;
mod set;

pub use key::{ListenerAddress, ListenerKey, Transport};
pub use set::Listeners;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::error::MAX_ERRORS;
use crate::schema::{Change, Mutability, exchange};
use crate::value::{Hostname, Kind, Number, Port, Thumbprint, TrustedBalancers, UrlPrefix, Value, excerpt};
use crate::{PutError, Reason, Service, SettingError};

/// Resource URI of listeners, which is also the namespace of `cfg:Listener`.
pub const LISTENER_RESOURCE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/listener";

/// Listener of the service: an instance of `winrm/config/listener`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listener {
    /// Local addresses.
    pub address: ListenerAddress,
    /// HTTP or HTTPS.
    pub transport: Transport,
    /// TCP port.
    pub port: Port,
    /// Host name that clients use for this machine; an HTTPS certificate must contain it.
    pub hostname: Hostname,
    /// Whether the listener is active.
    pub enabled: bool,
    /// URL path of accepted requests.
    pub url_prefix: UrlPrefix,
    /// Certificate of an HTTPS listener; `None` means the one in `Service/CertificateThumbprint`.
    pub certificate_thumbprint: Option<Thumbprint>,
    /// Balancers whose connections begin with a header of the PROXY protocol. Only in the file: Windows has no such
    /// field.
    pub trusted_balancers: TrustedBalancers,
    /// Creator of the listener.
    pub source: ListenerSource,
}

/// Creator of a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenerSource {
    /// The administrator of this machine.
    #[default]
    Local,
    /// The policy `AllowAutoConfig`.
    Policy,
    /// The setting `EnableCompatibilityHttpListener` or `EnableCompatibilityHttpsListener`.
    Compatibility,
}

/// State of a listener while the service runs. Messages show it, and the configuration does not store it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serving {
    /// Addresses on which the listener listens (`ListeningOn`).
    pub addresses: Vec<IpAddr>,
    /// Certificate that clients receive, also if it is the self-signed one or that of the service.
    pub certificate: Option<Thumbprint>,
}

/// Error while creating, changing, finding or deleting a listener.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenerError {
    /// Another listener has the same address and transport.
    #[error("listener {0} already exists; change it instead")]
    Exists(ListenerKey),
    /// No listener has this address and transport.
    #[error("listener {0} does not exist; list them with winrm enumerate winrm/config/listener")]
    NotFound(ListenerKey),
    /// The address is invalid (WSMan code 2150858889).
    #[error("invalid listener address \"{0}\"; use *, IP:ADDRESS or MAC:XX-XX-XX-XX-XX-XX")]
    Address(String),
    /// The transport is invalid.
    #[error("invalid listener transport \"{0}\"; use HTTP or HTTPS")]
    Transport(String),
    /// The change would alter the address or transport.
    #[error("the address and transport of listener {0} cannot be changed; delete it and create another")]
    KeyChange(ListenerKey),
    /// The listener was not created by the administrator of this machine.
    #[error("listener {key} cannot be changed here: {}", made_by.owner(key.transport))]
    NotLocal {
        /// Address and transport of the listener.
        key: ListenerKey,
        /// Creator of the listener.
        made_by: ListenerSource,
    },
    /// The maximum number of listeners is reached.
    #[error("the maximum of {} listeners is reached; delete one first", Listeners::MAX)]
    TooMany,
    /// The element or a value in it is invalid.
    #[error(transparent)]
    Content(PutError),
}

impl Listener {
    /// Returns a listener with the defaults: enabled, the prefix `wsman`, the transport's port of
    /// `Service/DefaultPorts`.
    #[must_use]
    pub fn new(key: ListenerKey, service: &Service) -> Self {
        let port = match key.transport {
            Transport::Http => service.default_ports.http,
            Transport::Https => service.default_ports.https,
        };
        Self {
            address: key.address,
            transport: key.transport,
            port,
            hostname: Hostname::default(),
            enabled: true,
            url_prefix: UrlPrefix::default(),
            certificate_thumbprint: None,
            trusted_balancers: TrustedBalancers::default(),
            source: ListenerSource::Local,
        }
    }

    /// Returns the listener for a Create message: its key is given by the selectors, the rest by the body or by
    /// default.
    ///
    /// # Errors
    /// [`ListenerError`] if the body is invalid.
    pub fn create(
        key: ListenerKey,
        body: Option<xml::Element<'_>>,
        service: &Service,
    ) -> Result<Self, ListenerError> {
        let listener = Self::new(key, service);
        match body {
            Some(element) => listener.with(element),
            None => Ok(listener),
        }
    }

    /// Returns the listener of a compatibility setting, on port 80 or 443.
    #[must_use]
    pub fn compatibility(transport: Transport, service: &Service) -> Self {
        let port = match transport {
            Transport::Http => Number::of::<80>(),
            Transport::Https => Number::of::<443>(),
        };
        let key = ListenerKey { address: ListenerAddress::Any, transport };
        Self { port, source: ListenerSource::Compatibility, ..Self::new(key, service) }
    }

    /// Returns the listener of the policy `AllowAutoConfig`, if enabled: HTTP on the addresses that the filters
    /// admit.
    #[must_use]
    pub fn of_policy(service: &Service) -> Option<Self> {
        let key = ListenerKey { address: ListenerAddress::Any, transport: Transport::Http };
        let listener = Self { source: ListenerSource::Policy, ..Self::new(key, service) };
        service.auto_config.then_some(listener)
    }

    /// Returns the listeners of the enabled compatibility settings. They are not in the configuration file.
    #[must_use]
    pub fn of_compatibility(service: &Service) -> Vec<Self> {
        let switches = [
            (service.enable_compatibility_http_listener, Transport::Http),
            (service.enable_compatibility_https_listener, Transport::Https),
        ];
        switches
            .into_iter()
            .filter(|(is_enabled, _)| *is_enabled)
            .map(|(_, transport)| Self::compatibility(transport, service))
            .collect()
    }

    /// Returns address and transport.
    #[must_use]
    pub fn key(&self) -> ListenerKey {
        ListenerKey { address: self.address, transport: self.transport }
    }

    /// Returns the listener with the values of a Put message. Elements missing from the message keep their values.
    ///
    /// Clients put back what [`write`](Self::write) has shown them. The certificate in use is therefore no change, and
    /// neither are the addresses of the listener.
    ///
    /// # Errors
    /// [`ListenerError`] lists all invalid values. Other addresses than those of `serving` are among them.
    pub fn put(&self, element: xml::Element<'_>, serving: &Serving) -> Result<Self, ListenerError> {
        let mut changed = self.with(element)?;
        if self.certificate_thumbprint.is_none() && changed.certificate_thumbprint == serving.certificate {
            changed.certificate_thumbprint = None;
        }
        serving.require_unchanged(element)?;
        if changed != *self {
            self.require_local()?;
        }
        Ok(changed)
    }

    /// Writes `cfg:Listener` with its current state. A listener without a certificate of its own shows the one in use.
    pub fn write(&self, serving: &Serving, writer: &mut xml::Writer) {
        let certificate_thumbprint = self.certificate_thumbprint.or(serving.certificate);
        let shown = Self { certificate_thumbprint, ..self.clone() };
        writer
            .start("cfg:Listener")
            .namespace("cfg", LISTENER_RESOURCE)
            .namespace("xsi", "http://www.w3.org/2001/XMLSchema-instance");
        if let Some(source) = self.source.attribute() {
            writer.attribute("Source", source);
        }
        writer.attribute("xml:lang", "en-US");
        writer.element("cfg:Address", &self.address.to_string());
        writer.element("cfg:Transport", self.transport.as_str());
        for field in FIELDS.iter().filter(|field| field.is_in_messages()) {
            writer.element(field.element, &(field.show)(&shown));
        }
        for address in &serving.addresses {
            writer.element("cfg:ListeningOn", &address.to_string());
        }
        writer.end();
    }

    pub(crate) fn require_local(&self) -> Result<(), ListenerError> {
        match self.source {
            ListenerSource::Local => Ok(()),
            source => Err(ListenerError::NotLocal { key: self.key(), made_by: source }),
        }
    }

    fn with(&self, element: xml::Element<'_>) -> Result<Self, ListenerError> {
        if !element.name().eq_ignore_ascii_case("Listener") {
            let found = excerpt(element.name());
            return Err(ListenerError::Content(PutError::Root { expected: "Listener", found }));
        }
        let mut listener = self.clone();
        let mut seen = Vec::new();
        let mut errors = Vec::new();
        for child in element.children() {
            if errors.len() >= MAX_ERRORS {
                break;
            }
            let (name, text) = (child.name(), child.text());
            let fault = match name {
                "Address" if ListenerAddress::parse(&text)? != self.address => {
                    return Err(ListenerError::KeyChange(self.key()));
                }
                "Transport" if Transport::parse(&text)? != self.transport => {
                    return Err(ListenerError::KeyChange(self.key()));
                }
                "Address" | "Transport" | "ListeningOn" => None,
                _ => listener.assign(&mut seen, name, &text).err(),
            };
            if let Some(reason) = fault {
                errors.push(SettingError { path: format!("Listener/{}", excerpt(name)), reason });
            }
        }
        if errors.is_empty() { Ok(listener) } else { Err(ListenerError::Content(PutError::Settings(errors))) }
    }

    fn assign(&mut self, seen: &mut Vec<&'static str>, name: &str, text: &str) -> Result<Change, Reason> {
        let field = Field::find(name)?;
        if !field.is_in_messages() {
            return Err(Reason::ReadOnly);
        }
        if seen.contains(&field.name) {
            return Err(Reason::Repeated);
        }
        seen.push(field.name);
        (field.replace)(self, text)
    }
}

impl Serving {
    /// Rejects addresses in a Put message that are not those of the listener, because they cannot be set.
    fn require_unchanged(&self, element: xml::Element<'_>) -> Result<(), ListenerError> {
        let sent = element.children().filter(|child| child.name() == "ListeningOn");
        let sent: BTreeSet<_> = sent.map(|child| child.text().trim().parse().ok()).collect();
        let own: BTreeSet<Option<IpAddr>> = self.addresses.iter().copied().map(Some).collect();
        if sent.is_empty() || sent == own {
            return Ok(());
        }
        let path = "Listener/ListeningOn".to_owned();
        Err(ListenerError::Content(PutError::Settings(vec![SettingError { path, reason: Reason::ReadOnly }])))
    }
}

impl ListenerSource {
    /// Returns the value of the attribute `Source` in messages.
    fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Local => None,
            Self::Policy => Some("GPO"),
            Self::Compatibility => Some("Compatibility"),
        }
    }

    fn owner(self, transport: Transport) -> &'static str {
        match (self, transport) {
            (Self::Local, _) => "it is managed on this machine",
            (Self::Policy, _) => "it is created by the policy AllowAutoConfig; change the policy instead",
            (Self::Compatibility, Transport::Http) => {
                "it is created by Service/EnableCompatibilityHttpListener; set that to false instead"
            }
            (Self::Compatibility, Transport::Https) => {
                "it is created by Service/EnableCompatibilityHttpsListener; set that to false instead"
            }
        }
    }
}

/// Field outside the key, for messages and files.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) element: &'static str,
    pub(crate) kind: Kind,
    mutability: Mutability,
    pub(crate) show: fn(&Listener) -> Cow<'_, str>,
    pub(crate) replace: fn(&mut Listener, &str) -> Result<Change, Reason>,
}

macro_rules! fields {
    ($($name:literal $field:ident: $value:ty, $mutability:ident;)*) => {
        &[$(Field {
            name: $name,
            element: concat!("cfg:", $name),
            kind: <$value as Value>::KIND,
            mutability: Mutability::$mutability,
            show: |listener| listener.$field.show(),
            replace: |listener, text| exchange::<$value>(&mut listener.$field, text),
        }),*]
    };
}

/// Fields in the order of messages, then those that only the file has.
pub(crate) const FIELDS: &[Field] = fields! {
    "Port" port: Port, Writable;
    "Hostname" hostname: Hostname, Writable;
    "Enabled" enabled: bool, Writable;
    "URLPrefix" url_prefix: UrlPrefix, Writable;
    "CertificateThumbprint" certificate_thumbprint: Option<Thumbprint>, Writable;
    "TrustedBalancers" trusted_balancers: TrustedBalancers, FileOnly;
};

impl Field {
    /// Returns the field with a name, compared with case.
    pub(crate) fn find(name: &str) -> Result<&'static Self, Reason> {
        FIELDS.iter().find(|field| field.name == name).ok_or_else(|| {
            let names = FIELDS.iter().map(|field| field.name).chain(["Address", "Transport"]);
            let similar = crate::schema::most_similar(names, name);
            Reason::Unknown { nearest: similar.map(|own| format!("Listener/{own}")) }
        })
    }

    /// Returns whether messages contain the field.
    fn is_in_messages(&self) -> bool {
        self.mutability != Mutability::FileOnly
    }
}
