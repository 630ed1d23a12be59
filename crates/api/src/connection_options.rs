//! Credentials and connection settings.

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

/// Credentials (`IWSManConnectionOptions`) and further settings of a session.
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
    pub(crate) proxy: Option<proxy::ProxySetting>,
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

/// Source of the client certificate.
#[derive(Clone, Debug)]
pub(crate) enum Certificate {
    Thumbprint(Thumbprint),
    Files { certificate: PathBuf, key: PathBuf },
}

/// Choice of the service principal name.
#[derive(Clone, Debug, Default)]
pub(crate) enum Service {
    #[default]
    OfHost,
    /// The host with another service class than `HTTP`.
    Class(ServiceClass),
    Explicit(ServicePrincipalName),
}

impl ConnectionOptions {
    /// Creates options with the defaults: the user of this process, the authorities of this system.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the user name (`USER`, `DOMAIN\USER` or `USER@DOMAIN`) and the password.
    pub fn credentials(self, user_name: impl Into<String>, password: impl Into<String>) -> Self {
        self.user_name(user_name).password(password)
    }

    /// Sets the user name (`UserName`).
    pub fn user_name(mut self, user_name: impl Into<String>) -> Self {
        self.user_name = Some(user_name.into());
        self
    }

    /// Sets the password (`Password`), which cannot be read back.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Secret::new(password.into()));
        self
    }

    /// Sets the thumbprint of the client certificate, in hexadecimal digits (`CertificateThumbprint`); the certificate is
    /// searched for in the same directories as for `winrm -certificate`.
    ///
    /// # Errors
    /// [`Error::Argument`] for an invalid thumbprint.
    pub fn certificate_thumbprint(mut self, thumbprint: &str) -> Result<Self, Error> {
        let thumbprint =
            Thumbprint::parse(thumbprint).map_err(|error| Error::argument(error.to_string(), None))?;
        self.certificate = Some(Certificate::Thumbprint(thumbprint));
        Ok(self)
    }

    /// Sets the PEM file of the client certificate with its chain, and that of its private key, which may be the same.
    pub fn certificate_files(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificate = Some(Certificate::Files { certificate: certificate.into(), key: key.into() });
        self
    }

    /// Sets where to look for a proxy and how to authenticate to it (`SetProxy`): the environment variables of this
    /// process (`https_proxy`, `http_proxy`, `no_proxy`) for [`ProxyAccess::IE_CONFIG`] and
    /// [`ProxyAccess::AUTO_DETECT`], `/etc/environment` for [`ProxyAccess::WIN_HTTP_CONFIG`].
    ///
    /// By default no proxy is used, regardless of the environment.
    ///
    /// # Errors
    /// [`Error::Argument`] for an invalid combination of arguments.
    pub fn proxy(
        mut self,
        access: ProxyAccess,
        authentication: Option<ProxyAuthentication>,
        credentials: Option<(&str, &str)>,
    ) -> Result<Self, Error> {
        self.proxy = Some(proxy::ProxySetting::new(access, authentication, credentials)?);
        Ok(self)
    }

    /// Sets the proxy: `http://[USER:PASSWORD@]HOST[:PORT]`.
    ///
    /// # Errors
    /// [`Error::Argument`] for an invalid address.
    pub fn proxy_address(mut self, address: &str) -> Result<Self, Error> {
        self.proxy = Some(proxy::ProxySetting::from_address(address)?);
        Ok(self)
    }

    /// Trusts the certificates in a PEM file, in addition to the authorities of this system.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls = self.tls.ca_file(path);
        self
    }

    /// Accepts only the service certificate with this thumbprint, in hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::Argument`] for an invalid thumbprint.
    pub fn pin(mut self, thumbprint: &str) -> Result<Self, Error> {
        let thumbprint =
            Thumbprint::parse(thumbprint).map_err(|error| Error::argument(error.to_string(), None))?;
        self.tls = self.tls.pin(thumbprint);
        Ok(self)
    }

    /// Allows credentials to be sent over HTTP to the host although its identity is not verified, as if it were in
    /// `TrustedHosts`.
    pub fn trust_host(mut self) -> Self {
        self.trust = Some(HostTrust::Listed);
        self
    }

    /// Sets the service principal name: the class `HTTP`, `WSMAN` or `HOST` for the addressed host, or a complete name
    /// such as `HTTP/node7.example.com`. The default is `HTTP` and the host.
    ///
    /// # Errors
    /// [`Error::Argument`] for an invalid name.
    pub fn service_name(mut self, name: &str) -> Result<Self, Error> {
        self.service = match name.to_ascii_uppercase().as_str() {
            "HTTP" => Service::Class(ServiceClass::Http),
            "WSMAN" => Service::Class(ServiceClass::Wsman),
            "HOST" => Service::Class(ServiceClass::Host),
            _ => {
                let name = ServicePrincipalName::parse(name);
                Service::Explicit(name.map_err(|error| Error::argument(error.to_string(), None))?)
            }
        };
        Ok(self)
    }

    /// Allows the service to act as the user on other machines, which requires Kerberos; CredSSP always does so.
    pub fn delegate(mut self) -> Self {
        self.delegation = Delegation::Demanded;
        self
    }

    /// Limits the time for name resolution, connecting and TLS together; the default is 30 seconds.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Some(limit);
        self
    }

    /// Limits the time without received data while a response is due; it must exceed [`Self::operation_timeout`]. The
    /// default is 10 seconds longer.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = Some(limit);
        self
    }

    /// Limits the duration of an operation with all its requests; the default is unlimited.
    pub fn total_timeout(mut self, limit: Option<Duration>) -> Self {
        self.total_timeout = limit;
        self
    }

    /// Limits the time the service may take for one request (`IWSManSession::Timeout`); the default is 60 seconds. After
    /// this time, a command or an enumeration without results is polled again.
    pub fn operation_timeout(mut self, limit: Duration) -> Self {
        self.operation_timeout = Some(limit);
        self
    }

    /// Sets the maximum response size requested from the service, in bytes; the default is 512,000.
    pub fn max_envelope_size(mut self, octets: u32) -> Self {
        self.max_envelope_size = Some(octets);
        self
    }

    /// Sets the language of texts; the default is `en-US`.
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
            Self::Explicit(name) => ServiceName::Explicit(name),
        }
    }
}

/// Shows the user name and never the password.
impl fmt::Debug for ConnectionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionOptions")
            .field("user_name", &self.user_name)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}
