//! Journal files, the export format of `journalctl`, records of the audit log, and lines of syslog.

use eventlog::audit::{AuditEvent, AuditRecord, Grouping};
use eventlog::export::read_entry;
use eventlog::journal::{JournalFile, MAX_FIELD};
use eventlog::text::{LineTime, SyslogLine};

/// Checks any bytes as a journal file: reading ends, and every field stays within its bound.
///
/// # Panics
/// If one of these properties does not hold.
pub fn journal(data: &[u8]) {
    let Ok(mut file) = JournalFile::open(Box::new(data.to_vec())) else { return };
    // An array has room for fewer entries than the file has bytes.
    let entries = file.header().entries;
    assert!(entries <= u64::try_from(data.len()).unwrap().saturating_mul(70_000));
    for index in 0..entries.min(1_000) {
        let Ok(Some(entry)) = file.entry(index) else { continue };
        assert!(entry.cursor().starts_with("s="));
        if let Ok(fields) = file.fields(&entry) {
            assert!(fields.all.len() <= 1_024);
            assert!(
                fields
                    .all
                    .iter()
                    .all(|(name, value)| name.len() <= 3 * MAX_FIELD && value.len() <= MAX_FIELD)
            );
        }
    }
    let _ = file.lower_bound(|entry| entry.number < 10);
}

/// Checks any bytes as output of `journalctl -o export`: reading ends, and the bounds hold.
///
/// # Panics
/// If one of these properties does not hold.
pub fn export(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some(entry)) = read_entry(&mut rest) {
        assert!(!entry.is_empty() && entry.len() <= 1_100);
        assert!(entry.iter().all(|(_, value)| value.len() <= MAX_FIELD + 256));
    }
}

/// Checks any text as lines of the audit log: every record belongs to one event, in the order of first records.
///
/// # Panics
/// If one of these properties does not hold.
pub fn audit(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut grouping = Grouping::default();
    let mut records = 0;
    for record in text.lines().filter_map(AuditRecord::parse) {
        records += usize::from(record.kind != "EOE");
        grouping.add(record);
    }
    let events: Vec<AuditEvent> = std::iter::from_fn(|| grouping.next(u64::MAX)).collect();
    let grouped: usize = events.iter().map(|event| event.records.len()).sum();
    assert!(grouped <= records && (records > 512 || grouped == records), "{grouped} of {records}");
    for event in events {
        let _ = (event.kind(), event.has_failed(), event.user(), event.process(), event.summary());
        assert!(event.records.iter().all(|record| record.serial == event.serial));
        assert!(!event.into_fields().is_empty());
    }
}

/// Checks any bytes as a line of syslog: names are within their bounds, the values are valid, no part is longer than the
/// line, and a line that is written again from its parts has the same parts.
///
/// # Panics
/// If one of these properties does not hold.
pub fn syslog(data: &[u8]) {
    let line = SyslogLine::parse(data);
    assert!(line.message.len() <= data.len() && line.data.len() <= 256);
    for name in [&line.host, &line.program, &line.process, &line.message_id].into_iter().flatten() {
        assert!(name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_graphic()), "{name}");
    }
    if let Some(priority) = line.priority {
        assert!(priority.facility < 24 && priority.severity < 8);
    }
    if let Some(LineTime::WithoutYear { month, day, second }) = line.time {
        assert!((1..=12).contains(&month) && (1..=31).contains(&day) && second < 86_400);
    }
    // The format of rsyslog's files has all of these parts.
    if let (Some(LineTime::Known(time)), Some(host), Some(program), Some(process)) =
        (line.time, &line.host, &line.program, &line.process)
        && line.data.is_empty()
        && line.message_id.is_none()
        && !program.contains([':', '[', ']'])
        && !process.contains([':', '[', ']'])
    {
        let mut again = format!("{time} {host} {program}[{process}]: ").into_bytes();
        again.extend_from_slice(&line.message);
        let parsed = SyslogLine::parse(&again);
        assert_eq!(parsed.time, line.time);
        assert_eq!((parsed.host, parsed.program, parsed.process), (line.host, line.program, line.process));
        // A carriage return at the end belongs to the line end.
        assert_eq!(parsed.message, line.message.strip_suffix(b"\r").unwrap_or(&line.message));
    }
}
