//! Journal entries and audit events as Windows events.

use std::borrow::Cow;

use winevent::Timestamp;
use winevent::event::{
    AUDIT_FAILURE, AUDIT_SUCCESS, Body, CLASSIC, Correlation, DataItem, Event, Execution, Provider,
    RenderingInfo, Security, System,
};

use crate::audit::AuditEvent;
use crate::channel::{AUDIT_CHANNEL, FACILITIES, WindowsLog, journal_channel};
use crate::journal::Entry;
use crate::text::{TextEvent, TextLog};
use crate::{catalog, name_guid};

/// Properties of events that do not depend on the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventOptions {
    /// Full name of this machine, for events of its short name and events without a name.
    pub computer: String,
    /// Whether events have texts for people (`RenderingInfo`).
    pub has_rendering: bool,
}

/// Event of a local log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalEvent {
    /// Channel, as in the event.
    pub channel: String,
    /// Channel of the syslog facility, under which queries find the event of a file as well.
    pub facility_channel: Option<String>,
    /// Log of Windows to which the event belongs.
    pub log: WindowsLog,
    /// Number of the event in its channel.
    pub record_id: u64,
    /// Time in microseconds since 1970.
    pub time: u64,
    /// The event.
    pub event: Event<'static>,
}

impl LocalEvent {
    /// Returns the names of the logs to which the event belongs: its channels and its log of Windows.
    #[must_use]
    pub fn names(&self) -> [&str; 3] {
        [&self.channel, self.facility_channel.as_ref().unwrap_or(&self.channel), self.log.name()]
    }
}

/// Bit of keywords that Windows sets in all audit events.
const AUDIT_RESERVED: u64 = 0x8000_0000_0000_0000;
const CULTURE: &str = "en-US";

/// Returns the event of a journal entry.
pub(crate) fn of_journal(entry: Entry, options: &EventOptions) -> LocalEvent {
    let fields = &entry.fields;
    let transport = fields.text("_TRANSPORT");
    let facility = fields.number::<u8>("SYSLOG_FACILITY").filter(|facility| *facility < 24);
    let log = WindowsLog::of_journal(transport, facility);
    let channel = journal_channel(transport, facility);
    let name = fields.text("SYSLOG_IDENTIFIER").or_else(|| fields.text("_COMM")).unwrap_or("kernel");
    let time = fields.number("_SOURCE_REALTIME_TIMESTAMP").unwrap_or(entry.head.realtime);
    let level = level(fields.number("PRIORITY"));
    let activity = fields.text("_SYSTEMD_INVOCATION_ID").and_then(name_guid::of_digits);
    let process = fields.number("_PID");
    let user: Option<u32> = fields.number("_UID");
    let event_id = catalog::event_id(fields.text("MESSAGE_ID"));
    let rendering = options.has_rendering.then(|| RenderingInfo {
        culture: Some(CULTURE.into()),
        message: fields.text("MESSAGE").map(owned),
        level: Some(level_name(level).into()),
        task: facility.and_then(|facility| FACILITIES.get(usize::from(facility))).map(|name| (*name).into()),
        channel: Some(owned(&channel)),
        provider: Some(owned(name)),
        ..RenderingInfo::default()
    });
    let system = System {
        provider: Provider {
            name: owned(name),
            guid: Some(name_guid::of_name(name.as_bytes()).into()),
            ..Provider::default()
        },
        event_id,
        level: Some(level),
        task: facility.map(u16::from),
        keywords: Some(CLASSIC),
        time_created: Some(timestamp(time)),
        record_id: Some(entry.record.0),
        correlation: activity
            .map(|activity| Correlation { activity: Some(activity.into()), related_activity: None }),
        execution: process.map(|process| Execution {
            process,
            thread: fields.number("TID").unwrap_or_default(),
            ..Execution::default()
        }),
        channel: Some(owned(&channel)),
        computer: computer(fields.text("_HOSTNAME"), options),
        security: Some(Security { user: user.map(|user| sid(user).into()) }),
        ..System::default()
    };
    let mut items = Vec::with_capacity(entry.fields.all.len() + 4);
    items.push(data("__CURSOR", entry.head.cursor()));
    items.push(data("__REALTIME_TIMESTAMP", entry.head.realtime.to_string()));
    items.push(data("__MONOTONIC_TIMESTAMP", entry.head.monotonic.to_string()));
    if entry.fields.is_cut {
        items.push(data("__CUT", "1".to_owned()));
    }
    items.extend(entry.fields.all.into_iter().map(|(name, value)| item(&name, value)));
    LocalEvent {
        channel,
        facility_channel: None,
        log,
        record_id: entry.record.0,
        time,
        event: Event { system, body: Some(Body::EventData { name: None, items }), rendering },
    }
}

