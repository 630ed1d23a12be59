//! Authentication schemes (MS-WSMV 2.1, RFC 4559, RFC 7617).

use std::fmt;

/// An authentication scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scheme {
    /// SPNEGO, or NTLM or Kerberos without it.
    Negotiate,
    /// Kerberos only.
    Kerberos,
    /// CredSSP: credentials delegated inside TLS.
    CredSsp,
    /// Name and password in clear text.
    Basic,
    /// A TLS client certificate.
    Certificate,
    /// Credentials of a Unix socket peer, from the kernel. No HTTP header can select this.
    Local,
}

impl Scheme {
    /// The schemes that an HTTP header can select, in the order in which Windows offers them.
    pub const HTTP: [Self; 5] =
        [Self::Negotiate, Self::Kerberos, Self::CredSsp, Self::Basic, Self::Certificate];

    /// Returns the scheme named in an `Authorization` or `WWW-Authenticate` header, compared without case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::HTTP.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    /// Name as it appears in headers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Negotiate => "Negotiate",
            Self::Kerberos => "Kerberos",
            Self::CredSsp => "CredSSP",
            Self::Basic => "Basic",
            Self::Certificate => "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual",
            Self::Local => "Local",
        }
    }

    /// Name for logs and metrics: the name in headers, except that Certificate has a URI there.
    #[must_use]
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Certificate => "Certificate",
            other => other.name(),
        }
    }

    /// Value of the `WWW-Authenticate` line that offers the scheme; `None` for schemes without one.
    #[must_use]
    pub fn challenge(self) -> Option<&'static str> {
        match self {
            Self::Basic => Some("Basic realm=\"WSMAN\""),
            Self::Certificate | Self::Local => None,
            other => Some(other.name()),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_cannot_be_named_in_a_header() {
        assert_eq!(Scheme::from_name("Local"), None);
        assert_eq!(Scheme::Local.challenge(), None);
    }
}
