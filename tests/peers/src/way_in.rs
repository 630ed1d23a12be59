//! The ways a peer can sign in, each with what the service must allow for it.

/// How a peer reaches the service and proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayIn {
    /// Basic inside TLS, with the service's self-signed certificate taken on trust.
    BasicOverHttps,
    /// Basic in plain text, on a service that has `Service.AllowUnencrypted` on.
    BasicOverAllowedHttp,
    /// NTLM without SPNEGO, with sealed messages.
    NtlmOverHttp,
    /// NTLM over HTTPS; TLS protects the messages.
    NtlmOverHttps,
    /// NTLM over HTTPS, with sealed messages as well.
    NtlmSealedOverHttps,
    /// Negotiate, with sealed messages.
    NegotiateOverHttp,
    /// Negotiate over HTTPS.
    NegotiateOverHttps,
    /// CredSSP, with messages sealed by its inner TLS connection.
    CredSspOverHttp,
    /// CredSSP over HTTPS.
    CredSspOverHttps,
    /// Client certificate, which the test must give to the peer.
    CertificateOverHttps,
    /// Kerberos, with sealed messages; needs a realm (see [`in_realm`](crate::in_realm)).
    KerberosOverHttp,
    /// Kerberos over HTTPS.
    KerberosOverHttps,
}

impl WayIn {
    /// The settings that open this way, beside those that every start passes.
    #[must_use]
    pub fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::BasicOverAllowedHttp => &[("Service.AllowUnencrypted", "true")],
            Self::CredSspOverHttp | Self::CredSspOverHttps => &[("Service.Auth.CredSSP", "true")],
            Self::CertificateOverHttps => &[("Service.Auth.Certificate", "true")],
            _ => &[],
        }
    }

    /// Returns whether the connection uses TLS.
    #[must_use]
    pub fn is_tls(self) -> bool {
        match self {
            Self::BasicOverHttps
            | Self::NtlmOverHttps
            | Self::NtlmSealedOverHttps
            | Self::NegotiateOverHttps
            | Self::CredSspOverHttps
            | Self::CertificateOverHttps
            | Self::KerberosOverHttps => true,
            Self::BasicOverAllowedHttp
            | Self::NtlmOverHttp
            | Self::NegotiateOverHttp
            | Self::CredSspOverHttp
            | Self::KerberosOverHttp => false,
        }
    }

    /// The scheme, as clients in Python and our own call it.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::BasicOverHttps | Self::BasicOverAllowedHttp => "basic",
            Self::NtlmOverHttp | Self::NtlmOverHttps | Self::NtlmSealedOverHttps => "ntlm",
            Self::NegotiateOverHttp | Self::NegotiateOverHttps => "negotiate",
            Self::CredSspOverHttp | Self::CredSspOverHttps => "credssp",
            Self::CertificateOverHttps => "certificate",
            Self::KerberosOverHttp | Self::KerberosOverHttps => "kerberos",
        }
    }

    /// Message encryption of Python clients: always, never, or only without TLS.
    #[must_use]
    pub fn encryption(self) -> &'static str {
        match self {
            Self::BasicOverAllowedHttp => "never",
            Self::NtlmSealedOverHttps => "always",
            _ => "auto",
        }
    }
}
