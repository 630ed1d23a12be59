//! Enumerations: pages of what plug-ins list, and the contexts between them (WS-Enumeration; DSP0226 8).

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sddl::Sid;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use wsman::enumeration::{Enumerate, EnumerationMode, Pull};
use wsman::{Detail, Fault, Head, Reply, ResourceUri, Subcode, code};
use xml::{Fragment, Writer};

use crate::answer::Limits;
use crate::plugin::{Answer, Item, Items, ResourceKind};
use crate::quota::Operation;
use crate::random::fresh_uuid;

/// Every enumeration that is not at its end, by context.
#[derive(Default)]
pub(crate) struct Contexts {
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    enumerations: HashMap<String, State>,
    /// A task forgets those that expire.
    is_watched: bool,
}

/// State of an open enumeration.
enum State {
    /// Waits for the next Pull.
    Resting(Enumeration),
    /// A Pull makes a page of it. Dropping this value cancels that Pull.
    Pulled { owner: Sid, target: Target, _is_open: oneshot::Sender<Infallible> },
}

/// Resource that an enumeration lists. It decides who may pull, whatever resource the Pull itself names.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) resource: ResourceUri,
    pub(crate) kind: ResourceKind,
}

/// One enumeration on its way.
pub(crate) struct Enumeration {
    owner: Sid,
    target: Target,
    items: Box<dyn Items>,
    mode: EnumerationMode,
    /// Taken from `items`, written and not yet given.
    next: Option<Result<Fragment, Fault>>,
    /// Something went wrong, after which there are no items: what was given is not all.
    has_failed: bool,
    /// When it is forgotten.
    expires: Instant,
    /// Counts as one of its owner's operations while it is open.
    _operation: Operation,
}

impl Enumeration {
    pub(crate) fn new(
        owner: Sid,
        target: Target,
        items: Box<dyn Items>,
        mode: EnumerationMode,
        operation: Operation,
    ) -> Self {
        let expires = Instant::now();
        Self { owner, target, items, mode, next: None, has_failed: false, expires, _operation: operation }
    }

    /// Takes as many items as are asked for and fit, or are there before something goes wrong; `end` is known only if the one after was looked for.
    ///
    /// Waits for the first one until the deadline; those that were found by then are given.
    async fn page(&mut self, most: u32, room: usize, deadline: Instant) -> Result<Page, Fault> {
        let mut page = Writer::new();
        let mut count = 0;
        loop {
            let item = match self.next.take() {
                Some(item) => item,
                None => match timeout_at(deadline, self.items.next()).await {
                    Ok(Some(item)) => item.and_then(|item| written(item, self.mode)),
                    Ok(None) => return Ok(Page { items: page, count, end: true }),
                    Err(_) if count > 0 => return Ok(Page { items: page, count, end: false }),
                    Err(_) => return Err(too_slow()),
                },
            };
            // What came before a failure counts.
            if count == most || (item.is_err() && count > 0) {
                self.next = Some(item);
                return Ok(Page { items: page, count, end: false });
            }
            let item = item.inspect_err(|_| self.has_failed = true)?;
            let octets = item.as_str().len();
            if page.len() + octets > room {
                self.next = Some(Ok(item));
                if count == 0 {
                    return Err(too_large(octets, room));
                }
                return Ok(Page { items: page, count, end: false });
            }
            page.fragment(&item);
            count += 1;
        }
    }
}

/// Items that fit one answer.
struct Page {
    items: Writer,
    count: u32,
    end: bool,
}

