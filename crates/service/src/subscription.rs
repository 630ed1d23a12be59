//! Subscriptions whose events are pulled (WS-Eventing; DSP0226 10.2.9.5), and what is asked about them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sddl::Sid;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use wsman::enumeration::Pull;
use wsman::eventing::{self, DeliveryMode, Subscribe, SubscribeResponse};
use wsman::{Action, Detail, Fault, Head, Reply, Request, Subcode, code};
use xml::Writer;

use crate::access::Caller;
use crate::answer::Limits;
use crate::enumeration::Target;
use crate::plugin::{Answer, BoxFuture, Item, Items};
use crate::quota::Operation;
use crate::random::fresh_uuid;

/// Every subscription, by its identifier.
#[derive(Clone, Default)]
pub(crate) struct Subscriptions(Arc<Mutex<HashMap<String, Arc<Subscription>>>>);

/// Events that somebody asks for from time to time.
pub(crate) struct Subscription {
    identifier: String,
    owner: Sid,
    target: Target,
    lease: Mutex<Lease>,
    /// Held by an answer until it is known whether that has arrived.
    source: Arc<tokio::sync::Mutex<Source>>,
    /// Somebody waits for events.
    is_pulled: AtomicBool,
    over: watch::Sender<bool>,
    /// Counts as one of its owner's operations.
    _operation: Operation,
}

/// Where events come from.
struct Source {
    items: Box<dyn Items>,
    /// Taken from `items`, and not known to have arrived at the client.
    waiting: VecDeque<Item>,
    end: Option<End>,
}

/// Nothing more comes.
enum End {
    Over,
    Failed(Fault),
}

/// How long a subscription lasts.
#[derive(Clone, Copy)]
struct Lease {
    term: Term,
    until: Instant,
}

#[derive(Clone, Copy)]
enum Term {
    /// As long as was asked, and agreed.
    Agreed,
    /// As long as somebody pulls.
    WhilePulled,
}

impl Lease {
    fn new(asked: Option<Duration>) -> Self {
        let term = if asked.is_some() { Term::Agreed } else { Term::WhilePulled };
        Self { term, until: Instant::now() + Self::length(asked) }
    }

    /// How long it lasts if nothing more is said.
    fn length(asked: Option<Duration>) -> Duration {
        asked.map_or(IDLE, |asked| asked.min(LONGEST))
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// How long a subscription that was asked for without an end lasts while nobody pulls.
const IDLE: Duration = Duration::from_secs(600);

/// The longest time that is agreed to without hearing from the client.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How long one answer waits for further events once it has one: those of one moment go together.
const GATHERING: Duration = Duration::from_millis(10);

/// Refuses what a subscription cannot have here.
///
/// # Errors
/// `e:DeliveryModeRequestedUnavailable`, `w:UnsupportedFeature`.
pub(crate) fn require_supported(subscribe: &Subscribe) -> Result<(), Fault> {
    if subscribe.mode != DeliveryMode::Pull {
        return Err(DeliveryMode::unavailable(subscribe.mode.uri()));
    }
    if subscribe.end_to {
        let reason = "nobody is told at another address that a subscription ends: leave EndTo out";
        return Err(Fault::new(Subcode::UnsupportedFeature, code::ADDRESSING_MODE, reason)
            .with_detail(Detail::ADDRESSING_MODE));
    }
    if subscribe.bookmarks {
        let reason = "the events of this resource have no bookmarks: leave Bookmark and SendBookmarks out";
        return Err(
            Fault::new(Subcode::UnsupportedFeature, code::BOOKMARKS, reason).with_detail(Detail::BOOKMARKS)
        );
    }
    Ok(())
}

/// Who pulls.
pub(crate) struct Puller<'p> {
    /// As of just now.
    pub(crate) caller: &'p Caller,
    /// For how long that holds.
    pub(crate) stands_for: Duration,
    /// The same user later, if it may still pull from this subscription.
    pub(crate) judged_again: &'p JudgedAgain<'p>,
}

/// Judges whoever pulls again.
pub(crate) type JudgedAgain<'p> =
    dyn Fn(&Arc<Subscription>) -> BoxFuture<'p, Result<Arc<Caller>, Fault>> + Send + Sync + 'p;

/// What a subscription is made of.
pub(crate) struct Opening {
    pub(crate) owner: Sid,
    pub(crate) target: Target,
    pub(crate) items: Box<dyn Items>,
    pub(crate) operation: Operation,
    /// How long it is wanted.
    pub(crate) expires: Option<Duration>,
}

impl Subscriptions {
    /// Answers Subscribe.
    pub(crate) fn open(&self, opening: Opening, head: &Head, limits: &Limits) -> Result<Answer, Fault> {
        let Opening { owner, target, items, operation, expires } = opening;
        let identifier = fresh_uuid().to_string();
        let subscribed = SubscribeResponse {
            identifier: identifier.clone(),
            expires: Some(Lease::length(expires)),
            context: Some(format!("uuid:{identifier}")),
        };
        let mut reply = Reply::to(head, fresh_uuid());
        subscribed.write(reply.body(), head.to.as_deref(), &target.resource);
        let answer = reply.finish(limits.reply).map(Answer::new)?;
        let source = Source { items, waiting: VecDeque::new(), end: None };
        let subscription = Arc::new(Subscription {
            identifier: identifier.clone(),
            owner,
            target,
            lease: Mutex::new(Lease::new(expires)),
            source: Arc::new(tokio::sync::Mutex::new(source)),
            is_pulled: AtomicBool::new(false),
            over: watch::Sender::new(false),
            _operation: operation,
        });
        tokio::spawn(expiring(Arc::downgrade(&self.0), Arc::downgrade(&subscription)));
        self.locked().insert(identifier, Arc::clone(&subscription));
        // Nobody knows of it before the answer has arrived.
        let unheard = Unheard(Some((self.clone(), subscription)));
        Ok(answer.when_delivered(Box::new(move || unheard.forget())))
    }

