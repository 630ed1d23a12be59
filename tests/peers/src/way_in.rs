//! The ways a peer can sign in, each with what the service must allow for it.

/// How a peer reaches the service and proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayIn {
    /// Basic inside TLS, with the service's self-signed certificate taken on trust.
    BasicOverHttps,
    /// Basic in plain text, on a service that has `Service.AllowUnencrypted` on.
    BasicOverAllowedHttp,
    /// NTLM without SPNEGO around it, which seals every message.
    NtlmOverHttp,
    /// The same inside TLS, which is all that protects messages then.
    NtlmOverHttps,
    /// The same inside TLS, and sealed all the same.
    NtlmSealedOverHttps,
    /// Whatever SPNEGO agrees upon, which seals every message.
    NegotiateOverHttp,
    /// The same inside TLS.
    NegotiateOverHttps,
    /// CredSSP, which seals every message with the TLS connection inside it.
    CredSspOverHttp,
    /// The same inside TLS.
    CredSspOverHttps,
    /// With a client certificate, which the peer must be given.
    CertificateOverHttps,
    /// Kerberos, which seals every message; takes a realm (see [`in_realm`](crate::in_realm)).
    KerberosOverHttp,
    /// The same inside TLS.
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

    /// Whether the bytes on the wire are those of TLS.
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

    /// When clients in Python seal: always, never, or where nothing else protects messages.
    #[must_use]
    pub fn encryption(self) -> &'static str {
        match self {
            Self::BasicOverAllowedHttp => "never",
            Self::NtlmSealedOverHttps => "always",
            _ => "auto",
        }
    }
}
