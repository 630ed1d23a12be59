//! Endpoint, credentials and transport options, shared by `winrm` and `winrs`.

pub(crate) mod draft;
pub(crate) mod switches;

use std::path::PathBuf;
use std::time::Duration;

use auth::{ServiceClass, ServicePrincipalName};

use crate::endpoint::Endpoint;
use crate::secret::{PasswordSource, Secret};
use crate::switch::Keyword;

/// Connection options of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Service to connect to.
    pub target: Target,
    /// Credentials and authentication scheme.
    pub login: Login,
    /// Service principal name for Kerberos.
    pub service_name: ServiceName,
    /// Verification of the server certificate; ignored over HTTP.
    pub trust: Trust,
    /// Whether unencrypted messages over HTTP are allowed.
    pub unencrypted: Unencrypted,
    /// Character encoding of requests.
    pub encoding: Encoding,
    /// Maximum time for one operation on the service; `None` for the default of the client.
    pub timeout: Option<Duration>,
    /// Proxy settings; `None` connects directly.
    pub proxy: Option<Proxy>,
    /// File that receives every message, with secrets removed.
    pub trace: Option<PathBuf>,
}

impl Default for Connection {
    /// Returns a connection to the local service as the user of this process.
    fn default() -> Self {
        Self {
            target: Target::local(),
            login: Login::Implicit { scheme: ImplicitScheme::Default, spn: SpnPort::Left },
            service_name: ServiceName::default(),
            trust: Trust::default(),
            unencrypted: Unencrypted::Refused,
            encoding: Encoding::Utf8,
            timeout: None,
            proxy: None,
            trace: None,
        }
    }
}

/// Service to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Local service, at the first of these Unix sockets that accepts connections.
    Local(Vec<PathBuf>),
    /// Service at a network endpoint.
    Remote(Endpoint),
}

impl Target {
    /// Returns the local target: the socket of the machine's service, then the socket of the user's service.
    #[must_use]
    pub fn local() -> Self {
        Self::Local(config::local_sockets())
    }

    /// Returns the host name or address as typed, or `localhost` for the local service.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Local(_) => "localhost",
            Self::Remote(endpoint) => endpoint.host(),
        }
    }
}

/// Credentials and authentication scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// No credentials (`-auth:none`); sufficient for Identify.
    Anonymous,
    /// The user of this process, identified by the kernel to the local service and by a Kerberos ticket to others.
    Implicit {
        /// Scheme that carries the ticket.
        scheme: ImplicitScheme,
        /// Whether the port is part of the service principal name.
        spn: SpnPort,
    },
    /// A user with a password.
    Password {
        /// Scheme; `None` selects one automatically.
        scheme: Option<PasswordScheme>,
        /// User name as typed: `USER`, `DOMAIN\USER` or `USER@DOMAIN`.
        user: String,
        /// Source of the password.
        password: PasswordSource,
        /// Whether the port is part of the service principal name.
        spn: SpnPort,
    },
    /// A client certificate.
    Certificate(ClientCertificate),
}

/// Authentication schemes that use an existing ticket of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImplicitScheme {
    /// Selected automatically for the host.
    Default,
    /// SPNEGO.
    Negotiate,
    /// SPNEGO over HTTPS with the credentials of the current user (`-defaultCreds`).
    NegotiateDefaultCredentials,
    /// Kerberos alone.
    Kerberos,
}

/// Authentication schemes that use a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordScheme {
    /// Basic authentication (RFC 7617): sends the password itself.
    Basic,
    /// Digest authentication (RFC 7616).
    Digest,
    /// SPNEGO: Kerberos or NTLM.
    Negotiate,
    /// Kerberos alone.
    Kerberos,
    /// CredSSP (MS-CSSP): delegates the password to the service.
    CredSsp,
}

/// A client certificate with its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// Certificate in the store of this machine, by SHA-1 thumbprint.
    Thumbprint(Thumbprint),
    /// PEM files.
    Files {
        /// Certificate with its chain.
        certificate: PathBuf,
        /// Private key; the same file if it contains both.
        key: PathBuf,
    },
}

