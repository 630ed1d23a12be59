//! The way of a request, from a message to its answer.

use std::sync::Arc;
use std::time::Duration;

use config::{Config, State};
use tokio::sync::Notify;
use wsman::enumeration::{Enumerate, Pull, parse_release};
use wsman::eventing::Subscribe;
use wsman::{Action, Detail, Fault, Head, Reply, Request, Subcode, code};
use xml::{Bounds, Encoding, EncodingError};

use crate::access::{self, Caller};
use crate::authentication::judged_again;
use crate::enumeration::{Enumeration, Target};
use crate::identify;
use crate::plugin::{Answer, BoxFuture, Call, Content, Delivered};
use crate::random::fresh_uuid;
use crate::service::Service;
use crate::subscription::{self, Opening, Puller, Subscription};

/// What is sent back.
pub(crate) struct Message {
    /// Empty if nobody waits for one.
    pub(crate) envelope: String,
    pub(crate) kind: MessageKind,
    pub(crate) delivered: Option<Delivered>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageKind {
    Answer,
    Fault,
    /// The request was taken, and there is nothing to say.
    Nothing,
}

impl Message {
    /// Says that a body is in a character set nobody has to know.
    pub(crate) fn unreadable(error: &EncodingError, host: &str) -> Self {
        let fault = Fault::new(Subcode::EncodingLimit, code::CHARACTER_SET, error.to_string())
            .with_detail(Detail::CHARACTER_SET);
        fault_message(&fault, None, None, host)
    }
}

impl Service {
    /// Answers one message of someone who was let in.
    ///
    /// `host` is the name the client called this machine by, and `encoding` that of the answer; `hurry` is told when
    /// it is not to wait any longer.
    pub(crate) async fn answer(
        &self,
        caller: Arc<Caller>,
        text: String,
        host: &str,
        encoding: Encoding,
        hurry: &Notify,
    ) -> Message {
        let state = self.state();
        match Request::parse(text, &bounds(&state.config)) {
            Err(refused) => fault_message(&refused.fault, None, refused.relates_to.as_deref(), host),
            // Operations of ours end by themselves, so there is nothing of an operation to be let go of.
            Ok(request) if request.head().action == Action::End => {
                Message { envelope: String::new(), kind: MessageKind::Nothing, delivered: None }
            }
            Ok(request) => {
                let head = request.head().clone();
                let dispatched = tokio::select! {
                    biased;
                    dispatched = self.dispatch(caller, request, encoding, &state) => dispatched,
                    () = hurry.notified() => Err(not_yet()),
                };
                match dispatched {
                    Ok(Answer { content: Content::Envelope(envelope), delivered }) => {
                        Message { envelope, kind: MessageKind::Answer, delivered }
                    }
                    Ok(Answer { content: Content::Items(_), .. }) => {
                        let fault = not_enumerated(&head);
                        fault_message(&fault, Some(&head), None, host)
                    }
                    Err(fault) => fault_message(&fault, Some(&head), None, host),
                }
            }
        }
    }

    /// The resource that a message asks for, if it can be read and names one.
    pub(crate) fn resource_of(&self, text: String) -> Option<String> {
        let request = Request::parse(text, &bounds(&self.config())).ok()?;
        request.head().resource.as_ref().map(|resource| resource.as_str().to_owned())
    }

    async fn dispatch(
        &self,
        caller: Arc<Caller>,
        request: Request,
        encoding: Encoding,
        state: &State,
    ) -> Result<Answer, Fault> {
        let config = Arc::clone(&state.config);
        access::from_elsewhere(&caller, &config)?;
        let limits = Limits::of(request.head(), encoding, &config);
        let head = request.head().clone();
        if head.action == Action::Identify {
            return identify_answer(&identify::identity(&self.product, &config), &head, &limits);
        }
        if let Action::Renew | Action::GetStatus | Action::Unsubscribe = head.action {
            return self.about_subscription(&caller, &request, &limits, state);
        }
        let uri = request.require_resource()?;
        let (plugin, resource) = self.catalog.find(uri)?;
        let named = Target { resource: uri.clone(), kind: resource.kind };
        match head.action {
            // The enumeration is an operation already: a user at the limit must be able to continue and end it.
            Action::Pull => return self.pull(&caller, &request, &named, &limits, state).await,
            Action::Release => return self.release(&caller, &request, &named, &limits, state),
            _ => allow(&caller, &named, &head.action, state)?,
        }
        log_request(&caller, &head.action, &named);
        let enumerate = match head.action {
            Action::Enumerate => Some(Enumerate::parse(request.require_body("Enumerate")?)?),
            _ => None,
        };
        let subscribe = match head.action {
            Action::Subscribe => Some(Subscribe::parse(request.require_body("Subscribe")?)?),
            _ => None,
        };
        if let Some(subscribe) = &subscribe {
            subscription::require_supported(subscribe)?;
        }
        let most = config.service.max_concurrent_operations_per_user.get();
        let operation = self.operations.begin(caller.sid(), most).or_else(|_| {
            self.contexts.forget_expired();
            self.operations.begin(caller.sid(), most)
        })?;
        let sid = caller.sid();
        let asked = (enumerate.clone(), subscribe.as_ref().map(|subscribe| subscribe.expires));
        let (reply_limit, timeout) = (limits.reply, limits.timeout);
        let message_id = fresh_uuid();
        let call = Call { caller, request, config, reply_limit, timeout, message_id, enumerate, subscribe };
        let answer = plugin.call(call).await?;
        match (answer.content, asked) {
            (Content::Items(items), (None, Some(expires))) => {
                let opening = Opening { owner: sid, target: named, items, operation, expires };
                self.subscriptions.open(opening, &head, &limits)
            }
            (Content::Items(items), (Some(asked), _)) => {
                let enumeration = Enumeration::new(sid, named, items, asked.mode, operation);
                self.contexts.enumerate(enumeration, &asked, &head, &limits).await
            }
            (content, _) => Ok(Answer { content, delivered: answer.delivered }),
        }
    }

