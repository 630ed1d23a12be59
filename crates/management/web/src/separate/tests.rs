//! Both ends of the connection between the processes, and web processes under the control of an attacker.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::thread::JoinHandle;

use broker::wire::Writer;
use broker::{Link, frame_head};
use management::Settings;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::message::{ClientCredential, PrivilegedReply, WebProcessStart, WebRequest};
use super::privileged::{PrivilegedError, PrivilegedSignals, serve_operations};
use super::web_process::WebProcess;
use crate::access::COOKIE;
use crate::call::Call;
use crate::reply::{Content, Reply};
use crate::routes::ROUTES;
use crate::server::Service as _;
use crate::tests::terminals::HeldShells;
use crate::tests::{Fixture, call, headers, json_of};

/// The privileged process, as a thread, and the socket of the web process.
struct Privileged {
    fixture: Fixture,
    web: Option<Link>,
    served: JoinHandle<Result<(), PrivilegedError>>,
    ready: oneshot::Receiver<()>,
    ending: oneshot::Sender<()>,
    runtime: Runtime,
}

impl Privileged {
    fn start() -> Self {
        Self::start_with(Fixture::new(Settings::default()))
    }

    fn start_with(fixture: Fixture) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (link, theirs) = Link::pair().unwrap();
        let (announcing, ready) = oneshot::channel();
        let (ending, end) = oneshot::channel();
        let (console, handle) = (Arc::clone(&fixture.console), runtime.handle().clone());
        let link = Arc::new(link);
        let served = std::thread::spawn(move || {
            serve_operations(&link, &console, &handle, PrivilegedSignals { ready: announcing, end })
        });
        let web = Some(Link::from_inherited(theirs).unwrap());
        Self { fixture, web, served, ready, ending, runtime }
    }

    fn web_process(&mut self) -> WebProcess {
        let start = WebProcessStart {
            is_remote_enabled: false,
            restrictions: "allow".to_owned(),
            host_names: vec!["localhost".to_owned()],
            is_logging: true,
            certificate: String::new().into(),
        };
        let decoded = WebProcessStart::decode(&start.encode()).unwrap();
        assert_eq!(decoded.host_names, start.host_names);
        let process = WebProcess::new(&decoded, self.web.take().unwrap()).unwrap();
        let _ended = process.receive().unwrap();
        process
    }

    /// Returns the result of the privileged process after it has closed the connection.
    fn end(self) -> Result<(), PrivilegedError> {
        drop(self.web);
        self.served.join().unwrap()
    }
}