impl Contexts {
    /// Answers Enumerate, with the first page if the client wants it so.
    pub(crate) async fn enumerate(
        &self,
        mut enumeration: Enumeration,
        asked: &Enumerate,
        head: &Head,
        limits: &Limits,
    ) -> Result<Answer, Fault> {
        let page = if asked.optimize {
            let most = asked.max_elements.unwrap_or(1).min(limits.batch);
            Some(enumeration.page(most, limits.room(), Instant::now() + limits.timeout).await?)
        } else {
            None
        };
        let mut reply = Reply::to(head, fresh_uuid());
        let body = reply.body();
        body.start("n:EnumerateResponse").start("n:EnumerationContext");
        let ended = page.as_ref().is_some_and(|page| page.end);
        if !ended {
            body.text(&self.keep(enumeration, limits.enumeration_timeout));
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

    /// Answers Pull: the next page, under a new context.
    pub(crate) async fn pull(
        &self,
        caller: Sid,
        pull: &Pull,
        head: &Head,
        limits: &Limits,
    ) -> Result<Answer, Fault> {
        let (mut taken, released) = self.take(&pull.context, caller)?;
        let most = pull.max_elements.unwrap_or(1).min(limits.batch);
        let wait = pull.max_time.unwrap_or(limits.timeout).min(limits.timeout);
        let page = tokio::select! {
            page = taken.enumeration()?.page(most, limits.room(), Instant::now() + wait) => page?,
            _ = released => return Err(invalid_context()),
        };
        let enumeration = taken.finish()?;
        let mut reply = Reply::to(head, fresh_uuid());
        let body = reply.body();
        body.start("n:PullResponse");
        if !page.end {
            let context = self.keep(enumeration, limits.enumeration_timeout);
            body.element("n:EnumerationContext", &context);
        }
        body.start("n:Items").fragment(&page.items.into_fragment()).end();
        if page.end {
            body.start("n:EndOfSequence").end_empty();
        }
        body.end();
        reply.finish(limits.reply).map(Answer::new)
    }

    /// Forgets an enumeration, also one of which a page is being made: that pull ends with a fault.
    pub(crate) fn release(&self, caller: Sid, context: &str) -> Result<(), Fault> {
        let removed = locked(&self.open).remove(context, caller);
        removed.map(drop).ok_or_else(invalid_context)
    }

    /// Returns the resource of an enumeration of the caller.
    pub(crate) fn target(&self, caller: Sid, context: &str) -> Option<Target> {
        let open = locked(&self.open);
        open.find(context, caller).map(|state| state.target().clone())
    }

    /// Forgets what has rested for too long, and with it that it counted as an operation.
    pub(crate) fn forget_expired(&self) {
        locked(&self.open).forget_expired();
    }

    fn keep(&self, mut enumeration: Enumeration, timeout: Duration) -> String {
        enumeration.expires = Instant::now() + timeout;
        let context = format!("uuid:{}", fresh_uuid());
        self.insert(context.clone(), enumeration);
        context
    }

    fn insert(&self, context: String, enumeration: Enumeration) {
        let until = enumeration.expires;
        let mut open = locked(&self.open);
        open.enumerations.insert(context, State::Resting(enumeration));
        if !std::mem::replace(&mut open.is_watched, true) {
            tokio::spawn(watch(Arc::clone(&self.open), until));
        }
    }

    /// Takes an enumeration out to make a page of it; what comes with it ends when it is released meanwhile.
    fn take(&self, context: &str, caller: Sid) -> Result<(Taken<'_>, oneshot::Receiver<Infallible>), Fault> {
        let mut open = locked(&self.open);
        match open.remove(context, caller) {
            Some(State::Resting(enumeration)) => {
                let (is_open, released) = oneshot::channel();
                let target = enumeration.target.clone();
                let pulled = State::Pulled { owner: caller, target, _is_open: is_open };
                open.enumerations.insert(context.to_owned(), pulled);
                let context = context.to_owned();
                Ok((Taken { contexts: self, context, enumeration: Some(enumeration) }, released))
            }
            // Items are given in one order, so to one pull after the other.
            Some(pulled) => {
                open.enumerations.insert(context.to_owned(), pulled);
                Err(invalid_context())
            }
            None => Err(invalid_context()),
        }
    }
}

impl Open {
    /// Returns an enumeration of the caller; another user's does not exist for it.
    fn find(&self, context: &str, caller: Sid) -> Option<&State> {
        let now = Instant::now();
        self.enumerations.get(context).filter(|state| match state {
            State::Resting(enumeration) => enumeration.owner == caller && enumeration.expires > now,
            State::Pulled { owner, .. } => *owner == caller,
        })
    }

    /// Removes an enumeration of the caller.
    fn remove(&mut self, context: &str, caller: Sid) -> Option<State> {
        self.find(context, caller)?;
        self.enumerations.remove(context)
    }

    fn forget_expired(&mut self) {
        let now = Instant::now();
        self.enumerations.retain(|_, state| state.expires().is_none_or(|expires| expires > now));
    }
}

impl State {
    /// When it is forgotten; never while a page is being made.
    fn expires(&self) -> Option<Instant> {
        match self {
            Self::Resting(enumeration) => Some(enumeration.expires),
            Self::Pulled { .. } => None,
        }
    }

    fn target(&self) -> &Target {
        match self {
            Self::Resting(Enumeration { target, .. }) | Self::Pulled { target, .. } => target,
        }
    }
}

/// Forgets what has rested for too long, until there is nothing that could: what gives items waits elsewhere, and
/// perhaps a process with it.
async fn watch(open: Arc<Mutex<Open>>, mut until: Instant) {
    loop {
        sleep_until(until).await;
        let mut open = locked(&open);
        open.forget_expired();
        let next = open.enumerations.values().filter_map(State::expires).min();
        let Some(next) = next else {
            open.is_watched = false;
            return;
        };
        until = next;
    }
}

fn locked(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An enumeration that goes back under its old context unless the page was made: a pull that finds nothing
/// in time, or whose client hangs up, changes nothing. After a failure, or when it was released meanwhile, it is over.
struct Taken<'c> {
    contexts: &'c Contexts,
    context: String,
    enumeration: Option<Enumeration>,
}

impl Taken<'_> {
    fn enumeration(&mut self) -> Result<&mut Enumeration, Fault> {
        self.enumeration.as_mut().ok_or_else(invalid_context)
    }

    /// The enumeration after its page was made, unless it was released meanwhile.
    fn finish(mut self) -> Result<Enumeration, Fault> {
        let pulled = locked(&self.contexts.open).enumerations.remove(&self.context);
        self.enumeration.take().filter(|_| pulled.is_some()).ok_or_else(invalid_context)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let Some(enumeration) = self.enumeration.take() else { return };
        let is_open = locked(&self.contexts.open).enumerations.remove(&self.context).is_some();
        if is_open && !enumeration.has_failed {
            self.contexts.insert(std::mem::take(&mut self.context), enumeration);
        }
    }
}

/// An item as it stands in the page.
fn written(item: Item, mode: EnumerationMode) -> Result<Fragment, Fault> {
    let Item { object, reference } = item;
    let reference = || {
        reference.as_ref().ok_or_else(|| {
            Fault::new(
                Subcode::UnsupportedFeature,
                code::ENUMERATION_MODE,
                "the items of this enumeration have no endpoint references",
            )
            .with_detail(Detail::ENUMERATION_MODE)
        })
    };
    let mut writer = Writer::new();
    match mode {
        EnumerationMode::Object => return Ok(object),
        EnumerationMode::Reference => reference()?.write(&mut writer, "a:EndpointReference"),
        EnumerationMode::ObjectAndReference => {
            let reference = reference()?;
            writer.start("w:Item").fragment(&object);
            reference.write(&mut writer, "a:EndpointReference");
            writer.end();
        }
    }
    Ok(writer.into_fragment())
}

fn too_slow() -> Fault {
    Fault::new(
        Subcode::TimedOut,
        code::TIMED_OUT,
        "nothing was found within the time of OperationTimeout; the enumeration can be continued",
    )
}

fn invalid_context() -> Fault {
    Fault::new(
        Subcode::InvalidEnumerationContext,
        code::INVALID_ENUMERATION_CONTEXT,
        "there is no such enumeration: it is at its end, was released, has expired, or belongs to someone else",
    )
}

fn too_large(item: usize, room: usize) -> Fault {
    Fault::new(
        Subcode::EncodingLimit,
        code::MAX_ENVELOPE_SIZE_EXCEEDED,
        format!("one item has {item} octets and {room} are left: raise MaxEnvelopeSize of the request"),
    )
    .with_detail(Detail::MAX_ENVELOPE_SIZE)
}
