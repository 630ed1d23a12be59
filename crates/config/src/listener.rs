//! Listeners: where the service waits for requests.

mod key;
mod set;

pub use key::{ListenerAddress, ListenerKey, Transport};
pub use set::Listeners;

use std::fmt;

use crate::representation::MAX_ERRORS;
use crate::schema::{Change, exchange};
use crate::value::{Hostname, Kind, Number, Port, Thumbprint, UrlPrefix, Value, excerpt};
use crate::{PutError, Reason, Service, SettingError};

/// The resource URI of listeners, which is also the namespace of `cfg:Listener`.
pub const LISTENER_RESOURCE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/listener";

/// One listener (`winrm/config/listener`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listener {
    /// The local addresses it listens on.
    pub address: ListenerAddress,
    /// HTTP or HTTPS.
    pub transport: Transport,
    /// TCP port.
    pub port: Port,
    /// The name that callers use for this machine and that the certificate must have.
    pub hostname: Hostname,
    /// Whether it listens at all.
    pub enabled: bool,
    /// The path of requests it accepts.
    pub url_prefix: UrlPrefix,
    /// The certificate of an HTTPS listener; none means the one of `Service/CertificateThumbprint`.
    pub certificate_thumbprint: Option<Thumbprint>,
    /// Who made it.
    pub source: ListenerSource,
}

/// Who made a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenerSource {
    /// The administrator of this machine.
    #[default]
    Local,
    /// Policy.
    Policy,
    /// `EnableCompatibilityHttpListener` or `EnableCompatibilityHttpsListener`.
    Compatibility,
}

/// Why a listener cannot be made, changed, found or deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenerError {
    /// Address and transport are the key of listeners, and this one is taken.
    #[error("listener {0} exists: change it instead")]
    Exists(ListenerKey),
    /// No listener has this key.
    #[error("there is no listener {0}")]
    NotFound(ListenerKey),
    /// Not a listener's address (WSMan code 2150858889).
    #[error("{0:?} is no address for a listener: write *, IP: and an address, or MAC: and six octets")]
    Address(String),
    /// Not a transport.
    #[error("{0:?} is no transport for a listener: write HTTP or HTTPS")]
    Transport(String),
    /// A change gives another address or transport than the listener has.
    #[error("address and transport of listener {0} cannot change: delete it and create another")]
    KeyChange(ListenerKey),
    /// The listener was not made here.
    #[error("listener {key} cannot be changed here: {}", made_by.owner(key.transport))]
    NotOurs {
        /// The listener.
        key: ListenerKey,
        /// Who made it.
        made_by: ListenerSource,
    },
    /// No room for one more.
    #[error("there are {} listeners already: delete one first", Listeners::MAX)]
    TooMany,
    /// The element or its values are wrong.
    #[error(transparent)]
    Content(PutError),
}

