//! Entries of the policy `SubscriptionManager`, which name event collectors.

use crate::value::malformed;
use crate::{Reason, Thumbprint};

/// An entry of the policy `SubscriptionManager`:
/// `Server=https://collector:5986/wsman/SubscriptionManager/WEC,Refresh=60,IssuerCA=THUMBPRINT`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionManager {
    /// URL of the collector, with the scheme `http` or `https`.
    pub server: String,
    /// Interval in seconds at which the source queries its subscriptions; `None` leaves it to the source.
    pub refresh: Option<u32>,
    /// Thumbprints of the authorities that may issue the source's client certificate.
    pub issuers: Vec<Thumbprint>,
}

impl SubscriptionManager {
    /// Parses an entry; names are compared without case.
    ///
    /// # Errors
    /// [`Reason::Malformed`] for an unknown name or an invalid value.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let (mut server, mut refresh, mut issuers) = (None, None, Vec::new());
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "server" if server.is_none() && is_url(value) => server = Some(value.to_owned()),
                "server" => return Err(malformed(part, "one Server=http://… or https://…")),
                "refresh" => match value.parse() {
                    Ok(seconds) if refresh.is_none() && seconds > 0 => refresh = Some(seconds),
                    _ => return Err(malformed(part, "one Refresh= with a number of seconds")),
                },
                "issuerca" => issuers.push(Thumbprint::parse(value)?),
                _ => return Err(malformed(part, "Server=, Refresh= or IssuerCA=")),
            }
        }
        let server = server.ok_or_else(|| malformed(text, "Server=URL,Refresh=SECONDS"))?;
        Ok(Self { server, refresh, issuers })
    }
}

fn is_url(text: &str) -> bool {
    let host = ["http://", "https://"].into_iter().find_map(|scheme| {
        let (head, rest) = text.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    host.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|octet| octet.is_ascii_graphic()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_as_windows_writes_it_is_parsed() {
        let text = "Server=https://wec.example.com:5986/wsman/SubscriptionManager/WEC,Refresh=60,IssuerCA=00112233445566778899aabbccddeeff01020304";
        let read = SubscriptionManager::parse(text).unwrap();
        assert_eq!(read.server, "https://wec.example.com:5986/wsman/SubscriptionManager/WEC");
        assert_eq!((read.refresh, read.issuers.len()), (Some(60), 1));
        let plain = SubscriptionManager::parse(" server=HTTP://wec:5985/x ").unwrap();
        assert_eq!((plain.refresh, plain.issuers.len()), (None, 0));
    }

    #[test]
    fn an_invalid_entry_is_rejected() {
        for wrong in [
            "",
            "Refresh=60",
            "Server=wec",
            "Server=ftp://wec/",
            "Server=http://",
            "Server=http://a b",
            "Server=http://a,Server=http://b",
            "Server=http://a,Refresh=0",
            "Server=http://a,Refresh=soon",
            "Server=http://a,IssuerCA=00",
            "Server=http://a,Colour=blue",
        ] {
            assert!(SubscriptionManager::parse(wrong).is_err(), "{wrong}");
        }
    }
}
