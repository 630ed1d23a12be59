//! How the service is reached, and who asks: what `winrm` and `winrs` have in common.

pub(crate) mod draft;
pub(crate) mod switches;

use std::path::PathBuf;
use std::time::Duration;

use auth::{ServiceClass, ServicePrincipalName};

use crate::endpoint::Endpoint;
use crate::secret::{PasswordSource, Secret};
use crate::switch::Keyword;

/// Everything a client must know before its first request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Which service is asked.
    pub target: Target,
    /// Who asks, and how that is proven.
    pub login: Login,
    /// What the service is called to its realm.
    pub service_name: ServiceName,
    /// How the certificate of the service is looked at; of no meaning over HTTP.
    pub trust: Trust,
    /// Whether messages over HTTP may travel unsealed.
    pub unencrypted: Unencrypted,
    /// The character encoding of requests.
    pub encoding: Encoding,
    /// How long one operation may take on the service, if that was said.
    pub timeout: Option<Duration>,
    /// The proxy on the way.
    pub proxy: Option<Proxy>,
    /// Where every message is written to, without the secrets in it.
    pub trace: Option<PathBuf>,
}

impl Default for Connection {
    /// The local service, as the user of this process.
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

/// Which service is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// That of this machine: the first of these Unix sockets that somebody listens on.
    Local(Vec<PathBuf>),
    /// The one at an address.
    Remote(Endpoint),
}

impl Target {
    /// This machine, at the sockets that its services have: that of the machine, then that of the user.
    #[must_use]
    pub fn local() -> Self {
        Self::Local(config::local_sockets())
    }

    /// The host as it was addressed.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Local(_) => "localhost",
            Self::Remote(endpoint) => endpoint.host(),
        }
    }
}

/// Who asks, and how that is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Nobody (`-auth:none`): enough for Identify.
    Anonymous,
    /// The user of this process: by the kernel's word to a service of this machine, else by a Kerberos ticket.
    Implicit {
        /// Which scheme carries the ticket.
        scheme: ImplicitScheme,
        /// Whether the port is part of the service principal name.
        spn: SpnPort,
    },
    /// A user with a password.
    Password {
        /// Which scheme, if that was said.
        scheme: Option<PasswordScheme>,
        /// As it was typed: `USER`, `DOMAIN\USER` or `USER@DOMAIN`.
        user: String,
        /// Where the password is.
        password: PasswordSource,
        /// Whether the port is part of the service principal name.
        spn: SpnPort,
    },
    /// A client certificate.
    Certificate(ClientCertificate),
}

/// Schemes that carry a ticket the user already has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImplicitScheme {
    /// Whatever fits the host.
    Default,
    /// SPNEGO.
    Negotiate,
    /// SPNEGO over HTTPS with credentials that were not typed (`-defaultCreds`).
    NegotiateDefaultCredentials,
    /// Kerberos alone.
    Kerberos,
}

/// Schemes that prove a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordScheme {
    /// RFC 7617: sends the password itself.
    Basic,
    /// RFC 7616.
    Digest,
    /// SPNEGO: Kerberos or NTLM.
    Negotiate,
    /// Kerberos alone.
    Kerberos,
    /// MS-CSSP: hands the password on to the service.
    CredSsp,
}

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// By the SHA-1 thumbprint of a certificate in the store of this machine.
    Thumbprint(Thumbprint),
    /// PEM files.
    Files {
        /// The certificate, with its chain.
        certificate: PathBuf,
        /// Its private key; the same file if it holds both.
        key: PathBuf,
    },
}

/// The SHA-1 digest of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbprint(
    /// INVARIANT: 40 hexadecimal digits in upper case.
    String,
);

impl Thumbprint {
    /// Reads 40 hexadecimal digits; spaces between them are what the Windows dialog shows.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != '\u{200E}').collect();
        let fits = digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| Self(digits.to_ascii_uppercase()))
    }

    /// The digits in upper case.
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

/// Whether the credentials may go on to a third machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delegation {
    /// They stay.
    Refused,
    /// They may (`-allowdelegate`).
    Allowed,
}

/// What the service is called to its realm (`-spn`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceName {
    /// The host as it is addressed, with this class: `HTTP/server7`.
    OfHost(ServiceClass),
    /// This, wherever the endpoint is.
    Chosen(ServicePrincipalName),
}

impl Default for ServiceName {
    fn default() -> Self {
        Self::OfHost(ServiceClass::Http)
    }
}

impl ServiceName {
    /// Reads a class alone, or a whole name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Some(Self::OfHost(ServiceClass::Http)),
            "wsman" => Some(Self::OfHost(ServiceClass::Wsman)),
            "host" => Some(Self::OfHost(ServiceClass::Host)),
            _ => ServicePrincipalName::parse(text).ok().map(Self::Chosen),
        }
    }
}

/// How the certificate of the service is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Whether its issuer must be known.
    pub issuer: Verification,
    /// Whether it must bear the name of the host.
    pub name: Verification,
    /// A PEM file with issuers to trust beside those of this machine.
    pub ca: Option<PathBuf>,
}

/// Whether something is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// It is.
    #[default]
    Required,
    /// It is not.
    Skipped,
}

/// Whether messages over HTTP may travel unsealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unencrypted {
    /// They are sealed, or not sent.
    Refused,
    /// Anyone on the way may read them.
    Allowed,
}

/// The character encoding of requests.
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

/// The proxy on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is found.
    pub access: ProxyAccess,
    /// Who asks it, if it wants to know.
    pub login: Option<ProxyLogin>,
}

/// Who asks the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyLogin {
    /// How that is proven.
    pub scheme: ProxyScheme,
    /// User and password; without them, the user of this process.
    pub credentials: Option<ProxyCredentials>,
}

/// User and password for a proxy.
#[derive(Clone, Debug)]
pub struct ProxyCredentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl PartialEq for ProxyCredentials {
    fn eq(&self, other: &Self) -> bool {
        self.user == other.user && self.password.matches(&other.password)
    }
}

impl Eq for ProxyCredentials {}

/// Where a proxy is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyAccess {
    /// The settings of the user (here: `https_proxy` and its kin).
    User,
    /// The settings of the machine.
    Machine,
    /// Automatic detection.
    AutoDetect,
    /// No proxy, whatever is set.
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

/// How a proxy learns who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// RFC 7617.
    Basic,
    /// RFC 7616.
    Digest,
    /// SPNEGO.
    Negotiate,
}

impl Keyword for ProxyScheme {
    const WORDS: &'static [(&'static str, Self)] =
        &[("basic", Self::Basic), ("digest", Self::Digest), ("negotiate", Self::Negotiate)];
}
