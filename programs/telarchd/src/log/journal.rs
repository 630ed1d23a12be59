//! Log records for the journal, with fields (native protocol of systemd-journald).
//!
//! The socket is connected before the gateway is confined. The system call filter can then forbid addresses, and with
//! them all other sockets of the machine.

use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::escape::{cut, limit_of};
use super::stderr;

/// Layer that sends events to the journal.
pub(crate) struct Journal(UnixDatagram);

impl Journal {
    /// Connects to the journal.
    pub(crate) fn connect() -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(SOCKET)?;
        // The log must not block on the journal.
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    fn send(&self, record: &Record) {
        let sent = self.0.send(&record.bytes).or_else(|error| {
            // The journal was restarted. A confined process cannot reconnect.
            let is_gone =
                matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotConnected);
            if is_gone && self.0.connect(SOCKET).is_ok() { self.0.send(&record.bytes) } else { Err(error) }
        });
        if sent.is_err() {
            // Standard error is a stream that journald preserves over its restart; the format is described in
            // sd-daemon(3).
            stderr::write_line(format!("<{}>{}\n", record.priority, record.text).as_bytes());
        }
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let priority = match *metadata.level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 5,
            Level::DEBUG => 6,
            Level::TRACE => 7,
        };
        let mut record = Record { priority, bytes: Vec::with_capacity(512), text: String::new() };
        record.put("PRIORITY", &priority.to_string());
        record.put("TARGET", metadata.target());
        if let Some(file) = metadata.file() {
            record.put("CODE_FILE", file);
        }
        if let Some(line) = metadata.line() {
            record.put("CODE_LINE", &line.to_string());
        }
        record.put("SYSLOG_IDENTIFIER", "telarchd");
        event.record(&mut record);
        self.send(&record);
    }
}

/// A record in the format of the protocol, and as text.
struct Record {
    priority: u8,
    bytes: Vec<u8>,
    text: String,
}

impl Record {
    /// Adds a field: name, line feed, length of the value as a little-endian 64-bit number, value, line feed.
    fn put(&mut self, name: &str, value: &str) {
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(b'\n');
        self.bytes.extend_from_slice(&u64::try_from(value.len()).unwrap_or_default().to_le_bytes());
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(b'\n');
    }

    fn put_field(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let name = field.name();
        let value = cut(value, limit_of(name));
        if name == "message" {
            self.put("MESSAGE", &value);
            let _ = write!(self.text, "{} ", value.escape_debug());
            return;
        }
        // Field names are defined in this program. The journal accepts capital letters, digits and underscores.
        let shown = name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        self.put(&format!("F_{shown}"), &value);
        let _ = write!(self.text, "{name}={:?} ", value);
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_field(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put_field(field, value);
    }
}

const SOCKET: &str = "/run/systemd/journal/socket";

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn fields_are_length_prefixed_and_clients_cannot_add_any() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let subscriber = tracing_subscriber::registry().with(Journal(ours));
        tracing::subscriber::with_default(subscriber, || {
            let account = format!("ada\nPRIORITY=0\n{}", "x".repeat(2_000));
            tracing::warn!(account, code = 5, "Refused");
        });
        let mut datagram = vec![0; 65_536];
        let length = theirs.recv(&mut datagram).unwrap();
        let datagram = &datagram[..length];
        let mut fields = Vec::new();
        let mut rest = datagram;
        while !rest.is_empty() {
            let end = rest.iter().position(|octet| *octet == b'\n').unwrap();
            let name = String::from_utf8(rest[..end].to_vec()).unwrap();
            let (length, after) = rest[end + 1..].split_first_chunk::<8>().unwrap();
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap();
            fields.push((name, String::from_utf8(after[..length].to_vec()).unwrap()));
            assert_eq!(after[length], b'\n');
            rest = &after[length + 1..];
        }
        let fields_named = |name: &str| -> Vec<&str> {
            fields.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value).collect()
        };
        for (name, value) in [("PRIORITY", "4"), ("MESSAGE", "Refused"), ("F_CODE", "5")] {
            assert_eq!(fields_named(name), [value], "{name}");
        }
        let account = fields_named("F_ACCOUNT").concat();
        assert!(account.starts_with("ada\nPRIORITY=0\nxxx") && account.ends_with("…[cut]"), "{account}");
    }
}
