//! WMI and event logs of another machine, in the form of those of this machine.

use management::SavedMachine;
use serde_json::{Map, Value, json};

use crate::call::Admitted;
use crate::console::Console;
use crate::handle_machines::{machine, session, wql};
use crate::machines::{RowRequest, WmiRequest, Work};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::wmi::{PageRequest, USUAL_ROWS, namespace};

/// `GET /machines/{machine}/wmi/namespaces`
pub(crate) fn namespaces(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    Source::of(console, request)?.perform(WmiRequest::Namespaces).map(Reply::json)
}

/// `GET /machines/{machine}/wmi/namespaces/{namespace}/classes`
pub(crate) fn classes(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let source = Source::of(console, request)?;
    let filter = request.call.parameter("filter").unwrap_or_default();
    let work = WmiRequest::Classes { namespace: space(request)?, filter };
    source.perform(work).map(Reply::json)
}

/// `GET /machines/{machine}/wmi/namespaces/{namespace}/classes/{class}`
pub(crate) fn class(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let source = Source::of(console, request)?;
    let work = WmiRequest::Class { namespace: space(request)?, class: request.part("class").to_owned() };
    source.perform(work).map(Reply::json)
}

/// `GET /machines/{machine}/wmi/namespaces/{namespace}/classes/{class}/instances`
pub(crate) fn instances(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let source = Source::of(console, request)?;
    let first = RowRequest::Instances(request.part("class").to_owned());
    source.page(request, space(request)?, first).map(Reply::json)
}

/// `GET /machines/{machine}/wmi/namespaces/{namespace}/instance`
pub(crate) fn instance(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let source = Source::of(console, request)?;
    let work = WmiRequest::Instance { namespace: space(request)?, path: path(request)? };
    source.perform(work).map(Reply::json)
}

/// `GET /machines/{machine}/wmi/namespaces/{namespace}/associations`
pub(crate) fn associations(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let source = Source::of(console, request)?;
    let first = match request.call.parameter("kind").as_deref() {
        None | Some("associators") => RowRequest::Associators(path(request)?),
        Some("references") => RowRequest::References(path(request)?),
        Some(_) => return Err(Problem::invalid("kind is associators or references")),
    };
    source.page(request, space(request)?, first).map(Reply::json)
}

/// `POST /machines/{machine}/wmi/query`
pub(crate) fn query(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let source = Source::of(console, request)?;
    let body = request.body()?;
    body.require_only(&["namespace", "query", "limit", "cursor"])?;
    let namespace = namespace(body.optional_text("namespace")?.unwrap_or("root/cimv2"))?.to_string();
    let limit = match body.value("limit") {
        None => USUAL_ROWS,
        Some(limit) => limit.as_u64().ok_or_else(|| Problem::invalid("limit is not a number"))?,
    };
    let PageRequest { limit, cursor } = PageRequest::new(limit, body.optional_text("cursor")?)?;
    let rows = match cursor {
        Some(cursor) => RowRequest::Next(cursor.to_owned()),
        None => RowRequest::Query(wql(body.text("query")?)?),
    };
    source.perform(WmiRequest::Rows { namespace, rows, limit, keeps_rest: true }).map(Reply::json)
}

/// `POST /machines/{machine}/wmi/namespaces/{namespace}/classes/{class}/methods/{method}`
///
/// The audit record has the machine, the path, the names of the parameters and the result, but no values, which may be
/// secrets.
pub(crate) fn invoke(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let source = Source::of(console, request)?;
    let body = request.body()?;
    body.require_only(&["path", "arguments"])?;
    let arguments = match body.value("arguments") {
        None => Map::new(),
        Some(Value::Object(arguments)) => arguments.clone(),
        Some(_) => return Err(Problem::invalid("arguments is not a JSON object")),
    };
    let (class, method) = (request.part("class").to_owned(), request.part("method").to_owned());
    let path = body.optional_text("path")?.map(str::to_owned);
    let names: Vec<&str> = arguments.keys().map(String::as_str).collect();
    let url = &source.machine.url;
    let object = path.as_deref().unwrap_or(&class);
    let audit = format!("{url}: {object}, method {method}, parameters {}", names.join(", "));
    let audit = audit.escape_debug().to_string();
    let work = WmiRequest::Invoke { namespace: space(request)?, class, method, path, arguments };
    let output = source.perform(work).map_err(|problem| problem.audited(audit.clone()))?;
    let result = output.pointer("/output/ReturnValue").cloned().unwrap_or_default();
    Ok(Reply::json(output).audited(format!("{audit}, ReturnValue {result}")))
}