fn kind(reply: &Reply) -> String {
    let value = json_of(reply);
    value["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned()
}

#[test]
fn the_socket_of_a_terminal_reaches_the_web_process() {
    let shells = Arc::new(HeldShells::default());
    let mut privileged = Privileged::start_with(Fixture::with_terminals(Arc::clone(&shells) as _));
    let web = privileged.web_process();
    let browser = privileged.fixture.browser("operator");
    let ticket = json_of(&web.answer(&call("POST", "/terminals", &json!({}), &browser)))["ticket"].clone();
    let protocols = format!("telarch.terminal, {}", ticket.as_str().unwrap());
    let open = |extra: &[(&str, &str)]| {
        let extra = [browser.clone(), headers(extra)].concat();
        web.answer(&call("GET", "/terminals/socket", &json!({}), &extra))
    };
    assert_eq!(kind(&open(&[])), "ticket-invalid");
    let reply = open(&[("sec-websocket-protocol", &protocols)]);
    let Content::Terminal(mut shell) = reply.content else { panic!("no terminal: {reply:?}") };
    shell.write_all(b"x").unwrap();
    let (mut held, _) = shells.started.lock().pop().unwrap();
    held.read_exact(&mut [0]).unwrap();
    // Only the web process holds the socket, so its end is noticed.
    drop(shell);
    assert_eq!(held.read(&mut [0]).unwrap(), 0);
    drop(web);
    privileged.end().unwrap();
}

#[test]
fn requests_are_answered_through_both_processes() {
    let mut privileged = Privileged::start();
    let web = privileged.web_process();
    let body = json!({ "username": "admin", "password": "admin" });
    let signed_in = web.answer(&call("POST", "/session", &body, &[]));
    assert_eq!(signed_in.status, 201, "{signed_in:?}");
    let cookie = signed_in.headers.iter().find(|(name, _)| *name == "set-cookie").map(|(_, value)| value);
    let cookie = cookie.unwrap().split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with(COOKIE));
    let secret = json_of(&signed_in)["csrf_token"].as_str().unwrap().to_owned();
    let browser =
        headers(&[("cookie", &cookie), ("x-csrf-token", &secret), ("origin", "https://localhost:8172")]);
    let users = web.answer(&call("GET", "/management/users", &json!({}), &browser));
    assert_eq!(json_of(&users)["users"][0]["name"], "admin");
    // Parts of the path keep their characters, and bodies are parsed by the privileged process.
    let new = json!({ "name": "zoë", "password": "long enough" });
    let added = web.answer(&call("POST", "/management/users", &new, &browser));
    assert_eq!(added.status, 201, "{added:?}");
    let path = added.headers.iter().find(|(name, _)| *name == "location").unwrap().1.clone();
    let path = path.strip_prefix("/api/v1").unwrap();
    assert_eq!(web.answer(&call("DELETE", path, &json!({}), &browser)).status, 204);
    // The checks of the web process, and those of the privileged one.
    let foreign =
        headers(&[("cookie", &cookie), ("x-csrf-token", &secret), ("origin", "https://evil.example")]);
    assert_eq!(kind(&web.answer(&call("POST", "/management/users", &new, &foreign))), "cross-site-request");
    let without = headers(&[("cookie", &cookie), ("origin", "https://localhost:8172")]);
    assert_eq!(kind(&web.answer(&call("POST", "/management/users", &new, &without))), "cross-site-request");
    assert_eq!(kind(&web.answer(&call("GET", "/management/users", &json!({}), &[]))), "sign-in-required");
    // A body that the operation does not have is not forwarded, and one that is too long is refused here.
    let long = json!({ "username": "x".repeat(200_000), "password": "" });
    assert_eq!(web.answer(&call("POST", "/session", &long, &[])).status, 413);
    assert_eq!(web.answer(&call("DELETE", "/management/sessions/none", &long, &browser)).status, 404);
    // Streams stay in the privileged process.
    let mut stream =
        match web.answer(&call("GET", "/machine/metrics?follow=true", &json!({}), &browser)).content {
            Content::Stream(stream) => stream,
            other => panic!("no stream: {other:?}"),
        };
    assert!(stream.next_events().is_ok());
    assert_eq!(web.answer(&call("DELETE", "/session", &json!({}), &browser)).status, 204);
    assert!(stream.next_events().is_err(), "the session has ended");
    drop((stream, web));
    privileged.end().unwrap();
}

/// Returns the beginning of an operation with these numbers.
fn operation(route: u32, parts: u32) -> Writer {
    let mut w = Writer::default();
    w.u64(1).u8(1).u32(route).u32(parts);
    w
}

fn number(method: &str, path: &str) -> u32 {
    let found = ROUTES.iter().position(|route| (route.method, route.path) == (method, path));
    u32::try_from(found.unwrap()).unwrap()
}

/// Returns a complete operation of a route without parts.
fn forged(method: &str, path: &str, credential: &ClientCredential, body: &[u8]) -> Vec<u8> {
    let mut w = operation(number(method, path), 0);
    w.text("");
    match credential {
        ClientCredential::None => w.u8(0),
        ClientCredential::Session(secret) => w.u8(1).text(secret),
        ClientCredential::Key(key) => w.u8(2).text(key),
    };
    w.text("").u8(1).u8(0).u8(0).u8(1).text("application/json").u8(0).octets(body);
    for _ in 0..2 {
        w.u8(4).fixed(&[127, 0, 0, 1]).u32(1);
    }
    w.finish().to_vec()
}

