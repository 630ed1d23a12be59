//! Other machines of the signed-in user, and operations on several of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use management::SavedMachine;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::call::{Admitted, Body};
use crate::caller::Credential;
use crate::console::Console;
use crate::event_stream::EventStream;
use crate::machines::{Address, Machines, Operation, Target, Work, parse_thumbprint};
use crate::password::Password;
use crate::problem::Problem;
use crate::reply::{Content, Reply};
use crate::wmi::namespace;

/// `GET /machines`: saved machines with their last known states, or with `follow=true` a stream of the states, for which
/// each machine is asked.
pub(crate) fn list(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let (session, user) = (session(request)?, &request.caller()?.name);
    if request.call.parameter("follow").as_deref() != Some("true") {
        let states = console.machines.states(session)?;
        return Ok(Reply::json(described_all(&console.machines.saved.list(user), &states)));
    }
    let stream = MachineStates {
        machines: Arc::clone(&console.machines),
        session: session.to_owned(),
        user: user.clone(),
        sent: Value::Null,
        asked: None,
    };
    Ok(Reply::new(200, Content::Stream(Box::new(stream))))
}

/// `POST /machines`: adds a machine and connects to it.
pub(crate) fn add(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let session = session(request)?;
    let body = request.body()?;
    body.require_only(&["name", "url", "account", "password", "thumbprint"])?;
    let address = Address::parse(text(&body, "url", MAX_URL)?)
        .map_err(|reason| Problem::invalid(format!("url: {reason}")))?;
    let name = match body.optional_text("name")?.map(str::trim) {
        None | Some("") => address.host.as_str(),
        Some(_) => text(&body, "name", MAX_NAME)?,
    };
    let machine = SavedMachine {
        id: String::new(),
        name: name.to_owned(),
        url: address.url.clone(),
        account: text(&body, "account", MAX_NAME)?.to_owned(),
        thumbprint: thumbprint(&body)?,
    };
    let password = password(&body)?;
    let machine = console.machines.saved.add(&request.caller()?.name, machine)?;
    let reply = connect_to(console, session, &machine, password)?;
    Ok(Reply { status: 201, ..reply })
}

/// `GET /machines/{machine}`: asks the machine for its identity.
pub(crate) fn check(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let (session, machine) = (session(request)?, machine(console, request)?);
    let state = console.machines.perform(session, Work::Check { target: target(&machine) })?;
    Ok(Reply::json(described(&machine, Some(state))))
}

/// `POST /machines/{machine}/connect`
pub(crate) fn connect(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let (session, mut machine) = (session(request)?, machine(console, request)?);
    let body = request.body()?;
    body.require_only(&["password", "thumbprint"])?;
    let password = password(&body)?;
    if let Some(thumbprint) = thumbprint(&body)? {
        machine = console.machines.saved.trust(&request.caller()?.name, &machine.id, thumbprint)?;
    }
    connect_to(console, session, &machine, password)
}

/// `DELETE /machines/{machine}`
pub(crate) fn remove(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let (session, machine) = (session(request)?, machine(console, request)?);
    console.machines.saved.remove(&request.caller()?.name, &machine.id)?;
    let audit = format!("removed the machine {}", machine.url);
    console.machines.perform(session, Work::Forget { machine: machine.id })?;
    Ok(Reply::empty().audited(audit))
}

/// `GET /machines/{machine}/events/collector`
pub(crate) fn collector(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let (session, machine) = (session(request)?, machine(console, request)?);
    console.machines.perform(session, Work::Collector { machine: machine.id }).map(Reply::json)
}

