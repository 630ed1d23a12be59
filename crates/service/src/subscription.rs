//! Subscriptions and their management: Pull, Renew, GetStatus, Unsubscribe (WS-Eventing; DSP0226 10).

mod push;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use config::State;
use locks::Mutex;
use sddl::Sid;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use wsman::enumeration::Pull;
use wsman::eventing::{self, DeliveryMode, Subscribe, SubscribeResponse};
use wsman::{Action, Detail, Fault, Head, Reply, Request, Subcode, code};
use xml::Writer;

use crate::access::{self, AccessGranted};
use crate::authentication::SignIn;
use crate::caller::Caller;
use crate::plugin::{Answer, Item, Items, omissions_within};
use crate::quota::OperationPermit;
use crate::request_limits::RequestLimits;
use crate::resource::TargetResource;
pub(crate) use push::PushOwner;

/// All subscriptions, by identifier.
#[derive(Clone, Default)]
pub(crate) struct Subscriptions(Arc<Mutex<HashMap<String, Arc<Subscription>>>>);

/// A subscription whose events the client pulls, or a plug-in pushes.
pub(crate) struct Subscription {
    identifier: String,
    mode: DeliveryMode,
    owner: Sid,
    target: TargetResource,
    lease: Mutex<Lease>,
    /// Locked by a response until it is known whether the client has received it.
    source: Arc<tokio::sync::Mutex<Source>>,
    /// A Pull is in progress.
    is_pulled: AtomicBool,
    phase: watch::Sender<Phase>,
    /// Counts the subscription as an operation of its owner.
    _permit: OperationPermit,
}

/// Phase of the life of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The subscriber or the service has ended it.
    Ended,
    Expired,
}

/// Events of a subscription.
struct Source {
    items: Box<dyn Items>,
    /// Events read from `items` that the client is not known to have received.
    waiting: VecDeque<Item>,
    end: Option<End>,
}

/// Reason why no events follow.
enum End {
    Over,
    Failed(Fault),
}

/// Lifetime of a subscription.
#[derive(Clone, Copy)]
struct Lease {
    term: Term,
    until: Instant,
}

#[derive(Clone, Copy)]
enum Term {
    /// The duration in the response to Subscribe or Renew.
    Agreed,
    /// Extended by every Pull, because the client requested no duration.
    WhilePulled,
}

impl Lease {
    fn new(requested: Option<Duration>, mode: DeliveryMode) -> Self {
        let is_pulled = mode == DeliveryMode::Pull;
        let term = if requested.is_none() && is_pulled { Term::WhilePulled } else { Term::Agreed };
        Self { term, until: Instant::now() + Self::length(requested, mode) }
    }

    /// Returns the duration to grant for a requested one.
    fn length(requested: Option<Duration>, mode: DeliveryMode) -> Duration {
        match requested {
            Some(requested) => requested.min(LONGEST_TERM),
            None if mode == DeliveryMode::Pull => IDLE_TIMEOUT,
            None => LONGEST_TERM,
        }
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Time without a Pull after which a subscription without a requested duration expires.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// Maximum duration of a subscription without Renew.
const LONGEST_TERM: Duration = Duration::from_secs(86_400);

/// Time to wait for further events after the first one, so that simultaneous events share a response.
const BATCH_WINDOW: Duration = Duration::from_millis(10);

/// Rejects options of Subscribe that the service does not support.
///
/// # Errors
/// `w:UnsupportedFeature`.
pub(crate) fn require_supported(subscribe: &Subscribe) -> Result<(), Fault> {
    if subscribe.end_to && subscribe.mode == DeliveryMode::Pull {
        let reason = "EndTo is not supported in the delivery mode Pull, whose last response says that the subscription has ended; omit EndTo";
        return Err(Fault::new(Subcode::UnsupportedFeature, code::ADDRESSING_MODE, reason)
            .with_detail(Detail::ADDRESSING_MODE));
    }
    Ok(())
}

/// The caller of a Pull, and the means to check its account again after the wait for events.
pub(crate) struct Puller<'p> {
    pub(crate) caller: &'p Arc<Caller>,
    pub(crate) sign_in: &'p SignIn,
    pub(crate) state: &'p watch::Receiver<Arc<State>>,
}

impl Puller<'_> {
    /// Verifies that the caller may still sign in and pull from a resource. Returns it with its current groups.
    async fn recheck(&self, target: &TargetResource) -> Result<Arc<Caller>, Fault> {
        let caller = self.sign_in.recheck(self.caller).await.ok_or_else(account_disabled)?;
        let state = Arc::clone(&self.state.borrow());
        access::admit(&caller, target, &Action::Pull, &state)?;
        Ok(caller)
    }
}

