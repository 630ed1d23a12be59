//! Response to the request for subscriptions.

use std::time::Duration;

use eventing::{Offered, Source, SourceKind};
use service::Transport;
use winevent::delivery::{
    Answer, ClientProof, ContentFormat, Head, Offer, OfferIds, Page, enumerate_response,
};
use winevent::subscription;
use xml::Fragment;

use crate::request::new_id;
use crate::source_message::SourceMessage;

/// Returns the response with as many subscriptions as the source accepts. `from` is the context of a Pull: the number
/// of subscriptions in previous responses.
pub(crate) fn response(
    source: &Source,
    message: &SourceMessage,
    head: &Head,
    offered: &[Offered],
    from: Option<usize>,
) -> String {
    let maximum = usize::try_from(head.max_envelope_size.unwrap_or(DEFAULT_ENVELOPE)).unwrap_or(usize::MAX);
    let first = from.unwrap_or(0);
    let mut items: Vec<Fragment> = Vec::new();
    let mut size = HEADERS;
    for one in offered.iter().skip(first) {
        let item = item(source, message, one);
        // A character has two bytes in UTF-16.
        size += item.as_str().len().saturating_mul(2);
        if size > maximum && !items.is_empty() {
            break;
        }
        items.push(item);
    }
    let next = first.saturating_add(items.len());
    let context = (next < offered.len()).then(|| next.to_string());
    let message_id = new_id();
    let answer = Answer {
        relates_to: &head.message_id,
        operation_id: head.operation_id.as_deref(),
        message_id: &message_id,
    };
    let page = if from.is_some() { Page::Next } else { Page::First };
    enumerate_response(&answer, page, &items, context.as_deref())
}

fn item(source: &Source, message: &SourceMessage, offered: &Offered) -> Fragment {
    let subscription = &offered.subscription.subscription;
    let timing = subscription.timing();
    let proof = match (&source.kind, message.transport) {
        (SourceKind::Certificate { issuer, .. }, _) => {
            ClientProof::Certificate { issuer: *issuer.as_bytes() }
        }
        (SourceKind::Account { .. }, Transport::Https) => ClientProof::KerberosOverTls,
        (SourceKind::Account { .. } | SourceKind::Address, _) => ClientProof::Kerberos,
    };
    let offer = Offer {
        name: subscription.id.as_str(),
        address: &format!("{}/subscriptions/{}/1", message.base, offered.subscription.id),
        query: &offered.subscription.query,
        content_format: match subscription.content_format {
            subscription::ContentFormat::Events => ContentFormat::Raw,
            subscription::ContentFormat::RenderedText => ContentFormat::RenderedText,
        },
        reads_existing: subscription.read_existing_events,
        heartbeat: Duration::from_millis(timing.heartbeat.into()),
        max_latency: Duration::from_millis(timing.max_latency.into()),
        max_items: timing.max_items,
        max_envelope_size: DEFAULT_ENVELOPE,
        locale: subscription.locale.as_deref().unwrap_or("en-US"),
        bookmark: offered.bookmark.as_deref(),
        proof,
    };
    offer.item(&OfferIds {
        version: &offered.subscription.version,
        message_id: &new_id(),
        operation_id: &new_id(),
    })
}

/// Maximum size of messages in bytes, as Windows sets it.
const DEFAULT_ENVELOPE: u32 = 512_000;
/// Size of a response without items, in bytes of UTF-16.
const HEADERS: usize = 4_096;
