//! Terminals: who can open one, and when it ends.

use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use locks::Mutex;
use management::Settings;
use management_terminal::{StartedTerminal, TerminalError, TerminalSource};
use serde_json::json;

use super::{Fixture, call, headers, problem};
use crate::reply::{Content, Reply};
use crate::terminals::{MAX_OF_USER, TICKET_TIME, TerminalUser};

/// Shells whose other ends the test holds.
#[derive(Debug, Default)]
pub(crate) struct HeldShells {
    /// Both sockets of every shell: for the client, and for the service.
    pub(crate) started: Mutex<Vec<(UnixStream, UnixStream)>>,
    /// Users have no shells.
    pub(crate) is_refused: bool,
}

impl TerminalSource for HeldShells {
    fn refusal(&self, user: &str) -> Option<String> {
        self.is_refused.then(|| format!("{user} is a manager user"))
    }

    fn start(&self, _: &str, _: IpAddr) -> Result<StartedTerminal, TerminalError> {
        let ((shell, their_shell), (control, their_control)) = (UnixStream::pair()?, UnixStream::pair()?);
        self.started.lock().push((their_shell, their_control));
        Ok(StartedTerminal { shell, control, process: None })
    }
}

type Headers = Vec<(String, String)>;

fn replaced(list: &Headers, name: &str, value: Option<&str>) -> Headers {
    let others = list.iter().filter(|(other, _)| other != name).cloned();
    others.chain(value.map(|value| (name.to_owned(), value.to_owned()))).collect()
}

fn ticket(fixture: &Fixture, browser: &Headers) -> String {
    let reply = fixture.send(&call("POST", "/terminals", &json!({}), browser));
    match &reply.content {
        Content::Json(value) => value["ticket"].as_str().unwrap().to_owned(),
        other => panic!("no ticket: {other:?}"),
    }
}

fn open(fixture: &Fixture, browser: &Headers, ticket: &str) -> Reply {
    let protocols = format!("telarch.terminal, {ticket}");
    let extra = [browser.clone(), headers(&[("sec-websocket-protocol", &protocols)])].concat();
    fixture.send(&call("GET", "/terminals/socket", &json!({}), &extra))
}

#[test]
fn a_terminal_opens_for_pages_of_this_service_only() {
    let shells = Arc::new(HeldShells::default());
    let fixture = Fixture::with_terminals(Arc::clone(&shells) as Arc<dyn TerminalSource>);
    let browser = fixture.browser("operator");
    let ticket = ticket(&fixture, &browser);
    for foreign in [
        replaced(&browser, "origin", None),
        replaced(&browser, "origin", Some("https://evil.example")),
        replaced(&browser, "origin", Some("https://localhost:9999")),
        replaced(&browser, "origin", Some("http://localhost:8172")),
        replaced(&browser, "origin", Some("null")),
        replaced(&browser, "sec-fetch-site", Some("same-site")),
        replaced(&browser, "sec-fetch-site", Some("cross-site")),
    ] {
        let reply = open(&fixture, &foreign, &ticket);
        assert_eq!((reply.status, problem(&reply)), (403, "cross-site-request".to_owned()), "{foreign:?}");
    }
    // A ticket is requested as every change is.
    let without_secret = replaced(&browser, "x-csrf-token", None);
    let reply = fixture.send(&call("POST", "/terminals", &json!({}), &without_secret));
    assert_eq!(problem(&reply), "cross-site-request");
    assert!(shells.started.lock().is_empty());
    let reply = open(&fixture, &browser, &ticket);
    let Content::Terminal(mut shell) = reply.content else { panic!("no terminal: {reply:?}") };
    shell.write_all(b"x").unwrap();
    let mut received = [0];
    shells.started.lock()[0].0.read_exact(&mut received).unwrap();
    assert_eq!((reply.status, &received), (101, b"x"));
}

#[test]
fn a_ticket_is_valid_once_for_one_session_and_a_short_time() {
    let shells = Arc::new(HeldShells::default());
    let fixture = Fixture::with_terminals(Arc::clone(&shells) as Arc<dyn TerminalSource>);
    let (browser, other) = (fixture.browser("operator"), fixture.browser("operator"));
    let refused = |browser: &Headers, ticket: &str| {
        let reply = open(&fixture, browser, ticket);
        assert_eq!((reply.status, problem(&reply)), (403, "ticket-invalid".to_owned()));
    };
    for missing in ["", "x", "telarch.terminal"] {
        refused(&browser, missing);
    }
    let reply = fixture.send(&call("GET", "/terminals/socket", &json!({}), &browser));
    assert_eq!(problem(&reply), "ticket-invalid");
    let used = ticket(&fixture, &browser);
    assert_eq!(open(&fixture, &browser, &used).status, 101);
    refused(&browser, &used);
    // Presented by another session, a ticket is used up, too.
    for thief in [other, fixture.browser("admin")] {
        let stolen = ticket(&fixture, &browser);
        refused(&thief, &stolen);
        refused(&browser, &stolen);
    }
    let user = TerminalUser {
        name: "operator".to_owned(),
        from: [127, 0, 0, 1].into(),
        credential: String::new(),
        csrf: "secret".to_owned(),
    };
    let (terminals, now) = (&fixture.console.terminals, Instant::now());
    let expired = terminals.issue(&user, now).unwrap();
    assert!(terminals.redeem(expired.expose(), &user, now + TICKET_TIME).is_err());
    let fresh = terminals.issue(&user, now).unwrap();
    assert!(terminals.redeem(fresh.expose(), &user, now).is_ok());
    // Older tickets end before the table is full.
    for _ in 0..1_000 {
        terminals.issue(&user, now).unwrap();
    }
    assert_eq!(shells.started.lock().len(), 1);
}