/// `GET /machines/{machine}/events/channels`
pub(crate) fn channels(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let source = Source::of(console, request)?;
    let rows = RowRequest::Query("SELECT LogfileName FROM Win32_NTEventlogFile".to_owned());
    let work = WmiRequest::Rows { namespace: CIMV2.to_owned(), rows, limit: MAX_CHANNELS, keeps_rest: false };
    let page = source.perform(work)?;
    let names: Vec<&str> = rows_of(&page).filter_map(|values| values.get("LogfileName")?.as_str()).collect();
    Ok(Reply::json(json!({ "channels": names })))
}

/// `GET /machines/{machine}/events`: a page of events, the newest first. With `only_first=true`, no later page can be
/// requested, and the machine does not wait for such a request.
pub(crate) fn events(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let source = Source::of(console, request)?;
    let conditions = [channel_condition(request)?, condition(request)?];
    let conditions: Vec<String> = conditions.into_iter().flatten().collect();
    let clause =
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    let query = format!("SELECT {EVENT_PROPERTIES} FROM Win32_NTLogEvent{clause}");
    let page = source.page(request, CIMV2.to_owned(), RowRequest::Query(wql(&query)?))?;
    let events: Vec<Value> = rows_of(&page).map(summary).collect();
    Ok(Reply::json(json!({
        "events": events, "next": page.get("next"), "examined": events.len(), "has_logs": true,
    })))
}

/// `GET /machines/{machine}/events/records/{channel}/{record}`
pub(crate) fn record(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let source = Source::of(console, request)?;
    let channel = channel_name(request.part("channel"))?;
    let number: u32 = request.parsed("record", "event")?;
    let path = format!("Win32_NTLogEvent.Logfile=\"{channel}\",RecordNumber={number}");
    let work = WmiRequest::Instance { namespace: CIMV2.to_owned(), path };
    let instance = source.perform(work)?;
    let none = Map::new();
    let values = instance.get("values").and_then(Value::as_object).unwrap_or(&none);
    let strings = values.get("InsertionStrings").and_then(Value::as_array).into_iter().flatten();
    let data: Map<String, Value> =
        strings.enumerate().map(|(at, text)| (format!("%{}", at + 1), text.clone())).collect();
    Ok(Reply::json(json!({ "summary": summary(values), "event": { "EventData": data }, "xml": null })))
}

/// Returns a row of `Win32_NTLogEvent` in the form of an event of this machine.
fn summary(values: &Map<String, Value>) -> Value {
    let text = |name: &str| values.get(name).and_then(Value::as_str).unwrap_or_default();
    // A machine whose class is not known sends numbers as text.
    let number = |name: &str| {
        let value = values.get(name)?;
        value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
    };
    // Win32_NTLogEvent.EventType as levels of Windows events.
    let level = match number("EventType") {
        Some(1) => 2,
        Some(2) => 3,
        Some(3) => 4,
        _ => 0,
    };
    json!({
        "channel": text("Logfile"),
        "log": text("Logfile"),
        "record": number("RecordNumber").unwrap_or_default().to_string(),
        "time": values.get("TimeGenerated"),
        "level": level,
        "level_name": values.get("Type"),
        "provider": text("SourceName"),
        "event_id": number("EventCode").unwrap_or_default(),
        "message": text("Message").chars().take(MAX_MESSAGE).collect::<String>(),
    })
}

fn rows_of(page: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    let rows = page.get("rows").and_then(Value::as_array).into_iter().flatten();
    rows.filter_map(|row| row.get("values")?.as_object())
}

fn channel_condition(request: &Admitted<'_>) -> Result<Option<String>, Problem> {
    let name = request.call.parameter("channel").filter(|name| !name.is_empty());
    name.map(|name| Ok(format!("Logfile = '{}'", channel_name(&name)?))).transpose()
}

