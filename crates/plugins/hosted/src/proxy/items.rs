//! Items that the gateway reads from a host.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use service::{BoxFuture, EndReason, Item, Items};
use tokio::sync::oneshot;
use wsman::{EndpointReference, Fault, Omission};
use xml::{Bounds, Document, Fragment};

use super::{Connection, fault, host_ended, protocol_error};
use crate::message::{FromHost, ItemMessage, MAX_OMISSIONS, ToHost, rights_changed};

/// Items that are read from the host.
pub(super) struct HostedItems {
    connection: Arc<Connection>,
    number: u64,
    /// A requested page that has not arrived yet. It is kept here so that dropping a future does not lose it.
    requested: Option<oneshot::Receiver<FromHost>>,
    /// Items of the last page that were not returned yet.
    received: std::vec::IntoIter<ItemMessage>,
    /// Missing sources that were not returned yet.
    omissions: Vec<Omission>,
}

impl HostedItems {
    pub(super) fn new(connection: Arc<Connection>, number: u64) -> Self {
        Self { connection, number, requested: None, received: Vec::new().into_iter(), omissions: Vec::new() }
    }

    /// Requests the next page, unless that is already done, and waits for it. Cancel-safe.
    async fn request_page(&mut self) -> Option<FromHost> {
        if self.requested.is_none() {
            self.requested = self.connection.listen(self.number);
            self.connection.send(&ToHost::Next(self.number));
        }
        let message = match &mut self.requested {
            Some(receiver) => receiver.await.ok(),
            None => None,
        };
        self.requested = None;
        message
    }
}

impl Items for HostedItems {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(async {
            loop {
                if let Some(item) = self.received.next() {
                    return Some(read(item));
                }
                match self.request_page().await {
                    // A host with a subscription ends only if the user's rights have changed.
                    None | Some(FromHost::NotStarted(_))
                        if self.connection.is_leaving.load(Ordering::Acquire) =>
                    {
                        return Some(Err(rights_changed()));
                    }
                    None | Some(FromHost::NotStarted(_)) => return Some(Err(host_ended())),
                    Some(FromHost::Page { items, omissions, .. }) => {
                        if items.is_empty() && omissions.is_empty() {
                            return Some(Err(protocol_error()));
                        }
                        self.received = items.into_iter();
                        let room = usize::from(MAX_OMISSIONS).saturating_sub(self.omissions.len());
                        self.omissions.extend(omissions.into_iter().take(room));
                    }
                    Some(FromHost::Fault { envelope, .. }) => return Some(Err(fault(envelope))),
                    Some(_) => return None,
                }
            }
        })
    }

    fn take_omissions(&mut self) -> Vec<Omission> {
        std::mem::take(&mut self.omissions)
    }

    fn end(&mut self, reason: EndReason) {
        self.connection.send(&ToHost::End(self.number, reason));
    }
}

impl Drop for HostedItems {
    fn drop(&mut self) {
        self.connection.forget(self.number);
        self.connection.send(&ToHost::Release(self.number));
    }
}

fn read(item: ItemMessage) -> Result<Item, Fault> {
    let object = Fragment::written_elsewhere(item.object);
    let bookmark = item.bookmark.map(Arc::from);
    Ok(Item { object, reference: item.reference.map(endpoint).transpose()?, bookmark })
}

fn endpoint(text: String) -> Result<EndpointReference, Fault> {
    let document = Document::parse(text, &Bounds::default()).map_err(|_| protocol_error())?;
    let reference = document.root().children().next().ok_or_else(protocol_error)?;
    EndpointReference::parse(reference)
}