    /// Returns the next page of an enumeration, or the next events of a subscription.
    ///
    /// The access check is about the resource that is enumerated: `named` is what this message says, which could be
    /// another one. It decides only where there is no such enumeration.
    async fn pull(
        &self,
        caller: &Arc<Caller>,
        request: &Request,
        named: &Target,
        limits: &Limits,
        state: &State,
    ) -> Result<Answer, Fault> {
        let pull = request.require_body("Pull").and_then(Pull::parse);
        let pull = pull.map_err(|fault| denied_first(fault, caller, named, &Action::Pull, state))?;
        let Some(subscription) = self.subscriptions.of_context(&pull.context, caller.sid()) else {
            let target = self.contexts.target(caller.sid(), &pull.context);
            allow(caller, target.as_ref().unwrap_or(named), &Action::Pull, state)?;
            log_request(caller, &Action::Pull, target.as_ref().unwrap_or(named));
            return self.contexts.pull(caller.sid(), &pull, request.head(), limits).await;
        };
        allow(caller, subscription.target(), &Action::Pull, state)?;
        log_request(caller, &Action::Pull, subscription.target());
        let judged_again = |subscription: &Arc<Subscription>| {
            let subscription = Arc::clone(subscription);
            let judged = async move {
                let caller = judged_again(caller, self).await.ok_or_else(lets_in_no_more)?;
                allow(&caller, subscription.target(), &Action::Pull, &self.state())?;
                Ok(caller)
            };
            Box::pin(judged) as BoxFuture<'_, _>
        };
        let stands_for = self.authenticator.verdict_lifetime();
        let puller = Puller { caller, stands_for, judged_again: &judged_again };
        subscription.pull(&self.subscriptions, puller, &pull, request.head(), limits).await
    }

    /// Ends an enumeration, or a subscription. The access check is that of [`pull`](Self::pull).
    fn release(
        &self,
        caller: &Caller,
        request: &Request,
        named: &Target,
        limits: &Limits,
        state: &State,
    ) -> Result<Answer, Fault> {
        let context = request.require_body("Release").and_then(parse_release);
        let context = context.map_err(|fault| denied_first(fault, caller, named, &Action::Release, state))?;
        match self.subscriptions.of_context(&context, caller.sid()) {
            // As with Unsubscribe, a user without rights can still end its own subscription.
            Some(subscription) => self.subscriptions.close(&subscription),
            None => {
                let target = self.contexts.target(caller.sid(), &context);
                allow(caller, target.as_ref().unwrap_or(named), &Action::Release, state)?;
                log_request(caller, &Action::Release, target.as_ref().unwrap_or(named));
                self.contexts.release(caller.sid(), &context)?;
            }
        }
        Reply::to(request.head(), fresh_uuid()).finish(limits.reply).map(Answer::new)
    }

    /// Renew, GetStatus and Unsubscribe name a subscription, and need not name its resource.
    fn about_subscription(
        &self,
        caller: &Caller,
        request: &Request,
        limits: &Limits,
        state: &State,
    ) -> Result<Answer, Fault> {
        let subscription = self.subscriptions.named(request.head(), caller.sid())?;
        if request.head().action == Action::Unsubscribe {
            // A user without rights can still end its own subscription.
            self.subscriptions.close(&subscription);
            return Reply::to(request.head(), fresh_uuid()).finish(limits.reply).map(Answer::new);
        }
        allow(caller, subscription.target(), &request.head().action, state)?;
        subscription.status(request, limits)
    }