#[test]
fn messages_that_an_intact_web_process_does_not_send_end_the_connection() {
    let valid = forged("GET", "/management/users", &ClientCredential::None, b"");
    let unknown_kind = [&[0; 8][..], &[77, 0, 0, 0, 0]].concat();
    let unknown_route = operation(60_000, 0).finish().to_vec();
    let parts = operation(number("GET", "/management/users"), 1).text("/etc/shadow").finish_copy();
    let trailing = [&valid[..], b"x"].concat();
    let truncated = valid[..valid.len() - 3].to_vec();
    let huge_length = {
        let mut w = operation(number("GET", "/management/users"), 0);
        w.u32(u32::MAX).finish_copy()
    };
    for (name, message) in [
        ("unknown kind", unknown_kind),
        ("unknown operation", unknown_route),
        ("wrong parts", parts),
        ("trailing bytes", trailing),
        ("truncated", truncated),
        ("length beyond the message", huge_length),
        ("empty", Vec::new()),
    ] {
        let privileged = Privileged::start();
        let web = privileged.web.as_ref().unwrap();
        web.send(&message, &[]).unwrap();
        assert!(!matches!(web.receive(), Ok(Some(_))), "{name} is answered");
        let refused = privileged.end().unwrap_err().to_string();
        assert!(refused.starts_with("refused a message of the web process"), "{name}: {refused}");
    }
}

#[test]
fn messages_above_the_limit_of_their_operation_are_refused_before_they_are_read() {
    let big = vec![b' '; 900 << 10];
    for (method, path, body) in
        [("POST", "/session", &big[..100 << 10]), ("GET", "/management/users", &big[..100 << 10])]
    {
        let privileged = Privileged::start();
        let web = privileged.web.as_ref().unwrap();
        let message = forged(method, path, &ClientCredential::None, body);
        // The rest of the message may find the socket closed.
        let _ = web.send(&message, &[]);
        assert!(!matches!(web.receive(), Ok(Some(_))), "{path} is answered");
        assert!(matches!(privileged.end(), Err(PrivilegedError::Receive(_))), "{path}");
    }
    // Only the head of a frame and the beginning of its message are sent, so nothing else can have been read.
    let (link, theirs) = Link::pair().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let fixture = Fixture::new(Settings::default());
    let start = operation(number("POST", "/session"), 0).finish_copy();
    std::io::Write::write_all(&mut &theirs, &[&frame_head(60 << 20).unwrap()[..], &start].concat()).unwrap();
    let signals = PrivilegedSignals { ready: oneshot::channel().0, end: oneshot::channel().1 };
    let served = serve_operations(&Arc::new(link), &fixture.console, runtime.handle(), signals);
    assert!(matches!(served, Err(PrivilegedError::Receive(_))));
}

#[test]
fn descriptors_are_refused() {
    let privileged = Privileged::start();
    let file = std::fs::File::open("/dev/null").unwrap();
    let web = privileged.web.as_ref().unwrap();
    let message = forged("GET", "/management/users", &ClientCredential::None, b"");
    web.send(&message, &[file.as_fd()]).unwrap();
    assert!(!matches!(web.receive(), Ok(Some(_))));
    assert!(matches!(privileged.end(), Err(PrivilegedError::Descriptors)));
}

/// Sends an operation, and returns status and problem of the response.
fn ask(web: &Link, message: &[u8]) -> (u16, String) {
    web.send(message, &[]).unwrap();
    let frame = web.receive().unwrap().expect("a response");
    match PrivilegedReply::decode(&frame.message).unwrap().1 {
        PrivilegedReply::Done { reply, .. } => {
            let kind = if reply.status < 400 { String::new() } else { kind(&reply) };
            (reply.status, kind)
        }
        PrivilegedReply::Events(events) => (0, events.err().unwrap_or_default()),
    }
}

