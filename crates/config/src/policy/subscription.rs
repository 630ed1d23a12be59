//! Where a source of events asks for its subscriptions.

use crate::value::malformed;
use crate::{Reason, Thumbprint};

/// An entry of the policy `SubscriptionManager`:
/// `Server=https://collector:5986/wsman/SubscriptionManager/WEC,Refresh=60,IssuerCA=THUMBPRINT`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionManager {
    /// The URL of the collector, with `http` or `https`.
    pub server: String,
    /// Seconds after which subscriptions are asked for again; none leaves it to the source.
    pub refresh: Option<u32>,
    /// Who must have signed the certificate that the source shows; several may be named.
    pub issuers: Vec<Thumbprint>,
}

impl SubscriptionManager {
    /// Reads an entry; the case of letters in names does not count.
    ///
    /// # Errors
    /// [`Reason::Malformed`].
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
    fn an_entry_is_read_as_windows_writes_it() {
        let text = "Server=https://wec.example.com:5986/wsman/SubscriptionManager/WEC,Refresh=60,IssuerCA=00112233445566778899aabbccddeeff01020304";
        let read = SubscriptionManager::parse(text).unwrap();
        assert_eq!(read.server, "https://wec.example.com:5986/wsman/SubscriptionManager/WEC");
        assert_eq!((read.refresh, read.issuers.len()), (Some(60), 1));
        let plain = SubscriptionManager::parse(" server=HTTP://wec:5985/x ").unwrap();
        assert_eq!((plain.refresh, plain.issuers.len()), (None, 0));
    }

    #[test]
    fn what_is_no_entry_is_refused() {
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
