//! Processing of a message: parsing, access check, dispatch to a plug-in, and the response.

use std::sync::Arc;

use config::{Config, State};
use tokio::sync::Notify;
use wsman::enumeration::{Pull, parse_release};
use wsman::eventing::DeliveryMode;
use wsman::{Action, Detail, Fault, Head, Reply, Request, Subcode, code};
use xml::{Bounds, Encoding, EncodingError};

use crate::access;
use crate::caller::Caller;
use crate::enumeration::Enumeration;
use crate::identify;
use crate::plugin::{Answer, Call, Content, Delivered, Operation};
use crate::request_limits::RequestLimits;
use crate::resource::TargetResource;
use crate::service::Service;
use crate::subscription::{self, NewSubscription, Puller, PushOwner};

/// A response message.
pub(crate) struct Message {
    /// Empty if the kind is [`MessageKind::Nothing`].
    pub(crate) envelope: String,
    pub(crate) kind: MessageKind,
    pub(crate) delivered: Option<Delivered>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageKind {
    Answer,
    Fault,
    /// The request was accepted and has no response message.
    Nothing,
}

impl Message {
    /// Returns the fault for a body in an unsupported character set (DSP0226 13.1).
    pub(crate) fn unsupported_encoding(error: &EncodingError, host: &str) -> Self {
        let fault = Fault::new(Subcode::EncodingLimit, code::CHARACTER_SET, error.to_string())
            .with_detail(Detail::CHARACTER_SET);
        fault_message(&fault, None, None, host)
    }
}

impl Service {
    /// Responds to one message of an authenticated caller.
    ///
    /// `host` is the name by which the client addresses this machine, and `encoding` that of the response. If
    /// `stop_waiting` is notified before the response is ready, the response is a timeout fault.
    pub(crate) async fn answer(
        &self,
        caller: Arc<Caller>,
        text: String,
        host: &str,
        encoding: Encoding,
        stop_waiting: &Notify,
    ) -> Message {
        let state = self.state();
        match Request::parse(text, &bounds(&state.config)) {
            Err(refused) => {
                self.metrics.malformed();
                fault_message(&refused.fault, None, refused.relates_to.as_deref(), host)
            }
            // End releases the context of an operation (MS-WSMV). Operations of this service have none.
            Ok(request) if request.head().action == Action::End => {
                Message { envelope: String::new(), kind: MessageKind::Nothing, delivered: None }
            }
            Ok(request) => {
                let head = request.shared_head();
                let timer = self.metrics.begin(&head.action);
                let dispatched = tokio::select! {
                    biased;
                    dispatched = self.dispatch(caller, request, &head, encoding, &state) => dispatched,
                    () = stop_waiting.notified() => Err(client_half_closed()),
                };
                timer.finish(&dispatched);
                match dispatched {
                    Ok(Answer { content: Content::Envelope(envelope), delivered }) => {
                        Message { envelope, kind: MessageKind::Answer, delivered }
                    }
                    Ok(Answer { content: Content::Items(_) | Content::Push(_), .. }) => {
                        let fault = unexpected_items(&head);
                        fault_message(&fault, Some(&head), None, host)
                    }
                    Err(fault) => fault_message(&fault, Some(&head), None, host),
                }
            }
        }
    }

    /// Returns the resource URI of a message, or `None` if the message is malformed or names no resource.
    pub(crate) fn resource_of(&self, text: String) -> Option<String> {
        let request = Request::parse(text, &bounds(&self.config())).ok()?;
        request.head().resource.as_ref().map(|resource| resource.as_str().to_owned())
    }