    /// The subscription that a message names in its header; another user's does not exist for the caller.
    ///
    /// # Errors
    /// `e:InvalidMessage`, and `e:UnableToRenew` for Renew.
    pub(crate) fn named(&self, head: &Head, caller: Sid) -> Result<Arc<Subscription>, Fault> {
        let found = head.subscription.as_deref().and_then(|identifier| self.find(identifier, caller));
        found.ok_or_else(|| {
            let (subcode, code) = match head.action {
                Action::Renew => (Subcode::UnableToRenew, code::UNABLE_TO_RENEW),
                _ => (Subcode::InvalidMessage, code::EVENTING_INVALID_MESSAGE),
            };
            let reason = if head.subscription.is_some() {
                "there is no such subscription: it has ended or expired, or belongs to someone else"
            } else {
                "the header names no subscription: send its Identifier as the answer to Subscribe gave it"
            };
            Fault::new(subcode, code, reason)
        })
    }

    /// The subscription of a context, if it is one of a subscription.
    pub(crate) fn of_context(&self, context: &str, caller: Sid) -> Option<Arc<Subscription>> {
        self.find(context.strip_prefix("uuid:")?, caller)
    }

    /// Ends a subscription; whoever pulls from it is told.
    pub(crate) fn close(&self, subscription: &Subscription) {
        close(&self.0, subscription);
    }

    fn find(&self, identifier: &str, caller: Sid) -> Option<Arc<Subscription>> {
        self.locked().get(identifier).filter(|found| found.owner == caller).cloned()
    }

    fn locked(&self) -> MutexGuard<'_, Open> {
        locked(&self.0)
    }
}

impl Subscription {
    /// Returns the resource whose events are subscribed to, which decides who may pull.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Answers Renew and GetStatus: how long it lasts now.
    pub(crate) fn status(&self, request: &Request, limits: &Limits) -> Result<Answer, Fault> {
        let (name, left) = match request.head().action {
            Action::Renew => {
                let wanted = eventing::parse_renew(request.require_body("Renew")?)?;
                *self.lease() = Lease::new(wanted);
                ("e:RenewResponse", Lease::length(wanted))
            }
            _ => ("e:GetStatusResponse", self.lease().left()),
        };
        let mut reply = Reply::to(request.head(), fresh_uuid());
        eventing::write_status(reply.body(), name, Some(left));
        reply.finish(limits.reply).map(Answer::new)
    }

