//! Items of a call, which are sent on request.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sddl::Token;
use service::{EndReason, Item, Items};
use tokio::sync::{mpsc, watch};
use wsman::{Fault, Omission, namespace};
use xml::Writer;

use super::{ActiveCall, fault_envelope};
use crate::message::{FromHost, ItemMessage, MAX_OMISSIONS, MAX_PAGE_ITEMS, PAGE_BYTES, rights_changed};
use crate::stream::Outgoing;

/// Items or events of a call.
pub(super) struct ItemStream {
    /// `None` once they are withdrawn.
    items: Option<Box<dyn Items>>,
    /// The user's token, for events: they end when it changes. The items of an enumeration were authorized when it
    /// started.
    rights: Option<watch::Receiver<Token>>,
    /// Reason why the gateway ends a push subscription, once it does.
    ended: Option<watch::Receiver<Option<EndReason>>>,
    /// Keeps the host active.
    active: Option<ActiveCall>,
    withdrawal: Option<Fault>,
}

impl ItemStream {
    /// Creates a stream. If `rights` is set, a change of the token withdraws the items.
    pub(super) fn new(
        items: Box<dyn Items>,
        rights: Option<watch::Receiver<Token>>,
        active: ActiveCall,
    ) -> Self {
        Self { items: Some(items), rights, ended: None, active: Some(active), withdrawal: None }
    }

    /// Withdraws the items when the gateway ends them.
    #[must_use]
    pub(super) fn until(mut self, ended: watch::Receiver<Option<EndReason>>) -> Self {
        self.ended = Some(ended);
        self
    }

    /// Waits until the items are withdrawn; does not return a second time.
    async fn wait_for_withdrawal(&mut self) {
        let reason = withdrawn(&mut self.rights, &mut self.ended).await;
        self.withdraw(reason);
    }

    async fn next(&mut self) -> Option<Result<Item, Fault>> {
        if let Some(items) = &mut self.items {
            tokio::select! {
                biased;
                reason = withdrawn(&mut self.rights, &mut self.ended) => self.withdraw(reason),
                next = items.next() => return next,
            }
        }
        self.withdrawal.take().map(Err)
    }

    fn take_omissions(&mut self) -> Vec<Omission> {
        let mut omissions = self.items.as_mut().map(|items| items.take_omissions()).unwrap_or_default();
        omissions.truncate(usize::from(MAX_OMISSIONS));
        omissions
    }

    fn withdraw(&mut self, reason: EndReason) {
        if let Some(items) = &mut self.items {
            items.end(reason);
        }
        (self.items, self.rights, self.ended, self.active) = (None, None, None, None);
        self.withdrawal = Some(rights_changed());
    }
}

/// Waits until the items are withdrawn. Returns the reason.
async fn withdrawn(
    rights: &mut Option<watch::Receiver<Token>>,
    ended: &mut Option<watch::Receiver<Option<EndReason>>>,
) -> EndReason {
    tokio::select! {
        () = changed(rights) => EndReason::AccessLost,
        reason = reason(ended) => reason,
    }
}

/// Waits until the gateway ends the items. Returns the reason.
async fn reason(ended: &mut Option<watch::Receiver<Option<EndReason>>>) -> EndReason {
    let reason = match ended {
        Some(ended) => ended.wait_for(Option::is_some).await.ok().and_then(|reason| *reason),
        None => None,
    };
    match reason {
        Some(reason) => reason,
        None => std::future::pending().await,
    }
}

/// Waits until the token changes.
async fn changed(rights: &mut Option<watch::Receiver<Token>>) {
    let has_changed = match rights {
        Some(rights) => rights.changed().await.is_ok(),
        None => false,
    };
    if !has_changed {
        std::future::pending::<()>().await;
    }
}

/// Sends items on each request: the next one, for which it waits, and others that are available by then.
pub(super) async fn serve_items(
    mut stream: ItemStream,
    number: u64,
    mut requests: mpsc::UnboundedReceiver<()>,
    outgoing: Arc<Outgoing>,
) {
    // The final message, which is sent after all items before it.
    let mut last = None;
    loop {
        tokio::select! {
            request = requests.recv() => if request.is_none() { return },
            () = stream.wait_for_withdrawal() => continue,
        }
        let mut together = Vec::new();
        let mut bytes: usize = 0;
        while last.is_none() && together.len() < usize::from(MAX_PAGE_ITEMS) && bytes < PAGE_BYTES {
            let next = match together.is_empty() {
                true => stream.next().await,
                false => match now_or_never(stream.next()) {
                    Some(next) => next,
                    None => break,
                },
            };
            match next {
                Some(Ok(item)) => {
                    let item = serialize_item(item);
                    bytes = bytes.saturating_add(item.object.len());
                    together.push(item);
                }
                Some(Err(fault)) => last = Some(FromHost::Fault { number, envelope: fault_envelope(&fault) }),
                None => last = Some(FromHost::End(number)),
            }
        }
        let omissions = stream.take_omissions();
        let message = match (together.is_empty() && omissions.is_empty(), last.take()) {
            (true, Some(message)) => message,
            (_, stored) => {
                last = stored;
                FromHost::Page { number, items: together, omissions }
            }
        };
        outgoing.wait_for_room().await;
        outgoing.send(&[message.encode()]);
    }
}

fn serialize_item(item: Item) -> ItemMessage {
    let reference = item.reference.map(|reference| {
        let mut writer = Writer::new();
        writer.start("x").namespace("a", namespace::ADDRESSING).namespace("w", namespace::WSMAN);
        reference.write(&mut writer, "a:EndpointReference");
        writer.finish()
    });
    let bookmark = item.bookmark.map(|bookmark| bookmark.as_ref().to_owned());
    ItemMessage { object: item.object.as_str().to_owned(), reference, bookmark }
}

/// Returns the result of a future if it is ready. The future must tolerate being dropped otherwise.
fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
