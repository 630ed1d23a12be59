//! Responses of receivers of OpenTelemetry.

use metrics::ExportResponse;

/// Checks any bytes as the body of a response.
///
/// A message for the log is one short line, whatever the receiver sends.
///
/// # Panics
/// If this property does not hold.
pub fn otlp_response(data: &[u8]) {
    let accepted = ExportResponse::parse(data).map(|response| response.message);
    for message in accepted.into_iter().chain(ExportResponse::failure_message(data)) {
        assert!(message.chars().count() <= ExportResponse::MAX_MESSAGE, "{message}");
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }
}