/// Parameters of a new subscription.
pub(crate) struct NewSubscription {
    pub(crate) owner: Sid,
    pub(crate) target: TargetResource,
    pub(crate) items: Box<dyn Items>,
    pub(crate) permit: OperationPermit,
    /// The request.
    pub(crate) subscribe: Subscribe,
}

impl Subscriptions {
    /// Returns the number of open subscriptions.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Creates a subscription and responds to Subscribe.
    pub(crate) fn create(
        &self,
        new: NewSubscription,
        head: &Head,
        limits: &RequestLimits,
    ) -> Result<Answer, Fault> {
        self.open(new, head, limits).map(|(answer, _)| answer)
    }

    /// Creates a subscription and responds to Subscribe.
    fn open(
        &self,
        new: NewSubscription,
        head: &Head,
        limits: &RequestLimits,
    ) -> Result<(Answer, Arc<Subscription>), Fault> {
        let NewSubscription { owner, target, items, permit, subscribe } = new;
        let Subscribe { mode, expires, .. } = subscribe;
        let identifier = random::uuid().to_string();
        let subscribed = SubscribeResponse {
            identifier: identifier.clone(),
            expires: Some(Lease::length(expires, mode)),
            context: (mode == DeliveryMode::Pull).then(|| format!("uuid:{identifier}")),
        };
        let mut reply = Reply::to(head, random::uuid());
        subscribed.write(reply.body(), head.to.as_deref(), &target.uri);
        let answer = reply.finish(limits.reply).map(Answer::new)?;
        let source = Source { items, waiting: VecDeque::new(), end: None };
        let subscription = Arc::new(Subscription {
            identifier: identifier.clone(),
            mode,
            owner,
            target,
            lease: Mutex::new(Lease::new(expires, mode)),
            source: Arc::new(tokio::sync::Mutex::new(source)),
            is_pulled: AtomicBool::new(false),
            phase: watch::Sender::new(Phase::Open),
            _permit: permit,
        });
        tokio::spawn(expire_on_time(Arc::downgrade(&self.0), Arc::downgrade(&subscription)));
        self.0.lock().insert(identifier, Arc::clone(&subscription));
        // The client cannot use the subscription if it does not receive the response.
        let unconfirmed = UnconfirmedSubscription(Some((self.clone(), Arc::clone(&subscription))));
        Ok((answer.when_delivered(Box::new(move || unconfirmed.confirm())), subscription))
    }

    /// Returns the subscription that the header of a message names. Those of other users do not exist for the caller.
    ///
    /// # Errors
    /// `e:InvalidMessage`, and `e:UnableToRenew` for Renew.
    pub(crate) fn find_by_header(&self, head: &Head, caller: Sid) -> Result<Arc<Subscription>, Fault> {
        let found = head.subscription.as_deref().and_then(|identifier| self.find(identifier, caller));
        found.ok_or_else(|| {
            let (subcode, code) = match head.action {
                Action::Renew => (Subcode::UnableToRenew, code::UNABLE_TO_RENEW),
                _ => (Subcode::InvalidMessage, code::EVENTING_INVALID_MESSAGE),
            };
            let reason = if head.subscription.is_some() {
                "unknown subscription: it has ended or expired, or belongs to another user; subscribe again"
            } else {
                "the header contains no subscription identifier; send the Identifier from the response to Subscribe"
            };
            Fault::new(subcode, code, reason)
        })
    }

    /// Returns the subscription of an enumeration context, or `None` if the context is not one of a subscription.
    pub(crate) fn find_by_context(&self, context: &str, caller: Sid) -> Option<Arc<Subscription>> {
        let found = self.find(context.strip_prefix("uuid:")?, caller);
        found.filter(|subscription| subscription.mode == DeliveryMode::Pull)
    }

    /// Ends a subscription. A Pull in progress ends with a fault.
    pub(crate) fn close(&self, subscription: &Subscription) {
        close(&self.0, subscription, Phase::Ended);
    }

    fn find(&self, identifier: &str, caller: Sid) -> Option<Arc<Subscription>> {
        self.0.lock().get(identifier).filter(|found| found.owner == caller).cloned()
    }
}

impl Subscription {
    /// Returns the resource whose events are subscribed to, which decides who may pull.
    pub(crate) fn target(&self) -> &TargetResource {
        &self.target
    }

    /// Responds to Renew and GetStatus with the remaining lifetime.
    pub(crate) fn status(
        &self,
        _access: AccessGranted,
        request: &Request,
        limits: &RequestLimits,
    ) -> Result<Answer, Fault> {
        let (name, left) = match request.head().action {
            Action::Renew => {
                let requested = eventing::parse_renew(request.require_body("Renew")?)?;
                *self.lease.lock() = Lease::new(requested, self.mode);
                ("e:RenewResponse", Lease::length(requested, self.mode))
            }
            _ => ("e:GetStatusResponse", self.lease.lock().left()),
        };
        let mut reply = Reply::to(request.head(), random::uuid());
        eventing::write_status(reply.body(), name, Some(left));
        reply.finish(limits.reply).map(Answer::new)
    }