/// SHA-1 digest of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbprint(
    /// INVARIANT: 40 hexadecimal digits in upper case.
    String,
);

impl Thumbprint {
    /// Parses 40 hexadecimal digits. Spaces are ignored, because the Windows certificate dialog shows them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != '\u{200E}').collect();
        let fits = digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| Self(digits.to_ascii_uppercase()))
    }

    /// Returns the digits in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether the port is part of the service principal name (`-SPNPort`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpnPort {
    /// `HTTP/host`
    Left,
    /// `HTTP/host:port`
    Appended,
}

/// Whether the service may use the credentials for a third machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delegation {
    /// The credentials are not delegated.
    Refused,
    /// The credentials are delegated (`-allowdelegate`).
    Allowed,
}

/// Service principal name for Kerberos (`-spn`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceName {
    /// Host name as typed, with this service class: `HTTP/server7`.
    OfHost(ServiceClass),
    /// Explicit name, independent of the endpoint.
    Explicit(ServicePrincipalName),
}

impl Default for ServiceName {
    fn default() -> Self {
        Self::OfHost(ServiceClass::Http)
    }
}

impl ServiceName {
    /// Parses a service class or a full service principal name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Some(Self::OfHost(ServiceClass::Http)),
            "wsman" => Some(Self::OfHost(ServiceClass::Wsman)),
            "host" => Some(Self::OfHost(ServiceClass::Host)),
            _ => ServicePrincipalName::parse(text).ok().map(Self::Explicit),
        }
    }
}

/// Verification of the server certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Verification of the issuer.
    pub issuer: Verification,
    /// Verification of the host name.
    pub name: Verification,
    /// PEM file with additional trusted certificate authorities.
    pub ca: Option<PathBuf>,
}

/// Whether a property of the certificate is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// Verify the property.
    #[default]
    Required,
    /// Skip the verification.
    Skipped,
}

/// Whether unencrypted messages over HTTP are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unencrypted {
    /// Messages are sealed or not sent.
    Refused,
    /// Messages may be sent without encryption.
    Allowed,
}

/// Character encoding of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-16, little endian.
    Utf16,
}

impl Keyword for Encoding {
    const WORDS: &'static [(&'static str, Self)] = &[("utf-8", Self::Utf8), ("utf-16", Self::Utf16)];
}

/// Proxy options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Source of the proxy address.
    pub access: ProxyAccess,
    /// Authentication to the proxy; `None` if the proxy requires none.
    pub login: Option<ProxyLogin>,
}

/// Authentication to a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyLogin {
    /// Authentication scheme.
    pub scheme: ProxyScheme,
    /// User name and password; `None` for the Kerberos ticket of the current user.
    pub credentials: Option<ProxyCredentials>,
}

/// User name and password for a proxy.
#[derive(Clone, Debug)]
pub struct ProxyCredentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: Secret,
}

impl PartialEq for ProxyCredentials {
    fn eq(&self, other: &Self) -> bool {
        self.user == other.user && self.password.matches(&other.password)
    }
}

impl Eq for ProxyCredentials {}

/// Source of the proxy address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyAccess {
    /// Proxy settings of the user: `https_proxy` and related variables.
    User,
    /// Proxy settings of the machine.
    Machine,
    /// Automatic detection; the same as `User` on Linux.
    AutoDetect,
    /// No proxy, regardless of the settings.
    None,
}

impl Keyword for ProxyAccess {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ie_settings", Self::User),
        ("winhttp_settings", Self::Machine),
        ("auto_detect", Self::AutoDetect),
        ("no_proxy", Self::None),
    ];
}

/// Authentication scheme for a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// Basic authentication (RFC 7617).
    Basic,
    /// Digest authentication (RFC 7616).
    Digest,
    /// SPNEGO.
    Negotiate,
}

impl Keyword for ProxyScheme {
    const WORDS: &'static [(&'static str, Self)] =
        &[("basic", Self::Basic), ("digest", Self::Digest), ("negotiate", Self::Negotiate)];
}