/// `POST /machine-runs`: starts an operation on several machines.
pub(crate) fn run(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let session = session(request)?;
    let body = request.body()?;
    body.require_only(&["machines", "command", "namespace", "query"])?;
    let ids = body.value("machines").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if ids.is_empty() || ids.len() > MAX_MEMBERS {
        return Err(Problem::invalid(format!(
            "machines: expected 1 to {MAX_MEMBERS} identifiers of machines"
        )));
    }
    let user = &request.caller()?.name;
    let mut members: Vec<SavedMachine> = Vec::with_capacity(ids.len());
    for id in ids {
        let id = id.as_str().ok_or_else(|| Problem::invalid("machines: an identifier is not a string"))?;
        let machine = console.machines.saved.find(user, id)?;
        if !members.contains(&machine) {
            members.push(machine);
        }
    }
    let (operation, kind) = match (body.optional_text("command")?, body.optional_text("query")?) {
        (Some(_), None) => (Operation::Command(text(&body, "command", MAX_COMMAND)?.to_owned()), "command"),
        (None, Some(_)) => {
            let (namespace, query) = query(&body)?;
            (Operation::Query { namespace, query }, "query")
        }
        _ => return Err(Problem::invalid("either command or query is required")),
    };
    let names: Vec<&str> = members.iter().map(|machine| machine.name.as_str()).collect();
    let audit = format!("{kind} on {}", names.join(", "));
    let machines = members.iter().map(|machine| machine.id.clone()).collect();
    let started = console.machines.perform(session, Work::Run { machines, operation });
    let started = started.map_err(|problem| problem.audited(audit.clone()))?;
    Ok(Reply::new(201, Content::Json(started)).audited(audit))
}

/// `GET /machine-runs/{run}`: the events of a run, or with `follow=true` a stream of them.
pub(crate) fn events(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let session = session(request)?;
    let run = request.part("run").to_owned();
    let from = match request.call.header("last-event-id").map(str::parse::<usize>) {
        Some(Ok(last)) => last.saturating_add(1),
        _ => 0,
    };
    let first = console.machines.perform(session, Work::Events { run: run.clone(), from })?;
    if request.call.parameter("follow").as_deref() != Some("true") {
        return Ok(Reply::json(first));
    }
    let machines = Arc::clone(&console.machines);
    let stream = RunEvents { machines, session: session.to_owned(), run, from };
    Ok(Reply::new(200, Content::Stream(Box::new(stream))))
}

/// `DELETE /machine-runs/{run}`: ends the commands of a run.
pub(crate) fn cancel(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let run = request.part("run").to_owned();
    console.machines.perform(session(request)?, Work::Cancel { run })?;
    Ok(Reply::empty())
}

/// Events of a run as they occur. The log of the run keeps them, so a client that connects again gets the rest.
struct RunEvents {
    machines: Arc<Machines>,
    session: String,
    run: String,
    from: usize,
}

impl std::fmt::Debug for RunEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunEvents").field("run", &self.run).field("from", &self.from).finish_non_exhaustive()
    }
}

impl EventStream for RunEvents {
    fn next_events(&mut self) -> Result<String, String> {
        let work = Work::Events { run: self.run.clone(), from: self.from };
        let page = match self.machines.perform(&self.session, work) {
            Ok(page) => page,
            // The events stay until the next read.
            Err(problem) if problem.status == 503 => return Ok(String::new()),
            Err(problem) => return Err(problem.detail),
        };
        let mut text = String::new();
        for event in page.get("events").and_then(Value::as_array).into_iter().flatten() {
            // JSON on one line.
            text.push_str(&format!("id: {}\ndata: {event}\n\n", self.from));
            self.from += 1;
        }
        Ok(text)
    }
}

/// States of the machines of a user. Each machine is asked again some seconds after its last answer, as long as the
/// stream is read.
struct MachineStates {
    machines: Arc<Machines>,
    session: String,
    user: String,
    /// List that was sent last.
    sent: Value,
    /// Time of the last request for the states.
    asked: Option<Instant>,
}

/// Time between requests for the states; the stream is read more often.
const STATE_INTERVAL: Duration = Duration::from_secs(1);

impl std::fmt::Debug for MachineStates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineStates").field("user", &self.user).finish_non_exhaustive()
    }
}

impl EventStream for MachineStates {
    fn next_events(&mut self) -> Result<String, String> {
        if self.asked.is_some_and(|asked| asked.elapsed() < STATE_INTERVAL) {
            return Ok(String::new());
        }
        self.asked = Some(Instant::now());
        let saved = self.machines.saved.list(&self.user);
        if saved.is_empty() && self.sent.is_null() {
            // The process for connections is started at the first use.
            return Ok(String::new());
        }
        let work = Work::Refresh { targets: saved.iter().map(target).collect() };
        let states = match self.machines.perform(&self.session, work) {
            Ok(states) => states,
            // The next read returns the states.
            Err(problem) if problem.status == 503 => return Ok(String::new()),
            Err(problem) => return Err(problem.detail),
        };
        let list = described_all(&saved, &states);
        if list == self.sent {
            return Ok(String::new());
        }
        let text = format!("data: {list}\n\n");
        self.sent = list;
        Ok(text)
    }
}

