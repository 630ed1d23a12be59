//! Tests of both ends over a socket: calls, responses and their delivery.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod calls;
mod users;

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::{Account, AuthError, Identity, LocalUsers};
use config::Config;
use sddl::{DomainSid, Token};
use service::{
    AccessGranted, Answer, BoxFuture, Call, Caller, EndReason, Item, Items, OpenObjects, Operation, Plugin,
    Resource, ResourceKind,
};
use telarch_plugin_hosted::{Host, HostedPlugin, Hosts};
use tokio::sync::{Notify, mpsc};
use wsman::{Action, Fault, Omission, Request, Subcode, code};
use xml::{Bounds, Writer};

pub(crate) const RESOURCE: Resource =
    Resource { uri: "http://example.com/thing", with_children: false, kind: ResourceKind::Instances };
const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// A plug-in that reports its calls.
pub(crate) struct TestPlugin {
    events: mpsc::UnboundedSender<String>,
    pub(crate) resume: Notify,
    pub(crate) shells: AtomicUsize,
}

impl Plugin for TestPlugin {
    fn resources(&self) -> &[Resource] {
        const RESOURCES: [Resource; 1] = [RESOURCE];
        &RESOURCES
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(async move {
            let dropped = OnDrop(self.events.clone(), "cancelled");
            match call.request.head().action {
                Action::Get => {
                    let mut reply = call.reply();
                    reply
                        .body()
                        .start("Shells")
                        .text(&call.config.winrs.max_shells_per_user.to_string())
                        .end();
                    dropped.forget();
                    call.finish(reply)
                }
                Action::Put => {
                    let _ = self.events.send("begun".to_owned());
                    self.resume.notified().await;
                    let on_drop = OnDrop(self.events.clone(), "withheld");
                    dropped.forget();
                    let events = self.events.clone();
                    let answer = call.finish(call.reply())?;
                    Ok(answer.when_delivered(Box::new(move || {
                        on_drop.forget();
                        let _ = events.send("delivered".to_owned());
                    })))
                }
                Action::Create => {
                    self.shells.fetch_add(1, Ordering::AcqRel);
                    dropped.forget();
                    call.finish(call.reply())
                }
                Action::Enumerate => {
                    dropped.forget();
                    let items = ["one", "two"].map(|text| {
                        let mut object = Writer::new();
                        object.start("Thing").text(text).end();
                        let bookmark = Some(Arc::from(format!("<Behind>{text}</Behind>")));
                        Item { object: object.into_fragment(), reference: None, bookmark }
                    });
                    let missing = Omission { source: "three".to_owned(), reason: "not found".to_owned() };
                    Ok(Answer::items(PartialItems(Vec::from(items).into_iter(), vec![missing])))
                }
                Action::Subscribe => {
                    dropped.forget();
                    Ok(Answer::items(NoEvents(OnDrop(self.events.clone(), "unsubscribed"))))
                }
                _ => {
                    dropped.forget();
                    Err(Fault::new(Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED, "not that"))
                }
            }
        })
    }

    fn in_use(&self) -> OpenObjects {
        let shells = self.shells.load(Ordering::Acquire).try_into().unwrap();
        OpenObjects { shells, runspace_pools: 2 * shells, transfers: 0 }
    }
}

/// Items of which some are missing.
struct PartialItems(std::vec::IntoIter<Item>, Vec<Omission>);

impl Items for PartialItems {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Items::next(&mut self.0)
    }

    fn take_omissions(&mut self) -> Vec<Omission> {
        std::mem::take(&mut self.1)
    }
}

/// A stream without events.
struct NoEvents(OnDrop);

impl Items for NoEvents {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(std::future::pending())
    }

    fn end(&mut self, reason: EndReason) {
        let _ = self.0.0.send(format!("{reason:?}"));
    }
}

/// Reports an event when it is dropped.
struct OnDrop(mpsc::UnboundedSender<String>, &'static str);

impl OnDrop {
    fn forget(mut self) {
        self.1 = "";
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if !self.1.is_empty() {
            let _ = self.0.send(self.1.to_owned());
        }
    }
}

/// Hosts in this process, one for each connection.
pub(crate) struct LocalHosts {
    events: mpsc::UnboundedSender<String>,
    started: Mutex<Vec<Started>>,
    /// Whether the resource is an endpoint that runs as another account.
    pub(crate) run_as: AtomicBool,
    /// Endpoints for which every caller has a host that runs as another account.
    pub(crate) endpoints: Mutex<Vec<String>>,
    /// Whether no caller has an ordinary host.
    pub(crate) has_no_users: AtomicBool,
}

/// A plug-in, its host, and the handle that ends the host.
type Started = (Arc<TestPlugin>, Arc<Host>, tokio::task::AbortHandle);

impl LocalHosts {
    pub(crate) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<String>) {
        let (events, receiver) = mpsc::unbounded_channel();
        let hosts = Self {
            events,
            started: Mutex::default(),
            run_as: AtomicBool::default(),
            endpoints: Mutex::default(),
            has_no_users: AtomicBool::default(),
        };
        (Arc::new(hosts), receiver)
    }

    /// Returns the plug-in of the host with this index, in the order of their start.
    pub(crate) fn test_plugin(&self, at: usize) -> Arc<TestPlugin> {
        Arc::clone(&self.started.lock().unwrap()[at].0)
    }

    pub(crate) fn host(&self, at: usize) -> Arc<Host> {
        Arc::clone(&self.started.lock().unwrap()[at].1)
    }

    pub(crate) fn count(&self) -> usize {
        self.started.lock().unwrap().len()
    }

    /// Ends a host as if it had been killed.
    pub(crate) fn kill(&self, at: usize) {
        self.started.lock().unwrap()[at].2.abort();
    }
}

