//! The probe: a plug-in that behaves as a test requests and reports its calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use telarch_service::{
    Answer, BoxFuture, Call, Caller, EndReason, Item, Items, Operation, Plugin, Resource, ResourceKind,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::timeout;
use wsman::{Action, Fault, Omission, Subcode, code};
use xml::Writer;

use crate::TIMEOUT;

/// Resource URI of the probe. The next path segment selects its behaviour.
pub(crate) const URI: &str = "http://telarch.test/probe";
/// Action of requests to the probe, unless the test is about actions.
pub(crate) const ACTION: &str = "http://telarch.test/probe/Ask";

/// An event of a call, with the text of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The plug-in was called.
    Called(String),
    /// The plug-in has responded.
    Answered(String),
    /// The call was dropped before the plug-in responded.
    Abandoned(String),
    /// The response was delivered.
    Delivered(String),
    /// The response was lost.
    Lost(String),
    /// The service ends a push subscription.
    Ended(EndReason),
}

/// The test's interface to the probe.
pub(crate) struct Observer {
    subscriptions: Subscriptions,
    events: AsyncMutex<UnboundedReceiver<Event>>,
    gate: Arc<Semaphore>,
    seen: Arc<Mutex<Vec<Event>>>,
    is_closed: Arc<AtomicBool>,
}

/// The plug-in.
pub(crate) struct Probe {
    subscriptions: Subscriptions,
    events: Events,
    gate: Arc<Semaphore>,
    /// Access to events is revoked.
    is_closed: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Events {
    sender: UnboundedSender<Event>,
    all: Arc<Mutex<Vec<Event>>>,
}

impl Probe {
    pub(crate) fn new() -> (Self, Observer) {
        let (sender, receiver) = unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let all = Arc::new(Mutex::new(Vec::new()));
        let events = Events { sender, all: Arc::clone(&all) };
        let subscriptions = Subscriptions::default();
        let observer = Observer {
            subscriptions: Arc::clone(&subscriptions),
            events: AsyncMutex::new(receiver),
            gate: Arc::clone(&gate),
            seen: all,
            is_closed: Arc::default(),
        };
        let is_closed = Arc::clone(&observer.is_closed);
        (Self { subscriptions, events, gate, is_closed }, observer)
    }

    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        let text = call.request.body().map(|body| body.text().trim().to_owned()).unwrap_or_default();
        let resource = call.request.require_resource()?;
        let behaviour = resource.below(URI).unwrap_or_default().trim_matches('/').to_owned();
        self.events.report(Event::Called(text.clone()));
        let mut outcome = CallOutcome { events: self.events.clone(), text, answered: false };
        if call.request.head().action == Action::Enumerate {
            let items = numbers(outcome.text.parse().unwrap_or(3));
            match behaviour.as_str() {
                "broken" => return Ok(Answer::items(Broken { items, _fate: outcome })),
                "stuck" => return Ok(Answer::items(Stuck { outcome })),
                _ => {}
            }
            outcome.answered = true;
            return Ok(Answer::items(items));
        }
        if let Operation::Subscribe(subscribe) = call.operation {
            subscribe.reject_bookmarks()?;
            outcome.answered = true;
            let (sender, happening) = unbounded_channel();
            self.subscriptions.lock().unwrap().push(sender);
            let filter = subscribe.filter.unwrap_or_default().text;
            let outcome = CallOutcome { events: self.events.clone(), text: filter, answered: false };
            let is_closed = Arc::clone(&self.is_closed);
            let events = EventStream { happening, is_closed, fate: outcome };
            return Ok(if behaviour == "push" { Answer::push(events) } else { Answer::items(events) });
        }
        let answer = match behaviour.as_str() {
            "echo" | "" => outcome.echo(&call, outcome.text.clone()),
            "slow" => {
                self.gate.acquire().await.expect("the gate is never closed").forget();
                outcome.echo(&call, outcome.text.clone())
            }
            "huge" => outcome.echo(&call, "x".repeat(outcome.text.parse().expect("a number"))),
            "panic" => panic!("the plug-in was asked to"),
            other => Err(Fault::new(
                Subcode::ActionNotSupported,
                code::ACTION_NOT_SUPPORTED,
                format!("the probe cannot {other}"),
            )),
        }?;
        outcome.answered = true;
        self.events.report(Event::Answered(outcome.text.clone()));
        let mut delivery = Delivery { events: self.events.clone(), text: outcome.text.clone(), done: false };
        Ok(answer.when_delivered(Box::new(move || delivery.done())))
    }
}

impl Plugin for Probe {
    fn resources(&self) -> &[Resource] {
        const RESOURCES: [Resource; 1] =
            [Resource { uri: URI, with_children: true, kind: ResourceKind::Instances }];
        &RESOURCES
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(call))
    }
}

/// Channels to all subscriptions of the probe.
type Subscriptions = Arc<Mutex<Vec<UnboundedSender<Result<String, Fault>>>>>;

