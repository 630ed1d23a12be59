//! Address of a machine, and the session of the client for it.

use std::time::Duration;

use client::{
    Authentication, Credentials, Endpoint, EndpointError, Error, Session, SessionBuilder, Thumbprint,
    TlsPolicy,
};
use serde::{Deserialize, Serialize};

use crate::password::Password;

/// A machine with everything that a connection needs but the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) id: String,
    pub(crate) url: String,
    /// Name of the user's account.
    pub(crate) account: String,
    /// SHA-256 thumbprint of a trusted certificate.
    pub(crate) thumbprint: Option<String>,
}

/// URL of a WS-Management service in its complete form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// URL with port and path.
    pub(crate) url: String,
    /// Host name or address.
    pub(crate) host: String,
}

impl Address {
    /// Parses a URL, or a host name or address, for which HTTPS on port 5986 is meant. The path is always `/wsman`, so that
    /// no other service can be addressed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let endpoint = endpoint(text)?;
        Ok(Self { url: endpoint.to_string(), host: endpoint.host().to_owned() })
    }
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    let text = text.trim();
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let parsed = Endpoint::parse(&with_scheme).map_err(|error: EndpointError| error.to_string())?;
    if parsed.path() != Endpoint::PATH {
        return Err(format!("the path of a WS-Management service is {}; omit it", Endpoint::PATH));
    }
    let authority = with_scheme.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    if has_port {
        return Ok(parsed);
    }
    let port = if parsed.transport() == client::Transport::Https { 5_986 } else { 5_985 };
    let host =
        parsed.zone().map_or_else(|| parsed.host().to_owned(), |zone| format!("{}%{zone}", parsed.host()));
    Endpoint::new(parsed.transport(), &host, port, Endpoint::PATH).map_err(|error| error.to_string())
}

/// Parses a SHA-256 thumbprint, and returns its usual form.
pub(crate) fn parse_thumbprint(text: &str) -> Result<String, String> {
    match Thumbprint::parse(text) {
        Ok(thumbprint @ Thumbprint::Sha256(_)) => Ok(thumbprint.to_string()),
        _ => {
            Err("thumbprint: expected the SHA-256 thumbprint of a certificate, 64 hexadecimal digits"
                .to_owned())
        }
    }
}

impl Target {
    /// Builds the session of the client with the password. Sends nothing.
    pub(super) fn session(&self, password: &Password) -> Result<Session, Error> {
        let password = client::Secret::new(password.0.to_string());
        let credentials = Credentials { user: self.account.clone(), password };
        self.builder()?.credentials(credentials).authentication(Authentication::Automatic).build()
    }

    /// Builds a session without credentials. Sends nothing.
    pub(super) fn anonymous_session(&self) -> Result<Session, Error> {
        self.builder()?.build()
    }

    fn builder(&self) -> Result<SessionBuilder, Error> {
        let setting = |reason| Error::Setting { setting: "url", reason };
        let endpoint = endpoint(&self.url).map_err(setting)?;
        let thumbprint = self.thumbprint.as_deref().and_then(|text| Thumbprint::parse(text).ok());
        let tls = match thumbprint {
            // The certificate itself is trusted, under any name.
            Some(pin @ Thumbprint::Sha256(_)) => TlsPolicy::new().pin(pin).skip_name(),
            _ => TlsPolicy::new(),
        };
        Ok(Session::builder(endpoint)
            .tls(tls)
            .connect_timeout(CONNECT_TIME)
            .operation_timeout(OPERATION_TIME)
            .answer_limit(MAX_ANSWER))
    }
}

const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Time of one request, after which a machine without a result is asked again.
const OPERATION_TIME: Duration = Duration::from_secs(20);
/// Maximum size of one response in bytes beyond the negotiated size.
const MAX_ANSWER: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_ports_of_ws_management_and_its_path() {
        for (text, url) in [
            ("web1", "https://web1:5986/wsman"),
            ("web1:443", "https://web1:443/wsman"),
            (" http://10.0.0.1 ", "http://10.0.0.1:5985/wsman"),
            ("https://[::1]/wsman", "https://[::1]:5986/wsman"),
            ("[::1]:1234", "https://[::1]:1234/wsman"),
        ] {
            assert_eq!(Address::parse(text).map(|address| address.url), Ok(url.to_owned()), "{text}");
        }
        for text in ["", "ftp://web1", "https://web1/latest/meta-data", "https://a:b@web1", "web1?x=y", "a b"]
        {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_sha_256_thumbprints_are_trusted() {
        assert!(parse_thumbprint(&"ab".repeat(20)).is_err());
        assert_eq!(parse_thumbprint(&"ab:".repeat(32)), Ok("AB".repeat(32)));
    }
}
