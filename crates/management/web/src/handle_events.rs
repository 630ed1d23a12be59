//! Events of the local logs, and subscriptions and sources of the collector.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use eventing::{CollectorError, SourceState, StoreReader, StoreSettings};
use eventlog::journal::Sequences;
use eventlog::local::{LocalLogs, LogPaths, Positions};
use eventlog::{EventOptions, LocalEvent, LogError, NewestFirst, Selection, channel};
use limits::{Capacity, Permit};
use serde_json::{Value, json};
use winevent::event::json::structured;

use crate::call::Admitted;
use crate::console::Console;
use crate::event_stream::EventStream;
use crate::problem::Problem;
use crate::reply::{Content, Reply};

/// `GET /events/channels`
pub(crate) fn channels(_: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    Ok(Reply::json(json!({ "channels": channel::names() })))
}

/// `GET /events`: a page of events, the newest first, or a stream of new ones.
pub(crate) fn events(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let selection = selection(request)?;
    let paths = &console.logs;
    if request.call.parameter("follow").as_deref() == Some("true") {
        let mut logs = LocalLogs::open(paths, Sequences::default(), options(console))?;
        logs.seek_end()?;
        return Ok(Reply::new(200, Content::Stream(Box::new(Follower { logs, selection }))));
    }
    let _permit = admit(console, request)?;
    let limit = request.limit(50, 200)?;
    let mut logs = NewestFirst::open(paths, options(console))?;
    if let Some(cursor) = request.call.parameter("cursor") {
        logs.seek_before(positions(&cursor)?);
    }
    let begin = Instant::now();
    let now = SystemTime::now().into();
    let (mut found, mut examined, mut is_end) = (Vec::new(), 0, false);
    while found.len() < limit && examined < MAX_EXAMINED && begin.elapsed() < MAX_TIME {
        let Some(event) = logs.next_event()? else {
            is_end = true;
            break;
        };
        examined += 1;
        if selection.select(&event, now).is_some() {
            found.push(summary(&event));
        }
    }
    let Positions { journal, audit, .. } = logs.positions();
    let next = (!is_end).then(|| format!("{journal}.{audit}"));
    Ok(Reply::json(
        json!({ "events": found, "next": next, "examined": examined, "has_logs": has_logs(paths) }),
    ))
}

/// `GET /events/records/{channel}/{record}`
pub(crate) fn record(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let _permit = admit(console, request)?;
    let name = channel::find(request.part("channel")).ok_or_else(|| Problem::not_found("channel"))?;
    let number: u64 = request.parsed("record", "event")?;
    let mut positions = Positions { journal: u64::MAX, audit: u64::MAX, ..Positions::default() };
    let place = if name == channel::AUDIT_CHANNEL { &mut positions.audit } else { &mut positions.journal };
    *place = number.saturating_add(1);
    let paths = &console.logs;
    // Only the log of the channel is read.
    let paths = if name == channel::AUDIT_CHANNEL {
        LogPaths { journal: None, audit: paths.audit.clone() }
    } else {
        LogPaths { journal: paths.journal.clone(), audit: None }
    };
    let mut logs = NewestFirst::open(&paths, options(console))?;
    logs.seek_before(positions);
    let event = logs.next_event()?.filter(|event| event.record_id == number && event.channel == name);
    let event = event.ok_or_else(|| Problem::not_found("event"))?;
    let content: Value = serde_json::from_str(&structured(&event.event)).unwrap_or_default();
    Ok(Reply::json(json!({ "summary": summary(&event), "event": content, "xml": event.event.to_xml() })))
}

/// `GET /events/collector`
pub(crate) fn collector(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    let settings = console.wsman.as_ref();
    let settings = settings.map(|paths| StoreSettings::read(&paths.state.join("events"), &paths.event_store));
    let store = settings.transpose()?.map(|settings| StoreReader::open(&settings)).transpose()?.flatten();
    let Some(store) = store else {
        return Ok(Reply::json(json!({ "has_store": false, "subscriptions": [], "sources": [] })));
    };
    let subscriptions = store.subscriptions()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let mut sources = Vec::new();
    for source in store.sources()?.iter().take(MAX_SOURCES) {
        for (id, state) in &source.states {
            let subscription = subscriptions.iter().find(|one| one.id == *id);
            let name = subscription.map_or(id, |one| &one.name);
            sources.push(json!({
                "source": source.name, "proof": source.proof, "subscription": name, "state": state_form(state, now),
            }));
        }
    }
    let subscriptions: Vec<Value> = subscriptions
        .iter()
        .map(|one| json!({ "id": one.id, "name": one.name, "is_present": one.is_present }))
        .collect();
    Ok(Reply::json(json!({ "has_store": true, "subscriptions": subscriptions, "sources": sources })))
}

