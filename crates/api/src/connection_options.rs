//! Who asks, and how the other machine is to be reached.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use client::{
    ClientCertificate, Delegation, HostTrust, Secret, ServiceClass, ServiceName, ServicePrincipalName,
};
use client::{SpnPort, Thumbprint, TlsPolicy};

use crate::error::Error;
use crate::flags::{ProxyAccess, ProxyAuthentication};
use crate::proxy;

/// Who asks (`IWSManConnectionOptions`), and what else a session may be told beside its flags.
///
/// ```
/// use std::time::Duration;
/// use telarch::ConnectionOptions;
///
/// let options = ConnectionOptions::new()
///     .credentials("CORP\\ann", "a secret")
///     .ca_file("/etc/ssl/corp.pem")
///     .total_timeout(Some(Duration::from_secs(600)));
/// assert!(!format!("{options:?}").contains("a secret"));
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct ConnectionOptions {
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) tls: TlsPolicy,
    pub(crate) proxy: Option<proxy::Asked>,
    pub(crate) trust: Option<HostTrust>,
    pub(crate) service: Service,
    pub(crate) delegation: Delegation,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) total_timeout: Option<Duration>,
    pub(crate) operation_timeout: Option<Duration>,
    pub(crate) max_envelope_size: Option<u32>,
    pub(crate) locale: Option<String>,
}

/// Where the certificate of the client is.
#[derive(Clone, Debug)]
pub(crate) enum Certificate {
    Thumbprint(Thumbprint),
    Files { certificate: PathBuf, key: PathBuf },
}

/// What the service is called to its realm.
#[derive(Clone, Debug, Default)]
pub(crate) enum Service {
    #[default]
    OfHost,
    /// The host, with another class than `HTTP`.
    Class(ServiceClass),
    Chosen(ServicePrincipalName),
}

impl ConnectionOptions {
    /// The user of this process, the authorities of this system, the usual limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Who asks: `USER`, `DOMAIN\USER` or `USER@DOMAIN`, and the password.
    pub fn credentials(self, user_name: impl Into<String>, password: impl Into<String>) -> Self {
        self.user_name(user_name).password(password)
    }

    /// Who asks (`UserName`).
    pub fn user_name(mut self, user_name: impl Into<String>) -> Self {
        self.user_name = Some(user_name.into());
        self
    }

