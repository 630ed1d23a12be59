//! Enumerations: the items of plug-ins in pages, with contexts between them (WS-Enumeration; DSP0226 8).

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use locks::Mutex;
use sddl::Sid;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use wsman::enumeration::{Enumerate, EnumerationMode, Pull};
use wsman::{Detail, Fault, Head, Omission, Reply, Subcode, code};
use xml::{Fragment, Writer};

use crate::access::AccessGranted;
use crate::plugin::{Answer, Item, Items, omissions_within};
use crate::quota::OperationPermit;
use crate::request_limits::RequestLimits;
use crate::resource::TargetResource;

/// Open enumerations, by context.
#[derive(Default)]
pub(crate) struct Enumerations {
    open: Arc<Mutex<OpenEnumerations>>,
}

#[derive(Default)]
struct OpenEnumerations {
    enumerations: HashMap<String, EnumerationState>,
    /// A task that removes expired enumerations is running.
    has_expiry_task: bool,
}

/// EnumerationState of an open enumeration.
enum EnumerationState {
    /// Between two Pulls.
    Idle(Enumeration),
    /// A Pull is in progress. Dropping this value cancels it.
    Pulling { owner: Sid, target: TargetResource, _release: oneshot::Sender<Infallible> },
}

/// An enumeration: its items and the state of paging.
pub(crate) struct Enumeration {
    owner: Sid,
    target: TargetResource,
    items: Box<dyn Items>,
    mode: EnumerationMode,
    /// Item that was read from `items` and serialized, but did not fit into the last page.
    next: Option<Result<Fragment, Fault>>,
    /// Missing sources that the client does not know of.
    omissions: Vec<Omission>,
    /// The plug-in reported a fault, so no items follow and the enumeration is incomplete.
    has_failed: bool,
    /// Time at which the enumeration is removed.
    expires: Instant,
    /// Counts the open enumeration as an operation of its owner.
    _permit: OperationPermit,
}

impl Enumeration {
    pub(crate) fn new(
        owner: Sid,
        target: TargetResource,
        items: Box<dyn Items>,
        mode: EnumerationMode,
        permit: OperationPermit,
    ) -> Self {
        let expires = Instant::now();
        Self {
            owner,
            target,
            items,
            mode,
            next: None,
            omissions: Vec::new(),
            has_failed: false,
            expires,
            _permit: permit,
        }
    }

    /// Builds a page of at most `most` items and `room` bytes. A fault ends the page after the items before it.
    ///
    /// Waits for the first item until the deadline, and for others no longer than that. `end` is known only if the page
    /// was built because `items` ended, not because it was full.
    async fn page(&mut self, most: u32, room: usize, deadline: Instant) -> Result<Page, Fault> {
        let mut page = Writer::new();
        let mut count = 0;
        loop {
            let item = match self.next.take() {
                Some(item) => item,
                None => match timeout_at(deadline, self.items.next()).await {
                    Ok(Some(item)) => item.and_then(|item| serialize(item, self.mode)),
                    Ok(None) => return Ok(Page { items: page, count, end: true }),
                    Err(_) if count > 0 => return Ok(Page { items: page, count, end: false }),
                    Err(_) => return Err(no_item_in_time()),
                },
            };
            // The items before a fault are returned first, and the fault with the next page.
            if count == most || (item.is_err() && count > 0) {
                self.next = Some(item);
                return Ok(Page { items: page, count, end: false });
            }
            let item = item.inspect_err(|_| self.has_failed = true)?;
            let bytes = item.as_str().len();
            if page.len() + bytes > room {
                self.next = Some(Ok(item));
                if count == 0 {
                    return Err(too_large(bytes, room));
                }
                return Ok(Page { items: page, count, end: false });
            }
            page.fragment(&item);
            count += 1;
        }
    }

    /// Starts a response with the missing sources, as far as they fit into it together with the page.
    fn reply(&mut self, page: Option<&Page>, head: &Head, room: usize) -> Reply {
        self.omissions.extend(self.items.take_omissions());
        let left = room.saturating_sub(page.map_or(0, |page| page.items.len()));
        let omissions = omissions_within(&mut self.omissions, left);
        Reply::with_omissions(head, random::uuid(), &omissions)
    }
}

/// Items of one response.
struct Page {
    items: Writer,
    count: u32,
    end: bool,
}