fn state_form(state: &SourceState, now: i64) -> Value {
    json!({
        "address": state.remote_ip,
        "batches": state.batches,
        "seconds_since_contact": age(state.last_heartbeat, now),
        "seconds_since_events": age(state.last_event, now),
        "last_fault": state.last_fault,
    })
}

/// Returns the seconds since a time.
fn age(time: Option<i64>, now: i64) -> Option<i64> {
    time.map(|time| now.saturating_sub(time).max(0))
}

/// New events as server-sent events.
struct Follower {
    logs: LocalLogs,
    selection: Selection,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").finish_non_exhaustive()
    }
}

impl EventStream for Follower {
    fn next_events(&mut self) -> Result<String, String> {
        self.read().map_err(|error| error.to_string())
    }
}

impl Follower {
    fn read(&mut self) -> Result<String, LogError> {
        self.logs.refresh()?;
        let now = SystemTime::now().into();
        let mut text = String::new();
        for _ in 0..MAX_FOLLOWED {
            let Some(event) = self.logs.next_event()? else { break };
            if self.selection.select(&event, now).is_some() {
                text += &format!("data: {}\n\n", summary(&event));
            }
        }
        Ok(text)
    }
}

fn selection(request: &Admitted<'_>) -> Result<Selection, Problem> {
    let expression = request.call.parameter("query").filter(|text| !text.trim().is_empty());
    let expression = expression.unwrap_or_else(|| "*".to_owned());
    let selection = match request.call.parameter("channel").filter(|name| !name.is_empty()) {
        None => Selection::of_any_channel(&expression),
        Some(name) => {
            let name = channel::find(&name).ok_or_else(|| Problem::not_found("channel"))?;
            Selection::of_channel(&name, &expression)
        }
    };
    selection.map_err(|error| Problem::new(400, "invalid-query", error.to_string()))
}

fn summary(event: &LocalEvent) -> Value {
    let (system, rendering) = (&event.event.system, event.event.rendering.as_ref());
    let message = rendering.and_then(|rendering| rendering.message.as_deref()).unwrap_or_default();
    json!({
        "channel": event.channel,
        "log": event.log.name(),
        "record": event.record_id.to_string(),
        "time": system.time_created.map(|time| time.to_string()),
        "level": system.level,
        "level_name": rendering.and_then(|rendering| rendering.level.as_deref()),
        "provider": system.provider.name,
        "event_id": system.event_id,
        "message": message.chars().take(MAX_MESSAGE).collect::<String>(),
    })
}

/// Returns the positions of a cursor.
fn positions(cursor: &str) -> Result<Positions, Problem> {
    let numbers = cursor.split_once('.').and_then(|(journal, audit)| {
        Some(Positions { journal: journal.parse().ok()?, audit: audit.parse().ok()?, ..Positions::default() })
    });
    numbers.ok_or_else(|| Problem::invalid("the cursor is not one of an earlier page"))
}

/// Returns whether the machine has a journal or an audit log.
fn has_logs(paths: &LogPaths) -> bool {
    paths.journal.is_some() || paths.audit.is_some()
}

fn options(console: &Console) -> EventOptions {
    EventOptions { computer: console.machine.host_name(), has_rendering: true }
}

/// Counts a request that reads logs.
pub(crate) fn admit(console: &Console, request: &Admitted<'_>) -> Result<Permit<String>, Problem> {
    let user = request.caller()?.name.clone();
    console.log_readers.acquire(user, READERS).map_err(|_| {
        Problem::new(
            503,
            "busy",
            format!("{} requests of this user read logs; retry in a moment", READERS.per_key),
        )
    })
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        Self::new(422, "log-unreadable", error.to_string())
    }
}

impl From<CollectorError> for Problem {
    fn from(error: CollectorError) -> Self {
        Self::new(422, "collector-store", error.to_string())
    }
}

/// Requests of one user that read logs at the same time, and of all users.
const READERS: Capacity = Capacity { per_key: 2, total: 8 };
/// Events that a request examines.
pub(crate) const MAX_EXAMINED: usize = 20_000;
/// Time for a page.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(5);
/// Events that a stream examines in one step.
const MAX_FOLLOWED: usize = 500;
/// Length of a message in a list, in characters.
pub(crate) const MAX_MESSAGE: usize = 1_000;
/// Sources in the response.
const MAX_SOURCES: usize = 5_000;