    /// Responds to Pull with the available events, or waits for the first one.
    ///
    /// Events are returned again until the client has received a response with them. If the caller loses its rights,
    /// also during the wait, the subscription ends.
    pub(crate) async fn pull(
        self: Arc<Self>,
        _access: AccessGranted,
        all: &Subscriptions,
        puller: Puller<'_>,
        pull: &Pull,
        head: &Head,
        limits: &RequestLimits,
    ) -> Result<Answer, Fault> {
        let _guard = PullGuard::acquire(&self)?;
        let checked = Instant::now();
        let wait = pull.max_time.unwrap_or(limits.timeout).min(limits.timeout);
        let deadline = Instant::now() + wait;
        self.extend_lease(wait);
        // Wait until the delivery of the previous response is decided, which determines the remaining events.
        let mut phase = self.phase.subscribe();
        let collecting = async {
            let mut source = timeout_at(deadline, Arc::clone(&self.source).lock_owned())
                .await
                .map_err(|_| no_event_in_time())?;
            source.items.check_access(puller.caller).inspect_err(|fault| self.revoke(all, fault))?;
            let most = pull.max_elements.unwrap_or(1).min(limits.batch);
            let page = source.page(most, limits.room(head), deadline).await?;
            if checked.elapsed() >= puller.sign_in.check_lifetime() {
                // Boxed because most Pulls do not need it.
                let rechecked = Box::pin(puller.recheck(&self.target)).await;
                let allowed = rechecked.and_then(|caller| source.items.check_access(&caller));
                allowed.inspect_err(|fault| self.revoke(all, fault))?;
            }
            Ok::<_, Fault>((source, page))
        };
        let (source, page) = tokio::select! {
            collected = collecting => collected?,
            _ = end_of(&mut phase) => return Err(subscription_ended()),
        };
        self.extend_lease(Duration::ZERO);
        self.answer(all, source, page, head, limits)
    }

    /// Ends the subscription because its owner has no right to it any more.
    fn revoke(&self, all: &Subscriptions, fault: &Fault) {
        tracing::debug!(subscription = self.identifier, %fault, "Subscription revoked");
        all.close(self);
    }

    fn answer(
        &self,
        all: &Subscriptions,
        mut source: OwnedMutexGuard<Source>,
        page: Page,
        head: &Head,
        limits: &RequestLimits,
    ) -> Result<Answer, Fault> {
        if page.count == 0
            && let Some(End::Failed(fault)) = &source.end
        {
            all.close(self);
            return Err(fault.clone());
        }
        let is_last = page.count == 0;
        let bookmark = page.bookmark.as_deref();
        let room = limits.room(head).saturating_sub(page.items.len() + bookmark_len(bookmark));
        let omissions = omissions_within(&mut source.items.take_omissions(), room);
        let mut reply = Reply::with_events(head, random::uuid(), &omissions, bookmark);
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

    /// Extends the lifetime of a subscription without a requested duration, at least by the time of a Pull.
    fn extend_lease(&self, at_least: Duration) {
        let mut lease = self.lease.lock();
        if matches!(lease.term, Term::WhilePulled) {
            lease.until = Instant::now() + at_least + IDLE_TIMEOUT;
        }
    }
}

/// Events of one response; empty only at the end of the events.
struct Page {
    items: Writer,
    count: usize,
    /// Position behind the events.
    bookmark: Option<Arc<str>>,
}

impl Source {
    /// Builds a page of available events. Waits for the first event until the deadline.
    async fn page(&mut self, most: u32, room: usize, deadline: Instant) -> Result<Page, Fault> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut page = Page { items: Writer::new(), count: 0, bookmark: None };
        while page.count < most {
            if self.waiting.len() == page.count && !self.fetch(page.count, deadline).await? {
                break;
            }
            let Some(item) = self.waiting.get(page.count) else { break };
            let bytes = item.object.as_str().len().saturating_add(bookmark_len(item.bookmark.as_deref()));
            if page.items.len().saturating_add(bytes) > room {
                if page.count == 0 {
                    // Drop the event: it would block all others for ever.
                    self.waiting.pop_front();
                    return Err(too_large(bytes, room));
                }
                break;
            }
            page.items.fragment(&item.object);
            page.bookmark = item.bookmark.clone().or(page.bookmark);
            page.count += 1;
        }
        Ok(page)
    }

