//! Records for the journal, with their fields (the native protocol of systemd-journald).
//!
//! The socket is connected before the gateway is confined: no address is given afterwards, so the filter of system
//! calls can refuse addresses, and with them every other socket of the machine.

use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::escape::{cut, limit_of};
use super::stderr;

/// Sends events to the journal.
pub(super) struct Journal(UnixDatagram);

impl Journal {
    /// Connects to the journal of this machine.
    pub(super) fn connect() -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(SOCKET)?;
        // The log must not wait for the journal.
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    fn send(&self, record: &Record) {
        let sent = self.0.send(&record.bytes).or_else(|error| {
            // The journal was started again. A process that is confined cannot connect again.
            let is_gone =
                matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotConnected);
            if is_gone && self.0.connect(SOCKET).is_ok() { self.0.send(&record.bytes) } else { Err(error) }
        });
        if sent.is_err() {
            // Standard error is a stream that the journal keeps open over its own restart; sd-daemon(3) has the form.
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

/// One record in the form of the protocol, and as text.
struct Record {
    priority: u8,
    bytes: Vec<u8>,
    text: String,
}

impl Record {
    /// Adds a field: its name, a line feed, the length of the value in 64 bits, little end first, and the value.
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
        // Names of fields are of this program; the journal takes capital letters, digits and underscores.
        let fits = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let shown: String = name.chars().map(fits).collect();
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
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn the_journal_gets_fields_with_their_lengths_and_no_field_of_a_client_s_making() {
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
        let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        assert_eq!(
            (field("PRIORITY"), field("MESSAGE"), field("F_CODE")),
            (Some("4"), Some("Refused"), Some("5"))
        );
        let account = field("F_ACCOUNT").unwrap();
        assert!(account.starts_with("ada\nPRIORITY=0\nxxx") && account.ends_with("…[cut]"), "{account}");
        assert_eq!(fields.iter().filter(|(name, _)| name == "PRIORITY").count(), 1);
    }
}
