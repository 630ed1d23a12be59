//! Limits of size and time for one request.

use std::time::Duration;

use config::Config;
use wsman::{Action, Head, Reply, Uuid};
use xml::Encoding;

/// Limits of one request: for each, the smaller of the client's value and the service's setting.
pub(crate) struct RequestLimits {
    /// Maximum size of the response, in bytes of UTF-8.
    pub(crate) reply: u32,
    /// Time within which the client expects the response (`w:OperationTimeout`).
    pub(crate) timeout: Duration,
    /// Maximum number of items in one page.
    pub(crate) batch: u32,
    /// Time after which an enumeration that is not pulled from expires.
    pub(crate) enumeration_timeout: Duration,
}

impl RequestLimits {
    /// Returns the limits of a request whose response has this encoding.
    pub(crate) fn of(head: &Head, encoding: Encoding, config: &Config) -> Self {
        /// Lower bound: shorter timeouts are raised to this (MS-WSMV 3.1.4.1.13).
        const SHORTEST: Duration = Duration::from_millis(500);
        let largest = u32::try_from(config.max_envelope_sizekb.bytes()).unwrap_or(u32::MAX);
        let longest = config.max_timeoutms.duration();
        // As on Windows, MaxTimeoutms does not apply to shells: a long Receive holds no other request up.
        let is_shell = matches!(head.action, Action::Shell(_));
        let requested = head.operation_timeout.unwrap_or(longest);
        let timeout = if is_shell { requested } else { requested.min(longest) };
        let reply = head.max_envelope_size.unwrap_or(largest).min(largest);
        Self {
            reply: match encoding {
                Encoding::Utf8 => reply,
                // The limit applies to the response in UTF-8; encoding it in UTF-16 at most doubles its size.
                Encoding::Utf16 => reply / 2,
            },
            timeout: timeout.max(SHORTEST),
            batch: config.max_batch_items.get(),
            enumeration_timeout: config.service.enumeration_timeoutms.duration(),
        }
    }

    /// Returns the number of bytes available for the items of a response, after its headers, which depend on the
    /// request, and everything that may surround the items.
    pub(crate) fn room(&self, head: &Head) -> usize {
        let surroundings = Reply::to(head, Uuid::from_random([0; 16])).len() + AROUND_ITEMS.len();
        usize::try_from(self.reply).unwrap_or(usize::MAX).saturating_sub(surroundings)
    }
}

/// Body and end of the longest response without its items.
const AROUND_ITEMS: &str = "<n:EnumerateResponse><n:EnumerationContext>uuid:00000000-0000-0000-0000-000000000000\
    </n:EnumerationContext><w:Items></w:Items><w:EndOfSequence/></n:EnumerateResponse></s:Body></s:Envelope>";
