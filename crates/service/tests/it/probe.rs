//! A plug-in that does what a test asks for and tells what happened to it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use telarch_service::{
    Answer, BoxFuture, Call, Caller, Item, Items, Operation, Plugin, Resource, ResourceKind,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::timeout;
use wsman::{Action, Fault, Subcode, code};
use xml::Writer;

use crate::PATIENCE;

/// The resource; the part behind the next slash says what to do.
pub(crate) const URI: &str = "http://telarch.test/probe";
/// The action of a request to it, unless the test is about actions.
pub(crate) const ACTION: &str = "http://telarch.test/probe/Ask";

/// What has happened to a request, with the text it carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The plug-in was called.
    Called(String),
    /// The plug-in has answered.
    Answered(String),
    /// The plug-in was dropped before it had answered.
    Abandoned(String),
    /// The answer was written.
    Delivered(String),
    /// The answer was dropped without being written.
    Lost(String),
}

/// The test's end of the plug-in.
pub(crate) struct Observer {
    subscriptions: Subscriptions,
    events: AsyncMutex<UnboundedReceiver<Event>>,
    gate: Arc<Semaphore>,
    seen: Arc<Mutex<Vec<Event>>>,
    is_closed: Arc<AtomicBool>,
}

/// The service's end.
pub(crate) struct Probe {
    subscriptions: Subscriptions,
    events: Events,
    gate: Arc<Semaphore>,
    /// Nobody may be given events any more.
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
        self.events.tell(Event::Called(text.clone()));
        let mut fate = Fate { events: self.events.clone(), text, answered: false };
        if call.request.head().action == Action::Enumerate {
            let items = numbers(fate.text.parse().unwrap_or(3));
            match behaviour.as_str() {
                "broken" => return Ok(Answer::items(Broken { items, _fate: fate })),
                "stuck" => return Ok(Answer::items(Stuck { fate })),
                _ => {}
            }
            fate.answered = true;
            return Ok(Answer::items(items));
        }
        if let Operation::Subscribe(subscribe) = call.operation {
            fate.answered = true;
            let (sender, happening) = unbounded_channel();
            self.subscriptions.lock().unwrap().push(sender);
            let filter = subscribe.filter.unwrap_or_default().text;
            let fate = Fate { events: self.events.clone(), text: filter, answered: false };
            let is_closed = Arc::clone(&self.is_closed);
            return Ok(Answer::items(Happenings { happening, is_closed, _fate: fate }));
        }
        let answer = match behaviour.as_str() {
            "echo" | "" => fate.echo(&call, fate.text.clone()),
            "slow" => {
                self.gate.acquire().await.expect("the gate is never closed").forget();
                fate.echo(&call, fate.text.clone())
            }
            "huge" => fate.echo(&call, "x".repeat(fate.text.parse().expect("a number"))),
            "panic" => panic!("the plug-in was asked to"),
            other => Err(Fault::new(
                Subcode::ActionNotSupported,
                code::ACTION_NOT_SUPPORTED,
                format!("the probe cannot {other}"),
            )),
        }?;
        fate.answered = true;
        self.events.tell(Event::Answered(fate.text.clone()));
        let mut delivery = Delivery { events: self.events.clone(), text: fate.text.clone(), done: false };
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

/// What tests let happen, for those who have subscribed to the probe.
type Subscriptions = Arc<Mutex<Vec<UnboundedSender<Result<String, Fault>>>>>;

/// Events; whoever drops them abandons the text of the filter.
struct Happenings {
    happening: UnboundedReceiver<Result<String, Fault>>,
    is_closed: Arc<AtomicBool>,
    _fate: Fate,
}

impl Items for Happenings {
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
}

/// Items after which it fails; whoever drops them abandons the text.
struct Broken<I> {
    items: I,
    _fate: Fate,
}

impl<I: Items> Items for Broken<I> {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(async {
            let broken = || Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, "it is broken");
            Some(self.items.next().await.unwrap_or_else(|| Err(broken())))
        })
    }
}

/// Items of which none ever comes; it is told when one is asked for, and whoever drops them abandons the text.
struct Stuck {
    fate: Fate,
}

impl Items for Stuck {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        self.fate.events.tell(Event::Called("an item".to_owned()));
        Box::pin(std::future::pending())
    }
}

impl Observer {
    /// Lets something happen that everybody hears who has subscribed.
    pub(crate) fn happen(&self, event: Result<String, Fault>) {
        self.subscriptions.lock().unwrap().retain(|told| told.send(event.clone()).is_ok());
    }

    /// Nobody may hear of it any more.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// Nothing more happens.
    pub(crate) fn end_events(&self) {
        self.subscriptions.lock().unwrap().clear();
    }

    /// Waits for the next event.
    pub(crate) async fn next(&self) -> Event {
        let mut events = self.events.lock().await;
        timeout(PATIENCE, events.recv()).await.expect("an event in time").expect("the probe is there")
    }

    /// The same without a bound, for tests whose clock does not run.
    pub(crate) async fn next_at_last(&self) -> Event {
        self.events.lock().await.recv().await.expect("the probe is there")
    }

    /// Waits until exactly these events happen, one after the other.
    pub(crate) async fn expect(&self, expected: &[Event]) {
        for event in expected {
            assert_eq!(self.next().await, *event);
        }
    }

    /// Lets one slow request go on.
    pub(crate) fn release(&self) {
        self.gate.add_permits(1);
    }

    /// Everything that has happened so far.
    pub(crate) fn so_far(&self) -> Vec<Event> {
        self.seen.lock().unwrap().clone()
    }

    /// Whether a request that carried this text was given to the plug-in; asked again, whether another was.
    pub(crate) fn take_call(&self, text: &str) -> bool {
        let mut seen = self.seen.lock().unwrap();
        let before = seen.len();
        seen.retain(|event| *event != Event::Called(text.to_owned()));
        seen.len() < before
    }

    /// Whether a request that carried this text was ever given to the plug-in.
    pub(crate) fn was_called(&self, text: &str) -> bool {
        self.so_far().contains(&Event::Called(text.to_owned()))
    }
}

impl Events {
    fn tell(&self, event: Event) {
        self.all.lock().unwrap().push(event.clone());
        // A test that has ended does not listen any more.
        let _ = self.sender.send(event);
    }
}

/// Tells if the plug-in is dropped before it has answered.
struct Fate {
    events: Events,
    text: String,
    answered: bool,
}

impl Fate {
    fn echo(&self, call: &Call, text: String) -> Result<Answer, Fault> {
        let mut reply = call.reply();
        let account = call.caller.identity().account().to_string();
        reply.body().start("t:Echo").namespace("t", URI).attribute("Account", &account).text(&text).end();
        call.finish(reply)
    }
}

impl Drop for Fate {
    fn drop(&mut self) {
        if !self.answered {
            self.events.tell(Event::Abandoned(self.text.clone()));
        }
    }
}

/// Tells whether the answer was written.
struct Delivery {
    events: Events,
    text: String,
    done: bool,
}

impl Delivery {
    fn done(&mut self) {
        self.done = true;
        self.events.tell(Event::Delivered(self.text.clone()));
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.done {
            self.events.tell(Event::Lost(self.text.clone()));
        }
    }
}

fn item(text: &str) -> Item {
    let mut writer = Writer::new();
    writer.start("t:Number").namespace("t", URI).text(text).end();
    Item { object: writer.into_fragment(), reference: None }
}

fn numbers(count: u32) -> std::vec::IntoIter<Item> {
    (0..count).map(|number| item(&number.to_string())).collect::<Vec<_>>().into_iter()
}