/// Events of a subscription. Dropping them reports that the call with the text of the filter was abandoned.
struct EventStream {
    happening: UnboundedReceiver<Result<String, Fault>>,
    is_closed: Arc<AtomicBool>,
    fate: CallOutcome,
}

impl Items for EventStream {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(async { Some(self.happening.recv().await?.map(|text| item(&text))) })
    }

    fn check_access(&self, caller: &Caller) -> Result<(), Fault> {
        if !self.is_closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let reason = format!("no events for {}", caller.identity().account());
        Err(Fault::new(Subcode::AccessDenied, code::ACCESS_DENIED, reason))
    }

    fn end(&mut self, reason: EndReason) {
        self.fate.events.report(Event::Ended(reason));
    }
}

/// Items followed by a fault. Dropping them reports an abandoned call.
struct Broken<I> {
    items: I,
    _fate: CallOutcome,
}

impl<I: Items> Items for Broken<I> {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(async {
            let broken = || Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, "it is broken");
            Some(self.items.next().await.unwrap_or_else(|| Err(broken())))
        })
    }

    fn take_omissions(&mut self) -> Vec<Omission> {
        vec![Omission { source: "Probe".to_owned(), reason: "some are missing".to_owned() }]
    }
}

/// A stream that never returns an item and reports each request for one. Dropping it reports an abandoned call.
struct Stuck {
    outcome: CallOutcome,
}

impl Items for Stuck {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        self.outcome.events.report(Event::Called("an item".to_owned()));
        Box::pin(std::future::pending())
    }
}

impl Observer {
    /// Sends an event to all subscriptions.
    pub(crate) fn emit(&self, event: Result<String, Fault>) {
        self.subscriptions.lock().unwrap().retain(|reported| reported.send(event.clone()).is_ok());
    }

    /// Revokes access to the events.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// Ends all event streams.
    pub(crate) fn end_events(&self) {
        self.subscriptions.lock().unwrap().clear();
    }

    /// Waits for the next event.
    pub(crate) async fn next(&self) -> Event {
        let mut events = self.events.lock().await;
        timeout(TIMEOUT, events.recv()).await.expect("an event in time").expect("the probe is there")
    }

    /// Waits for the next event without a time limit, for tests that pause the clock.
    pub(crate) async fn next_without_timeout(&self) -> Event {
        self.events.lock().await.recv().await.expect("the probe is there")
    }

    /// Waits for exactly these events, in this order.
    pub(crate) async fn expect(&self, expected: &[Event]) {
        for event in expected {
            assert_eq!(self.next().await, *event);
        }
    }

    /// Lets one slow request continue.
    pub(crate) fn release(&self) {
        self.gate.add_permits(1);
    }

    /// Returns all events so far.
    pub(crate) fn so_far(&self) -> Vec<Event> {
        self.seen.lock().unwrap().clone()
    }

    /// Removes the call with this text from the events. Returns whether there was one.
    pub(crate) fn take_call(&self, text: &str) -> bool {
        let mut seen = self.seen.lock().unwrap();
        let before = seen.len();
        seen.retain(|event| *event != Event::Called(text.to_owned()));
        seen.len() < before
    }

    /// Returns whether the plug-in was called with this text.
    pub(crate) fn was_called(&self, text: &str) -> bool {
        self.so_far().contains(&Event::Called(text.to_owned()))
    }
}

impl Events {
    fn report(&self, event: Event) {
        self.all.lock().unwrap().push(event.clone());
        // A finished test no longer receives events.
        let _ = self.sender.send(event);
    }
}

/// Reports an abandoned call if it is dropped before the plug-in has responded.
struct CallOutcome {
    events: Events,
    text: String,
    answered: bool,
}

impl CallOutcome {
    fn echo(&self, call: &Call, text: String) -> Result<Answer, Fault> {
        let mut reply = call.reply();
        let account = call.caller.identity().account().to_string();
        reply.body().start("t:Echo").namespace("t", URI).attribute("Account", &account).text(&text).end();
        call.finish(reply)
    }
}

impl Drop for CallOutcome {
    fn drop(&mut self) {
        if !self.answered {
            self.events.report(Event::Abandoned(self.text.clone()));
        }
    }
}

/// Reports whether the response was delivered.
struct Delivery {
    events: Events,
    text: String,
    done: bool,
}

impl Delivery {
    fn done(&mut self) {
        self.done = true;
        self.events.report(Event::Delivered(self.text.clone()));
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.done {
            self.events.report(Event::Lost(self.text.clone()));
        }
    }
}

fn item(text: &str) -> Item {
    let mut writer = Writer::new();
    writer.start("t:Number").namespace("t", URI).text(text).end();
    Item { object: writer.into_fragment(), reference: None, bookmark: None }
}

fn numbers(count: u32) -> std::vec::IntoIter<Item> {
    (0..count).map(|number| item(&number.to_string())).collect::<Vec<_>>().into_iter()
}