impl Enumerations {
    /// Returns the number of open enumerations.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().enumerations.len()
    }

    /// Responds to Enumerate, with the first page if the client requests optimized enumeration (DSP0226 8.2.3).
    pub(crate) async fn enumerate(
        &self,
        mut enumeration: Enumeration,
        enumerate: &Enumerate,
        head: &Head,
        limits: &RequestLimits,
    ) -> Result<Answer, Fault> {
        let page = if enumerate.optimize {
            let most = enumerate.max_elements.unwrap_or(1).min(limits.batch);
            Some(enumeration.page(most, limits.room(head), Instant::now() + limits.timeout).await?)
        } else {
            None
        };
        let mut reply = enumeration.reply(page.as_ref(), head, limits.room(head));
        let body = reply.body();
        body.start("n:EnumerateResponse").start("n:EnumerationContext");
        let ended = page.as_ref().is_some_and(|page| page.end);
        if !ended {
            body.text(&self.store(enumeration, limits.enumeration_timeout));
        }
        body.end();
        if let Some(page) = page {
            if page.count > 0 {
                body.start("w:Items").fragment(&page.items.into_fragment()).end();
            }
            if page.end {
                body.start("w:EndOfSequence").end_empty();
            }
        }
        body.end();
        reply.finish(limits.reply).map(Answer::new)
    }

    /// Responds to Pull with the next page, under a new context.
    pub(crate) async fn pull(
        &self,
        _access: AccessGranted,
        caller: Sid,
        pull: &Pull,
        head: &Head,
        limits: &RequestLimits,
    ) -> Result<Answer, Fault> {
        let (mut guard, released) = self.take(&pull.context, caller)?;
        let most = pull.max_elements.unwrap_or(1).min(limits.batch);
        let wait = pull.max_time.unwrap_or(limits.timeout).min(limits.timeout);
        let page = tokio::select! {
            page = guard.enumeration()?.page(most, limits.room(head), Instant::now() + wait) => page?,
            _ = released => return Err(invalid_context()),
        };
        let mut enumeration = guard.finish()?;
        let mut reply = enumeration.reply(Some(&page), head, limits.room(head));
        let body = reply.body();
        body.start("n:PullResponse");
        if !page.end {
            let context = self.store(enumeration, limits.enumeration_timeout);
            body.element("n:EnumerationContext", &context);
        }
        body.start("n:Items").fragment(&page.items.into_fragment()).end();
        if page.end {
            body.start("n:EndOfSequence").end_empty();
        }
        body.end();
        reply.finish(limits.reply).map(Answer::new)
    }

    /// Releases an enumeration. A Pull in progress ends with a fault.
    pub(crate) fn release(&self, _access: AccessGranted, caller: Sid, context: &str) -> Result<(), Fault> {
        let removed = self.open.lock().remove(context, caller);
        removed.map(drop).ok_or_else(invalid_context)
    }

    /// Returns the resource of an enumeration of the caller, which the access check of Pull and Release applies to.
    pub(crate) fn target(&self, caller: Sid, context: &str) -> Option<TargetResource> {
        let open = self.open.lock();
        open.find(context, caller).map(|state| state.target().clone())
    }

    /// Removes expired enumerations, which then no longer count as operations.
    pub(crate) fn remove_expired(&self) {
        self.open.lock().remove_expired();
    }

    /// Stores an enumeration under a new context and returns the context.
    fn store(&self, mut enumeration: Enumeration, timeout: Duration) -> String {
        enumeration.expires = Instant::now() + timeout;
        let context = format!("uuid:{}", random::uuid());
        self.insert(context.clone(), enumeration);
        context
    }

    fn insert(&self, context: String, enumeration: Enumeration) {
        let until = enumeration.expires;
        let mut open = self.open.lock();
        open.enumerations.insert(context, EnumerationState::Idle(enumeration));
        if !std::mem::replace(&mut open.has_expiry_task, true) {
            tokio::spawn(expire(Arc::clone(&self.open), until));
        }
    }

    /// Takes an enumeration out for a Pull. The receiver returned with it ends when the enumeration is released.
    fn take(
        &self,
        context: &str,
        caller: Sid,
    ) -> Result<(PullGuard<'_>, oneshot::Receiver<Infallible>), Fault> {
        let mut open = self.open.lock();
        match open.remove(context, caller) {
            Some(EnumerationState::Idle(enumeration)) => {
                let (release, released) = oneshot::channel();
                let target = enumeration.target.clone();
                let pulling = EnumerationState::Pulling { owner: caller, target, _release: release };
                open.enumerations.insert(context.to_owned(), pulling);
                let context = context.to_owned();
                Ok((PullGuard { enumerations: self, context, enumeration: Some(enumeration) }, released))
            }
            // Concurrent Pulls are rejected because items have one order.
            Some(pulling) => {
                open.enumerations.insert(context.to_owned(), pulling);
                Err(invalid_context())
            }
            None => Err(invalid_context()),
        }
    }
}

impl OpenEnumerations {
    /// Returns an enumeration of the caller. Those of other users do not exist for it.
    fn find(&self, context: &str, caller: Sid) -> Option<&EnumerationState> {
        let now = Instant::now();
        self.enumerations.get(context).filter(|state| match state {
            EnumerationState::Idle(enumeration) => enumeration.owner == caller && enumeration.expires > now,
            EnumerationState::Pulling { owner, .. } => *owner == caller,
        })
    }