    /// Answers Pull: the events that there are, or the first ones that come in time.
    ///
    /// They are given again until an answer with them has arrived. Whoever may have them no more ends the subscription,
    /// also if that came about while it waited.
    pub(crate) async fn pull(
        self: Arc<Self>,
        all: &Subscriptions,
        puller: Puller<'_>,
        pull: &Pull,
        head: &Head,
        limits: &Limits,
    ) -> Result<Answer, Fault> {
        let _only = Pulling::begin(&self)?;
        let judged = Instant::now();
        let wait = pull.max_time.unwrap_or(limits.timeout).min(limits.timeout);
        let deadline = Instant::now() + wait;
        self.keep(wait);
        // An answer that is still on its way decides first what is left.
        let mut over = self.over.subscribe();
        let collecting = async {
            let mut source = timeout_at(deadline, Arc::clone(&self.source).lock_owned())
                .await
                .map_err(|_| nothing_came())?;
            source.items.admit(puller.caller).inspect_err(|fault| self.withdraw(all, fault))?;
            let most = pull.max_elements.unwrap_or(1).min(limits.batch);
            let page = source.page(most, limits.room(), deadline).await?;
            if judged.elapsed() >= puller.stands_for {
                let admitted = (puller.judged_again)(&self).await;
                let admitted = admitted.and_then(|caller| source.items.admit(&caller));
                admitted.inspect_err(|fault| self.withdraw(all, fault))?;
            }
            Ok::<_, Fault>((source, page))
        };
        let (source, page) = tokio::select! {
            collected = collecting => collected?,
            _ = over.wait_for(|over| *over) => return Err(is_over()),
        };
        self.keep(Duration::ZERO);
        self.answer(all, source, page, head, limits)
    }

    /// Ends it, for somebody who may have no more of it.
    fn withdraw(&self, all: &Subscriptions, fault: &Fault) {
        tracing::debug!(subscription = self.identifier, %fault, "Subscription withdrawn");
        all.close(self);
    }

    fn answer(
        &self,
        all: &Subscriptions,
        mut source: OwnedMutexGuard<Source>,
        page: Page,
        head: &Head,
        limits: &Limits,
    ) -> Result<Answer, Fault> {
        if page.count == 0
            && let Some(End::Failed(fault)) = &source.end
        {
            all.close(self);
            return Err(fault.clone());
        }
        let is_last = page.count == 0;
        let mut reply = Reply::to(head, fresh_uuid());
        let body = reply.body();
        body.start("n:PullResponse");
        if !is_last {
            body.element("n:EnumerationContext", &format!("uuid:{}", self.identifier));
        }
        body.start("n:Items").fragment(&page.items.into_fragment()).end();
        if is_last {
            all.close(self);
            body.start("n:EndOfSequence").end_empty();
        }
        body.end();
        let answer = reply.finish(limits.reply).map(Answer::new)?;
        Ok(answer.when_delivered(Box::new(move || drop(source.waiting.drain(..page.count)))))
    }

    /// Somebody shows that it is still wanted.
    fn keep(&self, at_least: Duration) {
        let mut lease = self.lease();
        if matches!(lease.term, Term::WhilePulled) {
            lease.until = Instant::now() + at_least + IDLE;
        }
    }

    fn lease(&self) -> MutexGuard<'_, Lease> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Events that fit one answer; none only at the end.
struct Page {
    items: Writer,
    count: usize,
}

impl Source {
    /// Those that there are; waits for the first one.
    async fn page(&mut self, most: u32, room: usize, deadline: Instant) -> Result<Page, Fault> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut page = Page { items: Writer::new(), count: 0 };
        while page.count < most {
            if self.waiting.len() == page.count && !self.fetch(page.count, deadline).await? {
                break;
            }
            let Some(item) = self.waiting.get(page.count) else { break };
            let octets = item.object.as_str().len();
            if page.items.len().saturating_add(octets) > room {
                if page.count == 0 {
                    // It would stand in the way of all others for ever.
                    self.waiting.pop_front();
                    return Err(too_large(octets, room));
                }
                break;
            }
            page.items.fragment(&item.object);
            page.count += 1;
        }
        Ok(page)
    }

