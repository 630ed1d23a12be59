//! The ways a peer can sign in, each with what the service must allow for it.

/// How a peer reaches the service and proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayIn {
    /// Basic inside TLS, with the service's self-signed certificate taken on trust.
    BasicOverHttps,
    /// Basic in plain text, on a service that has `Service.AllowUnencrypted` on.
    BasicOverAllowedHttp,
}

impl WayIn {
    /// The settings that open this way, beside those that every start passes.
    #[must_use]
    pub fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::BasicOverHttps => &[],
            Self::BasicOverAllowedHttp => &[("Service.AllowUnencrypted", "true")],
        }
    }

    /// Whether the bytes on the wire are those of TLS.
    #[must_use]
    pub fn is_tls(self) -> bool {
        match self {
            Self::BasicOverHttps => true,
            Self::BasicOverAllowedHttp => false,
        }
    }
}