/// Returns the name of a log without characters that end a string of WQL or of a path.
fn channel_name(name: &str) -> Result<&str, Problem> {
    let is_valid = name.len() <= 256 && !name.chars().any(|one| one.is_control() || "'\"\\".contains(one));
    if is_valid { Ok(name) } else { Err(Problem::not_found("channel")) }
}

/// Returns the condition of the parameter `query` in parentheses.
fn condition(request: &Admitted<'_>) -> Result<Option<String>, Problem> {
    let Some(text) = request.call.parameter("query").filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    // Checked alone, so that a condition cannot end the parentheses.
    let alone = format!("SELECT {EVENT_PROPERTIES} FROM Win32_NTLogEvent WHERE {text}");
    cim::wql::parse(&alone).map_err(|error| Problem::new(400, "invalid-query", error.to_string()))?;
    Ok(Some(format!("({text})")))
}

/// Machine of a request, in the session of the caller.
struct Source<'c> {
    console: &'c Console,
    session: &'c str,
    machine: SavedMachine,
}

impl<'c> Source<'c> {
    fn of(console: &'c Console, request: &'c Admitted<'_>) -> Result<Self, Problem> {
        Ok(Self { console, session: session(request)?, machine: machine(console, request)? })
    }

    fn perform(&self, request: WmiRequest) -> Result<Value, Problem> {
        self.console.machines.perform(self.session, Work::Wmi { machine: self.machine.id.clone(), request })
    }

    /// Returns the first page of rows, or the next page of an earlier one.
    fn page(&self, request: &Admitted<'_>, namespace: String, first: RowRequest) -> Result<Value, Problem> {
        let cursor = request.call.parameter("cursor");
        let PageRequest { limit, cursor } =
            PageRequest::new(request.number("limit", USUAL_ROWS)?, cursor.as_deref())?;
        let rows = cursor.map_or(first, |cursor| RowRequest::Next(cursor.to_owned()));
        let keeps_rest = request.call.parameter("only_first").as_deref() != Some("true");
        self.perform(WmiRequest::Rows { namespace, rows, limit, keeps_rest })
    }
}

/// Returns the namespace of the path.
fn space(request: &Admitted<'_>) -> Result<String, Problem> {
    Ok(namespace(request.part("namespace"))?.to_string())
}

/// Returns the query parameter `path`.
fn path(request: &Admitted<'_>) -> Result<String, Problem> {
    let text = request.call.parameter("path").ok_or_else(|| Problem::invalid("path is missing"))?;
    cim::ObjectPath::parse(&text)?;
    Ok(text)
}

const CIMV2: &str = "root/cimv2";
const EVENT_PROPERTIES: &str =
    "Logfile, RecordNumber, TimeGenerated, EventType, Type, SourceName, EventCode, Message";
const MAX_CHANNELS: usize = 1_000;
/// Length of a message in a list, in characters.
const MAX_MESSAGE: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_event_logs_have_the_form_of_local_events() {
        let row = json!({
            "Logfile": "System", "RecordNumber": 7, "TimeGenerated": "2026-01-02T03:04:05Z", "EventType": 2,
            "Type": "Warning", "SourceName": "sshd", "EventCode": 4, "Message": "x".repeat(2_000),
        });
        let event = summary(row.as_object().unwrap());
        assert_eq!(
            (&event["channel"], &event["record"], &event["level"]),
            (&json!("System"), &json!("7"), &json!(3))
        );
        assert_eq!(event["message"].as_str().map(str::len), Some(MAX_MESSAGE));
        // A machine whose class is not known sends text.
        let text =
            json!({ "Logfile": "Security", "RecordNumber": "8", "EventType": "5", "EventCode": "4625" });
        let event = summary(text.as_object().unwrap());
        assert_eq!(
            (&event["record"], &event["level"], &event["event_id"]),
            (&json!("8"), &json!(0), &json!(4_625))
        );
    }

    #[test]
    fn names_of_logs_cannot_end_a_text_of_a_query() {
        assert_eq!(
            channel_name("Microsoft-Windows-Sysmon/Operational").ok(),
            Some("Microsoft-Windows-Sysmon/Operational")
        );
        for name in ["a' OR 'a' = 'a", "a\"b", "a\\", "a\nb"] {
            assert!(channel_name(name).is_err(), "{name}");
        }
    }
}