    async fn dispatch(
        &self,
        caller: Arc<Caller>,
        request: Request,
        head: &Head,
        encoding: Encoding,
        state: &State,
    ) -> Result<Answer, Fault> {
        let config = &state.config;
        access::check_remote_access(&caller, config)?;
        let limits = RequestLimits::of(head, encoding, config);
        if head.action == Action::Identify {
            let identity = identify::identity(&self.product, &self.sign_in, config);
            return identify_answer(&identity, head, &limits);
        }
        if let Action::Renew | Action::GetStatus | Action::Unsubscribe = head.action {
            return self.manage_subscription(&caller, &request, &limits, state);
        }
        let uri = request.require_resource()?;
        let (plugin, resource) = self.catalog.find(uri)?;
        let target = TargetResource { uri: uri.clone(), kind: resource.kind };
        let access = match head.action {
            // No new operation is counted, so that a user at the limit can continue and end its enumerations.
            Action::Pull => return self.pull(&caller, &request, &target, &limits, state).await,
            Action::Release => return self.release(&caller, &request, &target, &limits, state),
            _ => access::admit(&caller, &target, &head.action, state)?,
        };
        log_request(&caller, &head.action, &target);
        if let Some(user) = state.plugins.run_as(uri.as_str()).filter(|_| !plugin.can_run_as()) {
            return Err(access::run_as_unavailable(uri, user));
        }
        let operation = Operation::of(&request)?;
        if let Operation::Subscribe(subscribe) = &operation {
            subscription::require_supported(subscribe)?;
        }
        let sid = caller.sid();
        let maximum = config.service.max_concurrent_operations_per_user.get();
        let permit = self.operations.acquire(sid, maximum).or_else(|_| {
            self.enumerations.remove_expired();
            self.operations.acquire(sid, maximum)
        })?;
        let (requested, owner) = (operation.clone(), Arc::clone(&caller));
        let (reply_limit, timeout) = (limits.reply, limits.timeout);
        let message_id = random::uuid();
        let config = Arc::clone(config);
        let call = Call { access, caller, request, config, reply_limit, timeout, message_id, operation };
        let answer = plugin.call(call).await?;
        match (answer.content, requested) {
            (Content::Items(items), Operation::Subscribe(subscribe)) => {
                if subscribe.mode != DeliveryMode::Pull {
                    return Err(DeliveryMode::unavailable(subscribe.mode.uri()));
                }
                let new = NewSubscription { owner: sid, target, items, permit, subscribe };
                self.subscriptions.create(new, head, &limits)
            }
            (Content::Push(items), Operation::Subscribe(subscribe)) => {
                let new = NewSubscription { owner: sid, target, items, permit, subscribe };
                let (sign_in, state) = (Arc::clone(&self.sign_in), self.state.clone());
                self.subscriptions.create_push(new, PushOwner::new(owner, sign_in, state), head, &limits)
            }
            (Content::Items(items), Operation::Enumerate(enumerate)) => {
                let enumeration = Enumeration::new(sid, target, items, enumerate.mode, permit);
                self.enumerations.enumerate(enumeration, &enumerate, head, &limits).await
            }
            (content, _) => Ok(Answer { content, delivered: answer.delivered }),
        }
    }

    /// Returns the next page of an enumeration, or the next events of a subscription.
    ///
    /// The access check applies to the resource of the enumeration or subscription. The resource that this message
    /// names, `named`, could be another one; it decides only if there is no such enumeration.
    async fn pull(
        &self,
        caller: &Arc<Caller>,
        request: &Request,
        named: &TargetResource,
        limits: &RequestLimits,
        state: &State,
    ) -> Result<Answer, Fault> {
        let pull = request.require_body("Pull").and_then(Pull::parse);
        let pull = pull.map_err(|fault| denied_first(fault, caller, named, &Action::Pull, state))?;
        let Some(subscription) = self.subscriptions.find_by_context(&pull.context, caller.sid()) else {
            let target = self.enumerations.target(caller.sid(), &pull.context);
            let target = target.as_ref().unwrap_or(named);
            let access = access::admit(caller, target, &Action::Pull, state)?;
            log_request(caller, &Action::Pull, target);
            return self.enumerations.pull(access, caller.sid(), &pull, request.head(), limits).await;
        };
        let access = access::admit(caller, subscription.target(), &Action::Pull, state)?;
        log_request(caller, &Action::Pull, subscription.target());
        let puller = Puller { caller, sign_in: &self.sign_in, state: &self.state };
        subscription.pull(access, &self.subscriptions, puller, &pull, request.head(), limits).await
    }

    /// Ends an enumeration or a subscription. The access check is the same as for [`pull`](Self::pull).
    fn release(
        &self,
        caller: &Caller,
        request: &Request,
        named: &TargetResource,
        limits: &RequestLimits,
        state: &State,
    ) -> Result<Answer, Fault> {
        let context = request.require_body("Release").and_then(parse_release);
        let context = context.map_err(|fault| denied_first(fault, caller, named, &Action::Release, state))?;
        match self.subscriptions.find_by_context(&context, caller.sid()) {
            // As with Unsubscribe, users whose rights were revoked can still end their own subscriptions.
            Some(subscription) => self.subscriptions.close(&subscription),
            None => {
                let target = self.enumerations.target(caller.sid(), &context);
                let target = target.as_ref().unwrap_or(named);
                let access = access::admit(caller, target, &Action::Release, state)?;
                log_request(caller, &Action::Release, target);
                self.enumerations.release(access, caller.sid(), &context)?;
            }
        }
        Reply::to(request.head(), random::uuid()).finish(limits.reply).map(Answer::new)
    }