    /// Answers someone who has not signed in: Identify is all there is, and it tells nothing.
    pub(crate) fn answer_anonymous(&self, text: String, encoding: Encoding) -> Option<Message> {
        let small = Bounds { octets: ANONYMOUS_REQUEST, nodes: 100, ..Bounds::default() };
        let request = Request::parse(text, &small).ok()?;
        if request.head().action != Action::Identify {
            return None;
        }
        let config = self.config();
        let identity = identify::anonymous(&self.product, &config);
        let limits = Limits::of(request.head(), encoding, &config);
        let answer = identify_answer(&identity, request.head(), &limits).ok()?;
        match answer.content {
            Content::Envelope(envelope) => {
                Some(Message { envelope, kind: MessageKind::Answer, delivered: None })
            }
            Content::Items(_) => None,
        }
    }
}

/// Decides with the settings of now whether a caller may do something to a resource.
fn allow(caller: &Caller, target: &Target, action: &Action, state: &State) -> Result<(), Fault> {
    access::is_on(&state.plugins, &target.resource)?;
    access::check(caller, &state.access, target.kind, target.resource.as_str(), action)
}

/// Returns the fault of the access check, or that of a message that cannot be read if access is granted.
fn denied_first(fault: Fault, caller: &Caller, named: &Target, action: &Action, state: &State) -> Fault {
    allow(caller, named, action, state).err().unwrap_or(fault)
}

fn log_request(caller: &Caller, action: &Action, target: &Target) {
    tracing::debug!(
        account = caller.identity().account().name.as_str(),
        action = &*action.uri(),
        resource = target.resource.as_str(),
        "Request"
    );
}

/// The largest message read from someone who has not signed in, in octets.
pub(crate) const ANONYMOUS_REQUEST: usize = 4_096;

/// What a request may take: the smaller of what it asks and what the service allows.
pub(crate) struct Limits {
    /// The largest answer, in octets of UTF-8.
    pub(crate) reply: u32,
    /// How long the client waits.
    pub(crate) timeout: Duration,
    /// How many items one page may hold.
    pub(crate) batch: u32,
    /// How long an enumeration may rest between two pages.
    pub(crate) enumeration_timeout: Duration,
}

impl Limits {
    fn of(head: &Head, encoding: Encoding, config: &Config) -> Self {
        /// Shorter ones are raised to this (MS-WSMV 3.1.4.1.13).
        const SHORTEST: Duration = Duration::from_millis(500);
        let largest = u32::try_from(config.max_envelope_sizekb.octets()).unwrap_or(u32::MAX);
        let longest = config.max_timeoutms.duration();
        // A long Receive is honoured beyond MaxTimeoutms, as Windows does; nothing is held up by it.
        let is_shell = matches!(head.action, Action::Shell(_));
        let asked = head.operation_timeout.unwrap_or(longest);
        let timeout = if is_shell { asked } else { asked.min(longest) };
        let reply = head.max_envelope_size.unwrap_or(largest).min(largest);
        Self {
            reply: match encoding {
                Encoding::Utf8 => reply,
                // The answer is measured before it is encoded; that makes it at most twice as long.
                Encoding::Utf16 => reply / 2,
            },
            timeout: timeout.max(SHORTEST),
            batch: config.max_batch_items.get(),
            enumeration_timeout: config.service.enumeration_timeoutms.duration(),
        }
    }

    /// What is left for items once header and context are written, in octets.
    pub(crate) fn room(&self) -> usize {
        const REST: u32 = 4_096;
        usize::try_from(self.reply.saturating_sub(REST)).unwrap_or(usize::MAX)
    }
}

/// A plug-in listed items although nobody asked it to enumerate.
fn not_enumerated(head: &Head) -> Fault {
    Fault::new(
        Subcode::InternalError,
        code::INTERNAL_ERROR,
        format!("the resource cannot answer {}", head.action.uri()),
    )
}

/// What somebody has waited for comes too late.
fn lets_in_no_more() -> Fault {
    let reason = "access is denied: the account that subscribed lets nobody in any more";
    Fault::new(Subcode::AccessDenied, code::ACCESS_DENIED, reason)
}

/// The client has half closed its connection, so waiting would not find out whether it is still there.
fn not_yet() -> Fault {
    Fault::new(
        Subcode::TimedOut,
        code::TIMED_OUT,
        "there was no answer soon after the connection was half closed: leave it open to wait for all of OperationTimeout, or ask again",
    )
}

fn identify_answer(
    identity: &wsman::identify::Identity,
    head: &Head,
    limits: &Limits,
) -> Result<Answer, Fault> {
    let mut reply = Reply::to(head, fresh_uuid());
    identity.write(reply.body());
    reply.finish(limits.reply).map(Answer::new)
}

fn fault_message(fault: &Fault, head: Option<&Head>, relates_to: Option<&str>, host: &str) -> Message {
    if fault.code() != code::TIMED_OUT {
        tracing::debug!(
            code = fault.code(),
            subcode = fault.subcode().name(),
            reason = fault.reason(),
            "Fault"
        );
    }
    if *fault.subcode() == Subcode::InternalError {
        tracing::warn!(code = fault.code(), %fault, "A request failed inside the service");
    }
    let envelope = fault.clone().on_machine(host).envelope(head, relates_to, fresh_uuid());
    Message { envelope, kind: MessageKind::Fault, delivered: None }
}

fn bounds(config: &Config) -> Bounds {
    let octets = usize::try_from(config.max_envelope_sizekb.octets()).unwrap_or(usize::MAX);
    // UTF-16 text can take half as much again in memory; the octets on the wire were counted before.
    Bounds { octets: octets.saturating_mul(3) / 2, ..Bounds::default() }
}