    /// The password (`Password`), which nobody reads out again.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Secret::new(password.into()));
        self
    }

    /// The client certificate of this thumbprint, in hexadecimal digits (`CertificateThumbprint`); it is looked for
    /// where `winrm -certificate` looks.
    ///
    /// # Errors
    /// [`Error::Argument`] for what is no thumbprint.
    pub fn certificate_thumbprint(mut self, thumbprint: &str) -> Result<Self, Error> {
        let thumbprint =
            Thumbprint::parse(thumbprint).map_err(|error| Error::argument(error.to_string(), None))?;
        self.certificate = Some(Certificate::Thumbprint(thumbprint));
        Ok(self)
    }

    /// The client certificate in a PEM file, with its chain, and its private key, which may be in the same file.
    pub fn certificate_files(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificate = Some(Certificate::Files { certificate: certificate.into(), key: key.into() });
        self
    }

    /// Where the proxy on the way is looked for, and how one signs in there (`SetProxy`): in the environment of this
    /// process (`https_proxy`, `http_proxy`, `no_proxy`) for [`ProxyAccess::IE_CONFIG`] and
    /// [`ProxyAccess::AUTO_DETECT`], in `/etc/environment` for [`ProxyAccess::WIN_HTTP_CONFIG`].
    ///
    /// By default there is none, whatever the environment says.
    ///
    /// # Errors
    /// [`Error::Argument`] for what cannot be meant.
    pub fn proxy(
        mut self,
        access: ProxyAccess,
        authentication: Option<ProxyAuthentication>,
        credentials: Option<(&str, &str)>,
    ) -> Result<Self, Error> {
        self.proxy = Some(proxy::Asked::new(access, authentication, credentials)?);
        Ok(self)
    }

    /// The proxy on the way: `http://[USER:PASSWORD@]HOST[:PORT]`.
    ///
    /// # Errors
    /// [`Error::Argument`] for what is no address of a proxy.
    pub fn proxy_address(mut self, address: &str) -> Result<Self, Error> {
        self.proxy = Some(proxy::Asked::at(address)?);
        Ok(self)
    }

    /// Trusts the certificates of a PEM file too, beside the authorities of this system.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls = self.tls.ca_file(path);
        self
    }

    /// Accepts no certificate of the service but that of this thumbprint, in hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::Argument`] for what is no thumbprint.
    pub fn pin(mut self, thumbprint: &str) -> Result<Self, Error> {
        let thumbprint =
            Thumbprint::parse(thumbprint).map_err(|error| Error::argument(error.to_string(), None))?;
        self.tls = self.tls.pin(thumbprint);
        Ok(self)
    }

    /// Talks to the host over HTTP although nothing proves who it is, as if it stood in `TrustedHosts`. Over HTTPS the
    /// certificate proves it, with Kerberos the realm does.
    pub fn trust_host(mut self) -> Self {
        self.trust = Some(HostTrust::Listed);
        self
    }

    /// What the service is called to its realm: `HTTP`, `WSMAN` or `HOST` for the host as it is addressed, or a whole
    /// name such as `HTTP/node7.example.com`. `HTTP` and the host by default.
    ///
    /// # Errors
    /// [`Error::Argument`] for what is neither.
    pub fn service_name(mut self, name: &str) -> Result<Self, Error> {
        let wrong = |error: client::SpnError| Error::argument(error.to_string(), None);
        self.service = match name.to_ascii_uppercase().as_str() {
            "HTTP" => Service::Class(ServiceClass::Http),
            "WSMAN" => Service::Class(ServiceClass::Wsman),
            "HOST" => Service::Class(ServiceClass::Host),
            _ => Service::Chosen(ServicePrincipalName::parse(name).map_err(wrong)?),
        };
        Ok(self)
    }

    /// Lets the service act as the user on other machines. It needs Kerberos; CredSSP does so anyway.
    pub fn delegate(mut self) -> Self {
        self.delegation = Delegation::Demanded;
        self
    }

    /// How long finding the host, connecting and TLS may take together; 30 seconds by default.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Some(limit);
        self
    }

    /// How long the connection may be silent while an answer is due; 10 seconds longer than
    /// [`Self::operation_timeout`] by default, and never shorter than that.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = Some(limit);
        self
    }

    /// How long an operation may take with all its requests; unlimited by default.
    pub fn total_timeout(mut self, limit: Option<Duration>) -> Self {
        self.total_timeout = limit;
        self
    }

    /// Within what time the service is to answer one request (`IWSManSession::Timeout`); 60 seconds by default.
    /// A command or an enumeration with nothing to say in that time is asked again.
    pub fn operation_timeout(mut self, limit: Duration) -> Self {
        self.operation_timeout = Some(limit);
        self
    }

    /// The largest answer asked for, in octets; 512,000 by default.
    pub fn max_envelope_size(mut self, octets: u32) -> Self {
        self.max_envelope_size = Some(octets);
        self
    }

    /// The language of texts; `en-US` by default.
    pub fn locale(mut self, language: impl Into<String>) -> Self {
        self.locale = Some(language.into());
        self
    }
}

impl Certificate {
    pub(crate) fn load(&self) -> Result<ClientCertificate, Error> {
        let found = match self {
            Self::Files { certificate, key } => ClientCertificate::from_files(certificate, key),
            Self::Thumbprint(thumbprint) => {
                ClientCertificate::find(*thumbprint, config::client_certificates())
            }
        };
        found.map_err(|error| {
            let text = error.to_string();
            let (what, fix) = text.split_once("\n  ").unwrap_or((&text, ""));
            Error::argument(what, Some(fix).filter(|fix| !fix.is_empty()))
        })
    }
}

impl Service {
    pub(crate) fn for_client(self, port: SpnPort) -> ServiceName {
        match self {
            Self::OfHost => ServiceName::FromEndpoint { class: ServiceClass::Http, port },
            Self::Class(class) => ServiceName::FromEndpoint { class, port },
            Self::Chosen(name) => ServiceName::Explicit(name),
        }
    }
}

/// Shows who asks and never the password.
impl fmt::Debug for ConnectionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionOptions")
            .field("user_name", &self.user_name)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}