/// Returns the event of a group of audit records.
pub(crate) fn of_audit(audit: AuditEvent, options: &EventOptions) -> LocalEvent {
    const PROVIDER: &str = "Linux-Audit";
    let time = audit.milliseconds.saturating_mul(1_000);
    let outcome = if audit.has_failed() { AUDIT_FAILURE } else { AUDIT_SUCCESS };
    let user = audit.user();
    let rendering = options.has_rendering.then(|| RenderingInfo {
        culture: Some(CULTURE.into()),
        message: Some(audit.summary().into()),
        level: Some("Information".into()),
        channel: Some(AUDIT_CHANNEL.into()),
        provider: Some(PROVIDER.into()),
        keywords: vec![if audit.has_failed() { "Audit Failure" } else { "Audit Success" }.into()],
        ..RenderingInfo::default()
    });
    let activity = name_guid::of_name(format!("{}:{}", audit.milliseconds, audit.serial).as_bytes());
    let record_id = audit.record_id();
    let system = System {
        provider: Provider {
            name: PROVIDER.into(),
            guid: Some(name_guid::of_name(PROVIDER.as_bytes()).into()),
            ..Provider::default()
        },
        event_id: u32::from(audit.kind()),
        level: Some(0),
        task: Some(0),
        keywords: Some(AUDIT_RESERVED | outcome),
        time_created: Some(timestamp(time)),
        record_id: Some(record_id),
        correlation: Some(Correlation { activity: Some(activity.into()), related_activity: None }),
        execution: audit.process().map(|process| Execution { process, ..Execution::default() }),
        channel: Some(AUDIT_CHANNEL.into()),
        computer: computer(audit.node.as_deref(), options),
        security: Some(Security { user: user.map(|user| sid(user).into()) }),
        ..System::default()
    };
    let items = audit.into_fields().into_iter().map(|(name, value)| item(&name, value)).collect();
    LocalEvent {
        channel: AUDIT_CHANNEL.to_owned(),
        facility_channel: None,
        log: WindowsLog::Security,
        record_id,
        time,
        event: Event { system, body: Some(Body::EventData { name: None, items }), rendering },
    }
}

