use std::borrow::Cow;

use super::{Kind, Value, excerpt, malformed};
use crate::Reason;

/// URL of a server with the scheme `http` or `https` and without credentials, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionalHttpUrl(Option<HttpUrl>);

/// Parts of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    text: String,
    /// Whether the scheme is `https`.
    pub has_tls: bool,
    /// Host with the port, as in the URL.
    pub authority: String,
    /// Host name or IP address, without brackets.
    pub host: String,
    /// Port of the URL, or that of its scheme.
    pub port: u16,
    /// Path with query; empty if the URL ends with the host.
    pub path: String,
}

impl OptionalHttpUrl {
    /// Maximum length in bytes.
    const MAX: usize = 2_048;

    /// Returns the parts of the URL, or `None` without a URL.
    #[must_use]
    pub fn url(&self) -> Option<&HttpUrl> {
        self.0.as_ref()
    }
}

impl HttpUrl {
    fn parse(text: &str) -> Option<Self> {
        let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'@' | b'#'));
        if !is_printable || text.len() > OptionalHttpUrl::MAX {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let (has_tls, default_port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok().filter(|port| *port > 0)?),
            _ => (authority, default_port),
        };
        let is_address = host.starts_with('[') && host.ends_with(']');
        let host = if is_address { host.get(1..host.len().saturating_sub(1))? } else { host };
        let is_host = match is_address {
            true => host.parse::<std::net::Ipv6Addr>().is_ok(),
            false => {
                let is_usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
                !host.is_empty() && host.chars().all(is_usual)
            }
        };
        is_host.then(|| Self {
            text: text.to_owned(),
            has_tls,
            authority: authority.to_owned(),
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }
}

impl Value for OptionalHttpUrl {
    const KIND: Kind = Kind::Text {
        expected: "http://HOST:PORT/PATH or https://HOST:PORT/PATH without credentials, or nothing",
    };

    fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self(None));
        }
        match HttpUrl::parse(text) {
            Some(url) => Ok(Self(Some(url))),
            None if text.contains('@') => Err(malformed("a URL with @", Self::KIND.expected())),
            None => Err(malformed(&excerpt(text), Self::KIND.expected())),
        }
    }

    fn show(&self) -> Cow<'_, str> {
        self.0.as_ref().map(|url| url.text.as_str()).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host_and_no_credentials() {
        assert_eq!(OptionalHttpUrl::parse(" ").unwrap(), OptionalHttpUrl::default());
        for (text, expected) in [
            ("http://otel:4318/v1/metrics", (false, "otel", 4_318, "/v1/metrics")),
            ("https://otel.example", (true, "otel.example", 443, "")),
            ("http://[::1]/a?b=c", (false, "::1", 80, "/a?b=c")),
            ("https://[::1]:9", (true, "::1", 9, "")),
        ] {
            let value = OptionalHttpUrl::parse(text).unwrap();
            let HttpUrl { has_tls, host, port, path, .. } = value.url().unwrap();
            assert_eq!((*has_tls, host.as_str(), *port, path.as_str()), expected);
            assert_eq!(value.show(), text);
        }
        for wrong in ["otel:4318", "grpc://otel", "http://", "http://:1", "http://a:0", "http://a:70000"] {
            assert!(OptionalHttpUrl::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["http://a b", "http://a/#b", "http://[a]", "http://a\r\nb", "http://a%/"] {
            assert!(OptionalHttpUrl::parse(wrong).is_err(), "{wrong}");
        }
        let error = OptionalHttpUrl::parse("https://ada:secret@otel").unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
