//! Syslog messages (RFC 5424) with their length in front (RFC 5425 4.3, RFC 6587 3.4.1).

use serde_json::Value;

/// Returns an event as a syslog message with its length. The message is the JSON of the event.
pub(super) fn frame(line: &str) -> Vec<u8> {
    let event: Value = serde_json::from_str(line).unwrap_or_default();
    let priority = FACILITY * 8 + severity(number(&event, "/System/Level"), text(&event, "/System/Channel"));
    let computer = match text(&event, "/System/Computer") {
        "" => text(&event, "/Collector/Source"),
        name => name,
    };
    let id = number(&event, "/System/EventID").map(|id| id.to_string()).unwrap_or_default();
    let process = number(&event, "/System/Execution/ProcessID").map(|id| id.to_string()).unwrap_or_default();
    let message = format!(
        "<{priority}>1 {} {} {} {} {} - {line}",
        time(text(&event, "/System/TimeCreated")),
        field(computer, 255),
        field(text(&event, "/System/Provider/Name"), 48),
        field(&process, 128),
        field(&id, 32),
    );
    format!("{} {message}", message.len()).into_bytes()
}

fn text<'e>(event: &'e Value, path: &str) -> &'e str {
    event.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn number(event: &Value, path: &str) -> Option<u64> {
    event.pointer(path).and_then(Value::as_u64)
}

fn printable(c: char) -> char {
    if c.is_ascii_graphic() { c } else { '_' }
}

/// Returns the severity of a level (RFC 5424 6.2.1): critical, error, warning, informational or debug.
fn severity(level: Option<u64>, channel: &str) -> u8 {
    match level {
        Some(1) => 2,
        Some(2) => 3,
        Some(3) => 4,
        Some(5) => 7,
        // Audit events have the level 0.
        _ if channel == "Security" => 5,
        _ => 6,
    }
}

/// Returns a header field (RFC 5424 6.2): printable ASCII without spaces, or `-`.
fn field(text: &str, longest: usize) -> String {
    let field: String = text.trim().chars().take(longest).map(printable).collect();
    if field.is_empty() { "-".to_owned() } else { field }
}

/// Returns a time with at most six digits of a second (RFC 5424 6.2.3), or `-`.
fn time(text: &str) -> String {
    let Some(whole) = text.strip_suffix('Z') else { return "-".to_owned() };
    let Some((seconds, fraction)) = whole.split_once('.') else { return field(text, 32) };
    let fraction: String = fraction.chars().take(6).collect();
    field(&format!("{seconds}.{fraction}Z"), 32)
}

/// Facility "log audit" (RFC 5424 6.2.1).
const FACILITY: u8 = 13;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_message_of_rfc_5424() {
        let line = r#"{"Collector":{"Source":"w"},"System":{"Provider":{"Name":"Service Control Manager"},"EventID":7036,"Level":2,"TimeCreated":"2026-01-02T03:04:05.1234567Z","Execution":{"ProcessID":612,"ThreadID":1},"Channel":"System","Computer":"win10"}}"#;
        let message = String::from_utf8(frame(line)).unwrap();
        let (length, message) = message.split_once(' ').unwrap();
        assert_eq!(length.parse(), Ok(message.len()));
        let header = "<107>1 2026-01-02T03:04:05.123456Z win10 Service_Control_Manager 612 7036 - {";
        assert!(message.starts_with(header), "{message}");
        assert!(message.ends_with(line));
    }

    #[test]
    fn missing_fields_are_hyphens() {
        let message = String::from_utf8(frame("no JSON")).unwrap();
        assert_eq!(message, "26 <110>1 - - - - - - no JSON");
    }
}