    /// Waits for one more: long for the first of an answer, shortly for the others.
    async fn fetch(&mut self, count: usize, deadline: Instant) -> Result<bool, Fault> {
        if self.end.is_some() {
            return Ok(false);
        }
        let next = match count {
            0 => timeout_at(deadline, self.items.next()).await.map_err(|_| nothing_came())?,
            _ => match timeout(GATHERING, self.items.next()).await {
                Ok(next) => next,
                Err(_) => return Ok(false),
            },
        };
        match next {
            Some(Ok(item)) => self.waiting.push_back(item),
            Some(Err(fault)) => self.end = Some(End::Failed(fault)),
            None => self.end = Some(End::Over),
        }
        Ok(self.end.is_none())
    }
}

/// The one who waits for events; a second one would take them away.
struct Pulling(Arc<Subscription>);

impl Pulling {
    fn begin(subscription: &Arc<Subscription>) -> Result<Self, Fault> {
        if subscription.is_pulled.swap(true, Ordering::AcqRel) {
            return Err(Fault::new(
                Subcode::Concurrency,
                code::CONCURRENT_PULL,
                "the events of this subscription are being waited for already: ask again when that has ended",
            ));
        }
        Ok(Self(Arc::clone(subscription)))
    }
}

impl Drop for Pulling {
    fn drop(&mut self) {
        self.0.is_pulled.store(false, Ordering::Release);
    }
}

/// A subscription that its owner does not know of yet.
struct Unheard(Option<(Subscriptions, Arc<Subscription>)>);

impl Unheard {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        if let Some((all, subscription)) = self.0.take() {
            all.close(&subscription);
        }
    }
}

type Open = HashMap<String, Arc<Subscription>>;

/// Ends a subscription when its time has come; wakes up then only.
async fn expiring(all: Weak<Mutex<Open>>, subscription: Weak<Subscription>) {
    let Some(mut over) = subscription.upgrade().map(|subscription| subscription.over.subscribe()) else {
        return;
    };
    loop {
        let until = match subscription.upgrade() {
            Some(subscription) => subscription.lease().until,
            None => return,
        };
        tokio::select! {
            // Also when it has been dropped.
            _ = over.wait_for(|over| *over) => return,
            () = sleep_until(until) => {}
        }
        let (Some(all), Some(subscription)) = (all.upgrade(), subscription.upgrade()) else { return };
        // It may have been made longer meanwhile, or shorter, which Renew may as well.
        if subscription.lease().until <= Instant::now() {
            tracing::debug!(subscription = subscription.identifier, "Subscription expired");
            return close(&all, &subscription);
        }
    }
}

fn close(all: &Mutex<Open>, subscription: &Subscription) {
    let closed = locked(all).remove(&subscription.identifier);
    subscription.over.send_replace(true);
    // What it holds ends here, unless somebody still pulls, and not under the lock.
    drop(closed);
}

fn locked(all: &Mutex<Open>) -> MutexGuard<'_, Open> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nothing_came() -> Fault {
    Fault::new(
        Subcode::TimedOut,
        code::TIMED_OUT,
        "there was no event within the time of OperationTimeout; the subscription goes on",
    )
}

fn is_over() -> Fault {
    Fault::new(
        Subcode::InvalidEnumerationContext,
        code::INVALID_ENUMERATION_CONTEXT,
        "the subscription has ended while its events were waited for",
    )
}

fn too_large(event: usize, room: usize) -> Fault {
    Fault::new(
        Subcode::EncodingLimit,
        code::MAX_ENVELOPE_SIZE_EXCEEDED,
        format!(
            "an event of {event} octets was given up because {room} are left: raise MaxEnvelopeSize of the request for the next ones"
        ),
    )
    .with_detail(Detail::MAX_ENVELOPE_SIZE)
}
