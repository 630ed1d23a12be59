//! Items that are asked for one after the other.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sddl::Token;
use service::{Item, Items};
use tokio::sync::{mpsc, watch};
use wsman::{Fault, namespace};
use xml::Writer;

use super::{UnderWay, written};
use crate::message::{ENOUGH_OCTETS, FromHost, ItemMessage, MOST_ITEMS, other_rights};
use crate::stream::Outgoing;

/// What is given.
pub(super) struct Given {
    /// None once they are withdrawn.
    items: Option<Box<dyn Items>>,
    /// Events are given with the rights they were asked for with, or not at all. What an enumeration goes through was
    /// admitted when it began.
    rights: Option<watch::Receiver<Token>>,
    /// The host is needed although nobody asks it anything just now.
    needed: Option<UnderWay>,
    withdrawal: Option<Fault>,
}

impl Given {
    /// Items, with the rights that must not change while they are given, if there are such.
    pub(super) fn new(
        items: Box<dyn Items>,
        rights: Option<watch::Receiver<Token>>,
        needed: UnderWay,
    ) -> Self {
        Self { items: Some(items), rights, needed: Some(needed), withdrawal: None }
    }

    /// Waits until they are withdrawn, once.
    async fn withdrawn(&mut self) {
        changed(&mut self.rights).await;
        self.let_go();
    }

    async fn next(&mut self) -> Option<Result<Item, Fault>> {
        if let Some(items) = &mut self.items {
            tokio::select! {
                biased;
                () = changed(&mut self.rights) => self.let_go(),
                next = items.next() => return next,
            }
        }
        self.withdrawal.take().map(Err)
    }

    fn let_go(&mut self) {
        (self.items, self.rights, self.needed) = (None, None, None);
        self.withdrawal = Some(other_rights());
    }
}

/// Waits until rights are others.
async fn changed(rights: &mut Option<watch::Receiver<Token>>) {
    let has_changed = match rights {
        Some(rights) => rights.changed().await.is_ok(),
        None => false,
    };
    if !has_changed {
        std::future::pending::<()>().await;
    }
}

/// Gives items each time it is asked to: the next one, for which it waits, and those that are there by then.
pub(super) async fn give(
    mut given: Given,
    number: u64,
    mut asked: mpsc::UnboundedReceiver<()>,
    outgoing: Arc<Outgoing>,
) {
    // Known already, and not to be told before what came before it.
    let mut last = None;
    loop {
        tokio::select! {
            ask = asked.recv() => if ask.is_none() { return },
            () = given.withdrawn() => continue,
        }
        let mut together = Vec::new();
        let mut octets: usize = 0;
        while last.is_none() && together.len() < usize::from(MOST_ITEMS) && octets < ENOUGH_OCTETS {
            let next = match together.is_empty() {
                true => given.next().await,
                false => match now_or_never(given.next()) {
                    Some(next) => next,
                    None => break,
                },
            };
            match next {
                Some(Ok(item)) => {
                    let item = written_item(item);
                    octets = octets.saturating_add(item.object.len());
                    together.push(item);
                }
                Some(Err(fault)) => last = Some(FromHost::Fault { number, envelope: written(&fault) }),
                None => last = Some(FromHost::End(number)),
            }
        }
        let message = match (together.is_empty(), last.take()) {
            (true, Some(message)) => message,
            (_, kept) => {
                last = kept;
                FromHost::Some { number, items: together }
            }
        };
        outgoing.room().await;
        outgoing.say(&[message.encode()]);
    }
}

fn written_item(item: Item) -> ItemMessage {
    let reference = item.reference.map(|reference| {
        let mut writer = Writer::new();
        writer.start("x").namespace("a", namespace::ADDRESSING).namespace("w", namespace::WSMAN);
        reference.write(&mut writer, "a:EndpointReference");
        writer.finish()
    });
    ItemMessage { object: item.object.as_str().to_owned(), reference }
}

/// What a future has for those who do not wait. Only for one that loses nothing when it is dropped.
fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
