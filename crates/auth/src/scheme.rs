//! The names of the schemes (MS-WSMV 2.1, RFC 4559, RFC 7617).

use std::fmt;

/// A way of proving who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scheme {
    /// SPNEGO, or NTLM and Kerberos in its place.
    Negotiate,
    /// Kerberos alone.
    Kerberos,
    /// Credentials handed over inside TLS.
    CredSsp,
    /// Name and password in the clear.
    Basic,
    /// A client certificate of TLS.
    Certificate,
    /// None: the kernel says who is at the other end of a Unix socket. No header can name it.
    Local,
}

impl Scheme {
    /// The scheme that a header `Authorization` or `WWW-Authenticate` names, in any case of letters.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Negotiate, Self::Kerberos, Self::CredSsp, Self::Basic, Self::Certificate]
            .into_iter()
            .find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    /// The name as the headers spell it.
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

    /// The value of the `WWW-Authenticate` line that offers it; what needs no header is not offered that way.
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
        f.write_str(match self {
            Self::Certificate => "Certificate",
            other => other.name(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_can_claim_what_only_the_kernel_can_say() {
        assert_eq!(Scheme::from_name("Local"), None);
        assert_eq!(Scheme::Local.challenge(), None);
    }
}