impl Hosts for LocalHosts {
    fn connect(
        &self,
        caller: Arc<Caller>,
        endpoint: Option<String>,
    ) -> BoxFuture<'static, Result<UnixStream, Fault>> {
        let is_refused = match &endpoint {
            None => self.has_no_users.load(Ordering::Relaxed),
            Some(endpoint) => endpoint == "broken",
        };
        if is_refused {
            let fault = Fault::new(Subcode::AccessDenied, code::ACCESS_DENIED, "no process");
            return Box::pin(async move { Err(fault) });
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        let test_plugin = Arc::new(TestPlugin {
            events: self.events.clone(),
            resume: Notify::new(),
            shells: AtomicUsize::new(0),
        });
        let (identity, token) = (caller.identity().clone(), caller.token().clone());
        let host = Host::new(Arc::clone(&test_plugin) as Arc<dyn Plugin>, identity, token);
        let serving = Arc::clone(&host);
        let serving = tokio::spawn(async move {
            let _ = serving.serve(theirs).await;
        });
        self.started.lock().unwrap().push((test_plugin, host, serving.abort_handle()));
        Box::pin(async move { Ok(ours) })
    }

    fn run_as_hosts(&self, _: Arc<Caller>) -> BoxFuture<'static, Result<Vec<String>, Fault>> {
        let endpoints = self.endpoints.lock().unwrap().clone();
        Box::pin(async move { Ok(endpoints) })
    }

    fn run_as_endpoint(&self, uri: &str) -> Option<String> {
        self.run_as.load(Ordering::Relaxed).then(|| uri.to_owned())
    }
}

pub(crate) fn plugin(hosts: &Arc<LocalHosts>) -> HostedPlugin {
    HostedPlugin::new(&[RESOURCE], Arc::clone(hosts) as Arc<dyn Hosts>)
}

/// Returns a call of the user with this UID.
pub(crate) fn call(user: u32, action: &str) -> Call {
    call_with(user, action, Config::default())
}

pub(crate) fn call_with(user: u32, action: &str, config: Config) -> Call {
    struct Users;
    impl LocalUsers for Users {
        fn account(&self, uid: u32) -> Result<Account, AuthError> {
            Ok(Account { name: format!("user{uid}") })
        }
    }
    let identity = Identity::by_peer_credentials(user, &Users).unwrap();
    let token = Token::new(MACHINE.account(user), [], MACHINE);
    let body = match action.rsplit('/').next() {
        Some("Enumerate") => format!("<n:Enumerate xmlns:n=\"{}\"/>", wsman::namespace::ENUMERATION),
        Some("Subscribe") => {
            let pull = wsman::eventing::DeliveryMode::Pull.uri();
            let eventing = wsman::namespace::EVENTING;
            format!("<e:Subscribe xmlns:e=\"{eventing}\"><e:Delivery Mode=\"{pull}\"/></e:Subscribe>")
        }
        _ => "<x/>".to_owned(),
    };
    let envelope = format!(
        "<s:Envelope xmlns:s=\"{}\" xmlns:a=\"{}\" xmlns:w=\"{}\"><s:Header>\
         <w:ResourceURI s:mustUnderstand=\"true\">{}</w:ResourceURI>\
         <a:Action s:mustUnderstand=\"true\">{action}</a:Action><a:MessageID>uuid:{}</a:MessageID>\
         <a:To>http://localhost/wsman</a:To><a:ReplyTo><a:Address>{}</a:Address></a:ReplyTo>\
         </s:Header><s:Body>{body}</s:Body></s:Envelope>",
        wsman::namespace::SOAP,
        wsman::namespace::ADDRESSING,
        wsman::namespace::WSMAN,
        RESOURCE.uri,
        random::uuid(),
        wsman::namespace::ANONYMOUS,
    );
    let request = Request::parse(envelope, &Bounds::default()).unwrap_or_else(|_| panic!("a request"));
    let operation = Operation::of(&request).unwrap();
    Call {
        access: AccessGranted::by_another_process(),
        caller: Arc::new(Caller::new(identity, token, [127, 0, 0, 1].into())),
        request,
        config: Arc::new(config),
        reply_limit: 500_000,
        timeout: Duration::from_secs(60),
        message_id: random::uuid(),
        operation,
    }
}

pub(crate) fn transfer(verb: &str) -> String {
    format!("{}/{verb}", wsman::namespace::TRANSFER)
}

/// Returns the next event of a plug-in.
pub(crate) async fn next(events: &mut mpsc::UnboundedReceiver<String>) -> String {
    tokio::time::timeout(TIMEOUT, events.recv()).await.expect("an event in time").expect("an event")
}