    /// Removes an enumeration of the caller.
    fn remove(&mut self, context: &str, caller: Sid) -> Option<EnumerationState> {
        self.find(context, caller)?;
        self.enumerations.remove(context)
    }

    fn remove_expired(&mut self) {
        let now = Instant::now();
        self.enumerations.retain(|_, state| state.expires().is_none_or(|expires| expires > now));
    }
}

impl EnumerationState {
    /// Returns the time at which the enumeration is removed; `None` during a Pull.
    fn expires(&self) -> Option<Instant> {
        match self {
            Self::Idle(enumeration) => Some(enumeration.expires),
            Self::Pulling { .. } => None,
        }
    }

    fn target(&self) -> &TargetResource {
        match self {
            Self::Idle(Enumeration { target, .. }) | Self::Pulling { target, .. } => target,
        }
    }
}

/// Removes enumerations when they expire, until none is idle. Without this task their plug-ins, and perhaps a process,
/// would wait for ever.
async fn expire(open: Arc<Mutex<OpenEnumerations>>, mut until: Instant) {
    loop {
        sleep_until(until).await;
        let mut open = open.lock();
        open.remove_expired();
        let next = open.enumerations.values().filter_map(EnumerationState::expires).min();
        let Some(next) = next else {
            open.has_expiry_task = false;
            return;
        };
        until = next;
    }
}

/// Returns an enumeration to its old context unless [`finish`](Self::finish) is called.
///
/// A Pull that times out, or whose client closes the connection, thus changes nothing. After a fault, or if it was
/// released meanwhile, the enumeration is dropped.
struct PullGuard<'c> {
    enumerations: &'c Enumerations,
    context: String,
    enumeration: Option<Enumeration>,
}

impl PullGuard<'_> {
    fn enumeration(&mut self) -> Result<&mut Enumeration, Fault> {
        self.enumeration.as_mut().ok_or_else(invalid_context)
    }

    /// Returns the enumeration after its page was built.
    ///
    /// # Errors
    /// `n:InvalidEnumerationContext` if it was released meanwhile.
    fn finish(mut self) -> Result<Enumeration, Fault> {
        let pulled = self.enumerations.open.lock().enumerations.remove(&self.context);
        self.enumeration.take().filter(|_| pulled.is_some()).ok_or_else(invalid_context)
    }
}

impl Drop for PullGuard<'_> {
    fn drop(&mut self) {
        let Some(enumeration) = self.enumeration.take() else { return };
        let is_open = self.enumerations.open.lock().enumerations.remove(&self.context).is_some();
        if is_open && !enumeration.has_failed {
            self.enumerations.insert(std::mem::take(&mut self.context), enumeration);
        }
    }
}

/// Serializes an item for a page.
fn serialize(item: Item, mode: EnumerationMode) -> Result<Fragment, Fault> {
    let Item { object, reference, .. } = item;
    let reference = reference.as_ref();
    let mut writer = Writer::new();
    match mode {
        EnumerationMode::Object => return Ok(object),
        EnumerationMode::Reference => {
            reference.ok_or_else(no_references)?.write(&mut writer, "a:EndpointReference");
        }
        EnumerationMode::ObjectAndReference => {
            let reference = reference.ok_or_else(no_references)?;
            writer.start("w:Item").fragment(&object);
            reference.write(&mut writer, "a:EndpointReference");
            writer.end();
        }
    }
    Ok(writer.into_fragment())
}

fn no_references() -> Fault {
    let reason = "the items of this enumeration have no endpoint references; omit EnumerationMode";
    Fault::new(Subcode::UnsupportedFeature, code::ENUMERATION_MODE, reason)
        .with_detail(Detail::ENUMERATION_MODE)
}

fn no_item_in_time() -> Fault {
    Fault::new(
        Subcode::TimedOut,
        code::TIMED_OUT,
        "no item was found within OperationTimeout; send Pull again to continue",
    )
}

fn invalid_context() -> Fault {
    Fault::new(
        Subcode::InvalidEnumerationContext,
        code::INVALID_ENUMERATION_CONTEXT,
        "unknown enumeration context: the enumeration has ended, was released, has expired, or belongs to another user; enumerate again",
    )
}

fn too_large(item: usize, room: usize) -> Fault {
    Fault::new(
        Subcode::EncodingLimit,
        code::MAX_ENVELOPE_SIZE_EXCEEDED,
        format!("an item of {item} bytes does not fit into the remaining {room}: raise MaxEnvelopeSize of the request"),
    )
    .with_detail(Detail::MAX_ENVELOPE_SIZE)
}
