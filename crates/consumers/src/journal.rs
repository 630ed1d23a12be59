//! `NTEventLogEventConsumer`: writes a journal entry for each event (systemd, Native Journal Protocol).

use std::io;
use std::os::unix::net::UnixDatagram;

use cim::{Instance, Value};

use crate::Problem;
use crate::template::Template;

/// A journal entry with templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    source: String,
    id: u32,
    category: u16,
    priority: u8,
    lines: Vec<Template>,
}

/// Socket of the journal.
const SOCKET: &str = "/run/systemd/journal/socket";

impl JournalEntry {
    pub(crate) fn read(consumer: &Instance) -> Result<Self, Problem> {
        let source = consumer.value("SourceName").and_then(Value::as_str).filter(|source| !source.is_empty());
        let what = "required; used as SYSLOG_IDENTIFIER of the entries";
        let source = source.ok_or(Problem::Property { property: "SourceName", what })?;
        let lines = consumer.value("InsertionStringTemplates").map_or(&[][..], Value::elements);
        Ok(Self {
            source: source.to_owned(),
            id: number(consumer, "EventID").and_then(|id| u32::try_from(id).ok()).unwrap_or(0),
            category: number(consumer, "Category").and_then(|number| u16::try_from(number).ok()).unwrap_or(0),
            priority: match number(consumer, "EventType") {
                Some(1 | 16) => 3,
                Some(2) => 4,
                Some(8) => 5,
                _ => 6,
            },
            lines: lines.iter().filter_map(Value::as_str).map(Template::parse).collect(),
        })
    }

    /// Writes the entry for an event.
    pub(crate) fn consume(&self, event: &Instance) -> Result<(), Problem> {
        self.send(event).map_err(Problem::io("the journal"))
    }

    fn send(&self, event: &Instance) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        // Do not block if the journal does not accept entries.
        socket.set_nonblocking(true)?;
        socket.send_to(&self.entry(event), SOCKET).map(drop)
    }

    fn entry(&self, event: &Instance) -> Vec<u8> {
        let lines: Vec<String> = self.lines.iter().map(|line| line.fill(event)).collect();
        let mut entry = Vec::new();
        for (field, value) in [
            ("MESSAGE", lines.join("\n").as_str()),
            ("PRIORITY", &self.priority.to_string()),
            ("SYSLOG_IDENTIFIER", &self.source),
            ("TELARCH_EVENT_ID", &self.id.to_string()),
            ("TELARCH_CATEGORY", &self.category.to_string()),
        ] {
            // In the binary form with a length, a value may contain any bytes.
            entry.extend(field.as_bytes());
            entry.push(b'\n');
            entry.extend(u64::try_from(value.len()).unwrap_or(0).to_le_bytes());
            entry.extend(value.as_bytes());
            entry.push(b'\n');
        }
        entry
    }
}

fn number(consumer: &Instance, name: &str) -> Option<i128> {
    consumer.value(name).and_then(Value::as_integer)
}

#[cfg(test)]
mod tests {
    use cim::{Namespace, Schema};

    use super::*;

    #[test]
    fn event_values_cannot_add_journal_fields() {
        let schema = Schema::of(Namespace::cimv2());
        let event = Instance::new(schema.class("__TimerEvent").expect("a class"));
        let event = event.with("TimerId", "a\nPRIORITY=0").expect("a property");
        let entry = JournalEntry {
            source: "site".to_owned(),
            id: 7,
            category: 0,
            priority: 6,
            lines: vec![Template::parse("timer %TimerId%")],
        };
        let entry = entry.entry(&event);
        let expected = b"MESSAGE\n\x12\0\0\0\0\0\0\0timer a\nPRIORITY=0\nPRIORITY\n\x01\0\0\0\0\0\0\x006\n";
        assert_eq!(entry.get(..expected.len()), Some(&expected[..]), "{}", entry.escape_ascii());
    }
}