#[test]
fn users_without_the_permission_or_an_account_have_no_terminal() {
    let fixture = Fixture::with_terminals(Arc::new(HeldShells::default()));
    let refusal = |fixture: &Fixture, user: &str| {
        let reply = fixture.send(&call("POST", "/terminals", &json!({}), &fixture.browser(user)));
        (reply.status, problem(&reply))
    };
    // No role includes terminals.
    for user in ["admin", "viewer", "shopkeeper", "stranger"] {
        assert_eq!(refusal(&fixture, user), (403, "forbidden".to_owned()), "{user}");
    }
    let shells = HeldShells { is_refused: true, ..HeldShells::default() };
    let managers = Fixture::with_terminals(Arc::new(shells));
    assert_eq!(refusal(&managers, "operator"), (403, "system-account-required".to_owned()));
    let disabled = Fixture::new(Settings::default());
    assert_eq!(refusal(&disabled, "operator"), (409, "terminals-disabled".to_owned()));
}

#[test]
fn a_permission_that_is_taken_away_ends_the_terminal() {
    let shells = Arc::new(HeldShells::default());
    let fixture = Fixture::with_terminals(Arc::clone(&shells) as Arc<dyn TerminalSource>);
    let (browser, admin) = (fixture.browser("operator"), fixture.browser("admin"));
    let ticket = ticket(&fixture, &browser);
    let reply = open(&fixture, &browser, &ticket);
    assert_eq!(reply.status, 101);
    fixture.console.end_refused_terminals();
    let (_, mut control) = shells.started.lock().pop().unwrap();
    // Input prolongs the session.
    control.write_all(&[0]).unwrap();
    let path = "/management/permissions?user=operator&scope=terminal";
    assert_eq!(fixture.send(&call("DELETE", path, &json!({}), &admin)).status, 204);
    fixture.console.end_refused_terminals();
    // The service has closed the control socket, which ends the terminal process.
    assert_eq!(control.read(&mut [0]).unwrap(), 0);
    assert!(fixture.console.permissions.grants("operator").is_empty());
    let body = json!({ "user": "operator", "scope": "terminal" });
    assert_eq!(fixture.send(&call("POST", "/management/permissions", &body, &admin)).status, 204);
    assert!(fixture.console.permissions.may_open_terminals("operator"));
}

#[test]
fn terminals_are_limited_and_audited() {
    let shells = Arc::new(HeldShells::default());
    let fixture = Fixture::with_terminals(Arc::clone(&shells) as Arc<dyn TerminalSource>);
    let browser = fixture.browser("operator");
    let unused = ticket(&fixture, &browser);
    let open_one = |_| {
        let ticket = ticket(&fixture, &browser);
        open(&fixture, &browser, &ticket)
    };
    let opened: Vec<Reply> = (0..MAX_OF_USER).map(open_one).collect();
    assert!(opened.iter().all(|reply| reply.status == 101), "{opened:?}");
    let refused = fixture.send(&call("POST", "/terminals", &json!({}), &browser));
    assert_eq!((refused.status, problem(&refused)), (503, "busy".to_owned()));
    let refused = open(&fixture, &browser, &unused);
    assert_eq!((refused.status, problem(&refused)), (503, "busy".to_owned()));
    shells.started.lock().clear();
    // The end of a terminal is recorded by a thread of its own.
    let ended = || {
        let records = fixture.console.audit.recent(u64::MAX, 100);
        let texts: Vec<String> = records.iter().map(|(_, record)| record.to_string()).collect();
        texts.into_iter().filter(|text| text.contains("\"END\"")).collect::<Vec<_>>()
    };
    while ended().len() < MAX_OF_USER {
        std::thread::yield_now();
    }
    assert!(ended()[0].contains("operator") && ended()[0].contains("127.0.0.1"), "{:?}", ended());
    let started = fixture.console.audit.recent(u64::MAX, 100);
    let started = started.iter().filter(|(_, record)| record.to_string().contains("\"START\"")).count();
    assert_eq!(started, MAX_OF_USER);
}