impl Listener {
    /// A listener with the defaults: enabled, the prefix `wsman`, the transport's port of `Service/DefaultPorts`.
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
            source: ListenerSource::Local,
        }
    }

    /// The listener that Create asks for: its key from the selectors, the rest from the body or by default.
    ///
    /// # Errors
    /// [`ListenerError`] says what is wrong with the body.
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

    /// The listener of port 80 or 443 that `EnableCompatibilityHttpListener` and its sibling add.
    #[must_use]
    pub fn compatibility(transport: Transport, service: &Service) -> Self {
        let port = match transport {
            Transport::Http => Number::of::<80>(),
            Transport::Https => Number::of::<443>(),
        };
        let key = ListenerKey { address: ListenerAddress::Any, transport };
        Self { port, source: ListenerSource::Compatibility, ..Self::new(key, service) }
    }

    /// The listener that the policy `AllowAutoConfig` makes: HTTP, on the addresses that the filters admit.
    #[must_use]
    pub fn of_policy(service: &Service) -> Option<Self> {
        let key = ListenerKey { address: ListenerAddress::Any, transport: Transport::Http };
        let made = || Self { source: ListenerSource::Policy, ..Self::new(key, service) };
        service.auto_config.then(made)
    }

    /// The listeners of ports 80 and 443 that the settings of the service add now; they are in no file.
    #[must_use]
    pub fn of_compatibility(service: &Service) -> Vec<Self> {
        let switches = [
            (service.enable_compatibility_http_listener, Transport::Http),
            (service.enable_compatibility_https_listener, Transport::Https),
        ];
        let on = switches.into_iter().filter(|(is_on, _)| *is_on);
        on.map(|(_, transport)| Self::compatibility(transport, service)).collect()
    }

    /// Address and transport.
    #[must_use]
    pub fn key(&self) -> ListenerKey {
        ListenerKey { address: self.address, transport: self.transport }
    }

    /// The listener as Put wants it: elements absent from the message keep their values.
    ///
    /// # Errors
    /// [`ListenerError`] says what is wrong; everything that is wrong with values is in it.
    pub fn put(&self, element: xml::Element<'_>) -> Result<Self, ListenerError> {
        let changed = self.with(element)?;
        if changed != *self {
            self.must_be_ours()?;
        }
        Ok(changed)
    }

    /// Writes `cfg:Listener`; `listening_on` are the addresses it has found, which are not stored.
    pub fn write(&self, listening_on: impl IntoIterator<Item = impl fmt::Display>, writer: &mut xml::Writer) {
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
        for field in FIELDS {
            writer.element(field.element, &(field.show)(self));
        }
        for address in listening_on {
            writer.element("cfg:ListeningOn", &address.to_string());
        }
        writer.end();
    }

    pub(crate) fn must_be_ours(&self) -> Result<(), ListenerError> {
        match self.source {
            ListenerSource::Local => Ok(()),
            source => Err(ListenerError::NotOurs { key: self.key(), made_by: source }),
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
        if seen.contains(&field.name) {
            return Err(Reason::Repeated);
        }
        seen.push(field.name);
        (field.replace)(self, text)
    }
}

impl ListenerSource {
    /// The value of the attribute `Source` in messages.
    fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Local => None,
            Self::Policy => Some("GPO"),
            Self::Compatibility => Some("Compatibility"),
        }
    }

    fn owner(self, transport: Transport) -> &'static str {
        match (self, transport) {
            (Self::Local, _) => "it belongs to this machine",
            (Self::Policy, _) => "the policy AllowAutoConfig made it, change it there",
            (Self::Compatibility, Transport::Http) => {
                "Service/EnableCompatibilityHttpListener made it, set that to false instead"
            }
            (Self::Compatibility, Transport::Https) => {
                "Service/EnableCompatibilityHttpsListener made it, set that to false instead"
            }
        }
    }
}

/// A field that is not part of the key, for messages and files alike.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) element: &'static str,
    pub(crate) kind: Kind,
    pub(crate) show: fn(&Listener) -> String,
    pub(crate) replace: fn(&mut Listener, &str) -> Result<Change, Reason>,
}

macro_rules! fields {
    ($($name:literal $field:ident: $value:ty;)*) => {
        &[$(Field {
            name: $name,
            element: concat!("cfg:", $name),
            kind: <$value as Value>::KIND,
            show: |listener| listener.$field.show(),
            replace: |listener, text| exchange::<$value>(&mut listener.$field, text),
        }),*]
    };
}

/// In the order of messages.
pub(crate) const FIELDS: &[Field] = fields! {
    "Port" port: Port;
    "Hostname" hostname: Hostname;
    "Enabled" enabled: bool;
    "URLPrefix" url_prefix: UrlPrefix;
    "CertificateThumbprint" certificate_thumbprint: Option<Thumbprint>;
};

impl Field {
    /// The field of a name, letter for letter.
    pub(crate) fn find(name: &str) -> Result<&'static Self, Reason> {
        FIELDS.iter().find(|field| field.name == name).ok_or_else(|| {
            let names = FIELDS.iter().map(|field| field.name).chain(["Address", "Transport"]);
            let similar = crate::schema::most_similar(names, name);
            Reason::Unknown { nearest: similar.map(|own| format!("Listener/{own}")) }
        })
    }
}