    /// Responds to Renew, GetStatus and Unsubscribe, which need not name the resource of the subscription.
    fn manage_subscription(
        &self,
        caller: &Caller,
        request: &Request,
        limits: &RequestLimits,
        state: &State,
    ) -> Result<Answer, Fault> {
        let subscription = self.subscriptions.find_by_header(request.head(), caller.sid())?;
        if request.head().action == Action::Unsubscribe {
            // Users whose rights were revoked can still end their own subscriptions.
            self.subscriptions.close(&subscription);
            return Reply::to(request.head(), random::uuid()).finish(limits.reply).map(Answer::new);
        }
        let access = access::admit(caller, subscription.target(), &request.head().action, state)?;
        subscription.status(access, request, limits)
    }

    /// Responds to an unauthenticated client, which may send Identify only.
    pub(crate) fn answer_anonymous(&self, text: String, encoding: Encoding) -> Option<Message> {
        let small = Bounds { octets: ANONYMOUS_REQUEST, nodes: 100, ..Bounds::default() };
        let request = Request::parse(text, &small).ok()?;
        if request.head().action != Action::Identify {
            return None;
        }
        let config = self.config();
        let identity = identify::anonymous(&self.product, &config);
        let limits = RequestLimits::of(request.head(), encoding, &config);
        let answer = identify_answer(&identity, request.head(), &limits).ok()?;
        match answer.content {
            Content::Envelope(envelope) => {
                Some(Message { envelope, kind: MessageKind::Answer, delivered: None })
            }
            Content::Items(_) | Content::Push(_) => None,
        }
    }
}

/// Returns the fault of the access check if access is denied, otherwise the parse error `fault`.
///
/// A caller without access learns nothing about errors in its message.
fn denied_first(
    fault: Fault,
    caller: &Caller,
    named: &TargetResource,
    action: &Action,
    state: &State,
) -> Fault {
    access::admit(caller, named, action, state).err().unwrap_or(fault)
}

fn log_request(caller: &Caller, action: &Action, target: &TargetResource) {
    tracing::debug!(
        account = caller.identity().account().name.as_str(),
        action = &*action.uri(),
        resource = target.uri.as_str(),
        "Request"
    );
}

/// Maximum size of a message from an unauthenticated client, in bytes.
pub(crate) const ANONYMOUS_REQUEST: usize = 4_096;

/// Returns the fault for a plug-in that returned items for an action other than Enumerate and Subscribe.
fn unexpected_items(head: &Head) -> Fault {
    Fault::new(
        Subcode::InternalError,
        code::INTERNAL_ERROR,
        format!("the resource cannot respond to {}; use another action", head.action.uri()),
    )
}

/// Returns the fault for a client that half-closed the connection: a longer wait could not detect whether the client
/// is still there.
fn client_half_closed() -> Fault {
    Fault::new(
        Subcode::TimedOut,
        code::TIMED_OUT,
        "the client closed its side of the connection before the operation finished; \
         keep it open for OperationTimeout, or retry",
    )
}

fn identify_answer(
    identity: &wsman::identify::Identity,
    head: &Head,
    limits: &RequestLimits,
) -> Result<Answer, Fault> {
    let mut reply = Reply::to(head, random::uuid());
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
    // Clients cancel operations, for example by closing their shell.
    if *fault.subcode() == Subcode::InternalError && fault.code() != code::OPERATION_ABORTED {
        tracing::warn!(code = fault.code(), %fault, "Request failed with an internal error");
    }
    let envelope = fault.clone().on_machine(host).envelope(head, relates_to, random::uuid());
    Message { envelope, kind: MessageKind::Fault, delivered: None }
}

fn bounds(config: &Config) -> Bounds {
    let octets = usize::try_from(config.max_envelope_sizekb.bytes()).unwrap_or(usize::MAX);
    // Text decoded from UTF-16 can need half as much memory again; its size on the wire is already checked.
    Bounds { octets: octets.saturating_mul(3) / 2, ..Bounds::default() }
}