/// Returns the event of a line of a text file.
pub(crate) fn of_text(text: TextEvent, log: &TextLog, options: &EventOptions) -> LocalEvent {
    let TextEvent { record_id, time, line, is_cut } = text;
    let (facility, severity) = match line.priority {
        Some(priority) => (Some(priority.facility), Some(priority.severity)),
        None => (log.path().usual_facility(), None),
    };
    let name = line.program.clone().unwrap_or_else(|| log.path().file_name());
    let level = level(severity);
    let channel = log.channel().to_owned();
    let facility_name = facility.and_then(|facility| FACILITIES.get(usize::from(facility))).copied();
    let rendering = options.has_rendering.then(|| RenderingInfo {
        culture: Some(CULTURE.into()),
        message: Some(String::from_utf8_lossy(&line.message).into_owned().into()),
        level: Some(level_name(level).into()),
        task: facility_name.map(Cow::Borrowed),
        channel: Some(owned(&channel)),
        provider: Some(owned(&name)),
        ..RenderingInfo::default()
    });
    let process = line.process.as_deref().and_then(|process| process.parse().ok());
    let system = System {
        provider: Provider {
            name: owned(&name),
            guid: Some(name_guid::of_name(name.as_bytes()).into()),
            ..Provider::default()
        },
        event_id: catalog::event_id(None),
        level: Some(level),
        task: facility.map(u16::from),
        keywords: Some(CLASSIC),
        time_created: Some(timestamp(time)),
        record_id: Some(record_id),
        execution: process.map(|process| Execution { process, ..Execution::default() }),
        channel: Some(owned(&channel)),
        computer: computer(line.host.as_deref(), options),
        ..System::default()
    };
    let texts = [
        ("PRIORITY", severity.map(|severity| severity.to_string())),
        ("SYSLOG_FACILITY", facility.map(|facility| facility.to_string())),
        ("SYSLOG_IDENTIFIER", line.program),
        ("SYSLOG_PID", line.process),
        ("SYSLOG_MSGID", line.message_id),
        ("_HOSTNAME", line.host),
        ("__CUT", is_cut.then(|| "1".to_owned())),
    ];
    let mut items: Vec<DataItem<'static>> =
        texts.into_iter().filter_map(|(name, value)| value.map(|value| data(name, value))).collect();
    items.extend(line.data.into_iter().map(|(name, value)| item(&name, value)));
    items.push(item("MESSAGE", line.message));
    LocalEvent {
        channel,
        facility_channel: facility_name.map(|name| format!("Linux-Syslog/{name}")),
        log: WindowsLog::of_journal(None, facility),
        record_id,
        time,
        event: Event { system, body: Some(Body::EventData { name: None, items }), rendering },
    }
}

fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

fn data(name: &str, value: String) -> DataItem<'static> {
    DataItem::Data { name: Some(owned(name)), value: value.into() }
}

/// Returns a field as text, or as hexadecimal digits under the name `NAME.hex` if XML cannot represent it.
fn item(name: &str, value: Vec<u8>) -> DataItem<'static> {
    match String::from_utf8(value) {
        Ok(text) if text.chars().all(is_legal) => data(name, text),
        Ok(text) => hexadecimal(name, text.as_bytes()),
        Err(error) => hexadecimal(name, error.as_bytes()),
    }
}

fn hexadecimal(name: &str, value: &[u8]) -> DataItem<'static> {
    let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    data(&format!("{name}.hex"), digits)
}

/// Returns whether XML can represent a character and a reader returns it unchanged. Readers convert carriage returns.
fn is_legal(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{B}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Returns the SID of a Linux user, with the authority that Samba uses.
fn sid(user: u32) -> String {
    format!("S-1-22-1-{user}")
}

/// Returns the level of a syslog priority.
fn level(priority: Option<u8>) -> u8 {
    match priority {
        Some(0..=2) => 1,
        Some(3) => 2,
        Some(4) => 3,
        Some(7) => 5,
        _ => 4,
    }
}

fn level_name(level: u8) -> &'static str {
    match level {
        1 => "Critical",
        2 => "Error",
        3 => "Warning",
        5 => "Verbose",
        _ => "Information",
    }
}

fn timestamp(microseconds: u64) -> Timestamp {
    let seconds = i64::try_from(microseconds / 1_000_000).unwrap_or_default().min(253_402_300_799);
    let nanoseconds = u32::try_from(microseconds % 1_000_000).unwrap_or_default() * 1_000;
    Timestamp::new(seconds, nanoseconds)
}

/// Returns the name of the computer of an event: the full name of this machine instead of its short name.
fn computer(host: Option<&str>, options: &EventOptions) -> Cow<'static, str> {
    match host.filter(|host| !host.is_empty()) {
        Some(host) => {
            let first = options.computer.split('.').next().unwrap_or_default();
            let is_this = host.eq_ignore_ascii_case(first);
            owned(if is_this { &options.computer } else { host })
        }
        None => owned(&options.computer),
    }
}
