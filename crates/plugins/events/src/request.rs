//! Requests of sources: paths, and bodies with their compression.

use eventing::is_delivery_secret;
use winevent::WinEventError;
use winevent::delivery::{TextBuffer, TextForm};

use crate::source_message::SourceMessage;

/// Resource of the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'p> {
    /// List of subscriptions.
    Manager,
    /// Subscription with this identifier.
    Subscription(&'p str),
    /// Delivery that the collector has requested, with this secret.
    Delivery(&'p str),
}

impl<'p> Target<'p> {
    /// Returns the resource of a path behind the URL prefix; the case does not matter.
    pub(crate) fn of(path: &'p str) -> Option<Self> {
        let mut parts = path.strip_suffix('/').unwrap_or(path).strip_prefix('/')?.split('/');
        let first = parts.next()?;
        if first.eq_ignore_ascii_case("SubscriptionManager") {
            let is_manager = parts.next()?.eq_ignore_ascii_case("WEC") && parts.next().is_none();
            return is_manager.then_some(Self::Manager);
        }
        let id = first.eq_ignore_ascii_case("subscriptions").then(|| parts.next())??;
        // A number follows, which Windows increments for each connection of a source.
        let is_complete = parts.next().is_none_or(|number| number.len() <= 20) && parts.next().is_none();
        match is_complete && !id.is_empty() {
            true if is_delivery_secret(id) => Some(Self::Delivery(id)),
            true => Some(Self::Subscription(id)),
            false => None,
        }
    }

    /// Returns the secret of a delivery in a path.
    pub(crate) fn secret_of(path: &'p str) -> Option<&'p str> {
        match Self::of(path) {
            Some(Self::Delivery(secret)) => Some(secret),
            _ => None,
        }
    }
}

/// Removes the compression of a body, and its encoding. The text is then in the buffer.
///
/// Windows sends the header of the compression also with messages that are not compressed. A body that begins with a
/// byte order mark is therefore plain, and one that cannot be decompressed counts as plain if it looks like XML.
pub(crate) fn decode(message: &SourceMessage, buffer: &mut TextBuffer) -> Result<TextForm, WinEventError> {
    let is_compressed =
        message.content_encoding.as_ref().is_some_and(|name| name.trim().eq_ignore_ascii_case("SLDC"));
    let body = message.body.as_slice();
    if !is_compressed || body.starts_with(&[0xFF, 0xFE]) {
        return Ok(buffer.decode(body));
    }
    match buffer.decompress(body, MAX_PLAIN) {
        Err(_) if body.starts_with(b"<") || body.starts_with(&[0xEF, 0xBB, 0xBF]) => Ok(buffer.decode(body)),
        decompressed => decompressed,
    }
}

/// Returns a new UUID in the form of Windows.
pub(crate) fn new_id() -> String {
    random::uuid().to_string().to_ascii_uppercase()
}

/// Maximum size of a message without compression, in bytes.
const MAX_PLAIN: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_windows() {
        for (path, target) in [
            ("/SubscriptionManager/WEC", Some(Target::Manager)),
            ("/subscriptionmanager/wec/", Some(Target::Manager)),
            ("/SubscriptionManager", None),
            ("/SubscriptionManager/WEC/more", None),
            ("/subscriptions/ID/1", Some(Target::Subscription("ID"))),
            ("/subscriptions/ID", Some(Target::Subscription("ID"))),
            (
                "/subscriptions/0123456789abcdef0123456789abcdef0123456789abcdef/1",
                Some(Target::Delivery("0123456789abcdef0123456789abcdef0123456789abcdef")),
            ),
            ("/subscriptions/", None),
            ("/subscriptions", None),
            ("/subscriptions/ID/1/2", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(Target::of(path), target, "{path}");
        }
    }
}