/// Connects, and returns the machine with its state.
fn connect_to(
    console: &Console,
    session: &str,
    machine: &SavedMachine,
    password: Password,
) -> Result<Reply, Problem> {
    let audit = format!("connection to {} as {}", machine.url, machine.account);
    let work = Work::Connect { target: target(machine), password };
    let state = console.machines.perform(session, work);
    let state = state.map_err(|problem| problem.audited(format!("{audit}: failed")))?;
    let result = state.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Reply::json(described(machine, Some(state))).audited(format!("{audit}: {result}")))
}

fn target(machine: &SavedMachine) -> Target {
    let SavedMachine { id, url, account, thumbprint, .. } = machine.clone();
    Target { id, url, account, thumbprint }
}

/// Returns the list of machines with their states by identifier.
fn described_all(machines: &[SavedMachine], states: &Value) -> Value {
    let machines: Vec<Value> =
        machines.iter().map(|machine| described(machine, states.get(&machine.id).cloned())).collect();
    json!({ "machines": machines })
}

/// Returns the representation of a machine. Without a state, this session has not connected to it.
fn described(machine: &SavedMachine, state: Option<Value>) -> Value {
    let SavedMachine { id, name, url, account, thumbprint } = machine;
    let state = state.unwrap_or_else(|| {
        json!({
            "state": "not-connected", "since": null, "last_answer": null, "reason": null, "product": null,
            "version": null, "certificate": null,
        })
    });
    json!({
        "id": id, "name": name, "url": url, "account": account, "thumbprint": thumbprint, "status": state,
    })
}

/// Returns the lasting identifier of the caller's session, which owns the passwords.
pub(crate) fn session<'a>(request: &'a Admitted<'_>) -> Result<&'a str, Problem> {
    match &request.caller()?.credential {
        Credential::Session { lasting_id, .. } => Ok(lasting_id),
        Credential::Key { .. } => Err(Problem::forbidden(
            "this requires a session, not an API key, because passwords of other machines belong to a session",
        )),
    }
}

/// Returns the machine of the path, which belongs to the caller.
pub(crate) fn machine(console: &Console, request: &Admitted<'_>) -> Result<SavedMachine, Problem> {
    Ok(console.machines.saved.find(&request.caller()?.name, request.part("machine"))?)
}

/// Returns a member that is text without control characters.
fn text<'a>(body: &'a Body, name: &str, most: usize) -> Result<&'a str, Problem> {
    let text = body.text(name)?.trim();
    if text.is_empty() || text.len() > most {
        return Err(Problem::invalid(format!("{name}: expected a text of 1 to {most} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::invalid(format!("{name}: control characters are not allowed")));
    }
    Ok(text)
}

fn password(body: &Body) -> Result<Password, Problem> {
    let password = body.text("password")?;
    if password.is_empty() || password.len() > MAX_PASSWORD {
        return Err(Problem::invalid(format!("password: expected a text of 1 to {MAX_PASSWORD} bytes")));
    }
    Ok(Password(Zeroizing::new(password.to_owned())))
}

fn thumbprint(body: &Body) -> Result<Option<String>, Problem> {
    let text = body.optional_text("thumbprint")?;
    text.map(parse_thumbprint).transpose().map_err(Problem::invalid)
}

/// Returns a query within the limit of length.
pub(crate) fn wql(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_QUERY {
        return Err(Problem::invalid(format!("query: expected a text of 1 to {MAX_QUERY} bytes")));
    }
    Ok(text.to_owned())
}

/// Returns namespace and query of a body.
fn query(body: &Body) -> Result<(String, String), Problem> {
    let namespace = namespace(body.optional_text("namespace")?.unwrap_or("root/cimv2"))?;
    Ok((namespace.to_string(), wql(body.text("query")?)?))
}

const MAX_URL: usize = 300;
const MAX_NAME: usize = 128;
const MAX_PASSWORD: usize = 1_024;
const MAX_QUERY: usize = 16_000;
const MAX_COMMAND: usize = 8_000;
/// Machines of one run.
const MAX_MEMBERS: usize = 50;