    /// Reads one more event: the first one of a response until the deadline, others within [`BATCH_WINDOW`].
    ///
    /// Returns `false` if no event arrives in time or the events have ended.
    async fn fetch(&mut self, count: usize, deadline: Instant) -> Result<bool, Fault> {
        if self.end.is_some() {
            return Ok(false);
        }
        let next = match count {
            0 => timeout_at(deadline, self.items.next()).await.map_err(|_| no_event_in_time())?,
            _ => match timeout(BATCH_WINDOW, self.items.next()).await {
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

/// Returns the length of a bookmark in the header of a response.
fn bookmark_len(bookmark: Option<&str>) -> usize {
    bookmark.map_or(0, |bookmark| bookmark.len() + "<w:Bookmark></w:Bookmark>".len())
}

/// Marks the subscription as being pulled. A second Pull would take the events of the first one.
struct PullGuard(Arc<Subscription>);

impl PullGuard {
    fn acquire(subscription: &Arc<Subscription>) -> Result<Self, Fault> {
        if subscription.is_pulled.swap(true, Ordering::AcqRel) {
            return Err(Fault::new(
                Subcode::Concurrency,
                code::CONCURRENT_PULL,
                "another Pull of this subscription is in progress; retry when it has ended",
            ));
        }
        Ok(Self(Arc::clone(subscription)))
    }
}

impl Drop for PullGuard {
    fn drop(&mut self) {
        self.0.is_pulled.store(false, Ordering::Release);
    }
}

/// A subscription whose owner has not yet received the response to Subscribe. Dropping it ends the subscription.
struct UnconfirmedSubscription(Option<(Subscriptions, Arc<Subscription>)>);

impl UnconfirmedSubscription {
    fn confirm(mut self) {
        self.0 = None;
    }
}

impl Drop for UnconfirmedSubscription {
    fn drop(&mut self) {
        if let Some((all, subscription)) = self.0.take() {
            all.close(&subscription);
        }
    }
}

type SubscriptionMap = HashMap<String, Arc<Subscription>>;

/// Ends a subscription when it expires. The task wakes only then.
async fn expire_on_time(all: Weak<Mutex<SubscriptionMap>>, subscription: Weak<Subscription>) {
    let Some(mut phase) = subscription.upgrade().map(|subscription| subscription.phase.subscribe()) else {
        return;
    };
    loop {
        let until = match subscription.upgrade() {
            Some(subscription) => subscription.lease.lock().until,
            None => return,
        };
        tokio::select! {
            // This also returns when the subscription is dropped.
            _ = end_of(&mut phase) => return,
            () = sleep_until(until) => {}
        }
        let (Some(all), Some(subscription)) = (all.upgrade(), subscription.upgrade()) else { return };
        // A Pull or Renew may have changed the lifetime meanwhile.
        if subscription.lease.lock().until <= Instant::now() {
            tracing::debug!(subscription = subscription.identifier, "Subscription expired");
            return close(&all, &subscription, Phase::Expired);
        }
    }
}

/// Waits until a subscription ends or is dropped. Returns the last phase.
async fn end_of(phase: &mut watch::Receiver<Phase>) -> Phase {
    phase.wait_for(|phase| *phase != Phase::Open).await.map_or(Phase::Ended, |phase| *phase)
}

fn close(all: &Mutex<SubscriptionMap>, subscription: &Subscription, phase: Phase) {
    let closed = all.lock().remove(&subscription.identifier);
    subscription.phase.send_replace(phase);
    // Dropped after the lock is released. A Pull in progress keeps the subscription alive until it ends.
    drop(closed);
}

/// Returns the fault for an account that was disabled, expired or deleted while its Pull was waiting.
fn account_disabled() -> Fault {
    let reason =
        "access is denied: the subscriber's account is disabled or expired; enable it, then subscribe again";
    Fault::new(Subcode::AccessDenied, code::ACCESS_DENIED, reason)
}

fn no_event_in_time() -> Fault {
    Fault::new(
        Subcode::TimedOut,
        code::TIMED_OUT,
        "no event occurred within OperationTimeout; send Pull again to continue",
    )
}

fn subscription_ended() -> Fault {
    Fault::new(
        Subcode::InvalidEnumerationContext,
        code::INVALID_ENUMERATION_CONTEXT,
        "the subscription ended while the client was waiting for events; subscribe again",
    )
}

fn too_large(event: usize, room: usize) -> Fault {
    Fault::new(
        Subcode::EncodingLimit,
        code::MAX_ENVELOPE_SIZE_EXCEEDED,
        format!(
            "an event of {event} bytes was dropped because it does not fit into the remaining {room}: raise MaxEnvelopeSize of the request"
        ),
    )
    .with_detail(Detail::MAX_ENVELOPE_SIZE)
}