#[test]
fn operations_without_a_session_of_the_privileged_process_are_refused_and_audited() {
    let privileged = Privileged::start();
    let web = privileged.web.as_ref().unwrap();
    let session = |user: &str| {
        let cookie =
            privileged.fixture.browser(user).into_iter().find(|(name, _)| name == "cookie").unwrap().1;
        ClientCredential::Session(cookie.split_once('=').unwrap().1.to_owned())
    };
    let user = br#"{"name":"eve","password":"long enough","role":"administrator"}"#;
    let invented = ClientCredential::Session("0".repeat(43));
    for (credential, expected) in [
        (ClientCredential::None, (401, "sign-in-required")),
        (invented, (401, "sign-in-required")),
        (ClientCredential::Key("none".to_owned()), (401, "sign-in-failed")),
        // The role is read in the privileged process, whatever the web process says, and the secret is needed, too.
        (session("viewer"), (403, "cross-site-request")),
        (session("admin"), (403, "cross-site-request")),
    ] {
        let (status, kind) = ask(web, &forged("POST", "/management/users", &credential, user));
        assert_eq!((status, kind.as_str()), expected);
    }
    assert_eq!(ask(web, &forged("GET", "/management/users", &session("viewer"), b"")).0, 403);
    assert_eq!(ask(web, &forged("GET", "/management/users", &session("admin"), b"")).0, 200);
    assert!(privileged.fixture.console.users.list().unwrap().iter().all(|user| user.name != "eve"));
    let records = privileged.fixture.console.audit.recent(u64::MAX, 100);
    let denied = records.iter().filter(|(_, record)| record["result"] == "denied").count();
    assert_eq!(denied, 6, "{records:?}");
    // A stream belongs to the user who opened it.
    for credential in [ClientCredential::None, session("admin"), session("stranger")] {
        let request = WebRequest::NextEvents { stream: 1, credential };
        assert_eq!(ask(web, &request.encode(9)), (0, "the stream has ended".to_owned()));
    }
    privileged.end().unwrap();
}

#[test]
fn readiness_is_announced_once() {
    let mut privileged = Privileged::start();
    let web = privileged.web.as_ref().unwrap();
    for _ in 0..2 {
        web.send(&WebRequest::Ready.encode(0), &[]).unwrap();
    }
    privileged.runtime.block_on(&mut privileged.ready).unwrap();
    privileged.end().unwrap();
}

#[test]
fn the_web_process_ends_after_it_has_received_its_responses() {
    let mut privileged = Privileged::start();
    let web = privileged.web.take().unwrap();
    let message = forged("GET", "/management/users", &ClientCredential::None, b"");
    assert_eq!(ask(&web, &message).0, 401);
    privileged.ending.send(()).unwrap();
    let waiting = privileged.runtime.spawn_blocking(move || {
        let is_open = web.receive().unwrap().is_some();
        // Entries of the request log are still received.
        web.send(&WebRequest::Ready.encode(0), &[]).unwrap();
        is_open
    });
    assert!(!privileged.runtime.block_on(waiting).unwrap());
    privileged.runtime.block_on(privileged.ready).unwrap();
    privileged.served.join().unwrap().unwrap();
}

/// Encodes and copies a message.
trait FinishCopy {
    fn finish_copy(&mut self) -> Vec<u8>;
}

impl FinishCopy for Writer {
    fn finish_copy(&mut self) -> Vec<u8> {
        std::mem::take(self).finish().to_vec()
    }
}

#[test]
fn requests_survive_the_codec() {
    let call: Call = call("GET", "/x", &json!({}), &[]);
    let entry = super::message::LogEntry::of(&crate::dispatch::logged(
        &call,
        "ada",
        &Reply::empty(),
        std::time::Duration::from_millis(7),
    ));
    let (number, decoded) = WebRequest::decode(&WebRequest::Log(entry.clone()).encode(5)).unwrap();
    assert!(matches!(decoded, WebRequest::Log(other) if other == entry) && number == 5);
}
