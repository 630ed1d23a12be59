//! Responses to requests of the OpenTelemetry protocol (OTLP 1.x, "OTLP/HTTP Response").

use crate::protobuf::{Field, Fields};

/// Response to a request that the receiver has accepted, an `ExportMetricsServiceResponse`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportResponse {
    /// Number of data points that the receiver has rejected.
    pub rejected: u64,
    /// Reason for the rejection, or a warning if nothing was rejected; empty for neither.
    pub message: String,
}

/// Result of a request, as the service counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportOutcome {
    /// The receiver has accepted the request and rejected this number of its data points.
    Accepted {
        /// Number of rejected data points.
        rejected: u64,
    },
    /// The request could not be sent, or the receiver has refused it.
    Failed,
}

impl ExportResponse {
    /// Maximum length of a response that is read in bytes.
    pub const MAX_LENGTH: usize = 64 << 10;
    /// Maximum length of a message in characters.
    pub const MAX_MESSAGE: usize = 256;

    /// Parses the body of a response with the status 200. Returns `None` if it is invalid.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let mut response = Self::default();
        for field in Fields::of(body) {
            if let (1, Field::Bytes(partial_success)) = field.ok()? {
                for field in Fields::of(partial_success) {
                    match field.ok()? {
                        // A negative number is invalid.
                        (1, Field::Number(rejected)) => {
                            response.rejected = u64::try_from(rejected.cast_signed()).ok()?;
                        }
                        (2, Field::Bytes(message)) => response.message = shortened(message),
                        _ => {}
                    }
                }
            }
        }
        Some(response)
    }

    /// Returns the message in the body of a response with another status, a `google.rpc.Status`.
    #[must_use]
    pub fn failure_message(body: &[u8]) -> Option<String> {
        let mut message = None;
        for field in Fields::of(body) {
            if let (2, Field::Bytes(text)) = field.ok()? {
                message = Some(shortened(text));
            }
        }
        message.filter(|message| !message.is_empty())
    }
}

impl ExportOutcome {
    /// Length of an encoded outcome in bytes.
    pub const LENGTH: usize = 9;

    /// Encodes the outcome of the last request, if there was one.
    #[must_use]
    pub fn encode(last: Option<Self>) -> [u8; Self::LENGTH] {
        let (kind, rejected) = match last {
            None => (0, 0),
            Some(Self::Accepted { rejected }) => (1, rejected),
            Some(Self::Failed) => (2, 0),
        };
        let [a, b, c, d, e, f, g, h] = rejected.to_be_bytes();
        [kind, a, b, c, d, e, f, g, h]
    }

    /// Decodes an outcome; everything unknown is none.
    #[must_use]
    pub fn decode(bytes: [u8; Self::LENGTH]) -> Option<Self> {
        let [kind, rejected @ ..] = bytes;
        match kind {
            1 => Some(Self::Accepted { rejected: u64::from_be_bytes(rejected) }),
            2 => Some(Self::Failed),
            _ => None,
        }
    }
}

/// Returns the beginning of a text of the receiver, without control characters.
fn shortened(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let one_line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    one_line.take(ExportResponse::MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::Message;

    /// Returns a response with a `partial_success`.
    fn partial(rejected: u32, message: &str) -> Vec<u8> {
        let mut partial = Message::default();
        partial.number(1, rejected);
        partial.text(2, message);
        let mut response = Message::default();
        response.message(1, &partial);
        response.finish()
    }

    #[test]
    fn rejected_points_and_their_reason_are_read() {
        assert_eq!(ExportResponse::parse(b""), Some(ExportResponse::default()));
        let expected = ExportResponse { rejected: 7, message: "too old".to_owned() };
        assert_eq!(ExportResponse::parse(&partial(7, "too old")), Some(expected));
        let warning = ExportResponse { rejected: 0, message: "slow down".to_owned() };
        assert_eq!(ExportResponse::parse(&partial(0, "slow down")), Some(warning));
        for invalid in [&b"{}"[..], b"<html>", &[0x0A, 3, 0x08], &[0x0A, 0xFF]] {
            assert_eq!(ExportResponse::parse(invalid), None, "{invalid:?}");
        }
        let negative = [0x0A, 11, 0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];
        assert_eq!(ExportResponse::parse(&negative), None);
    }

    #[test]
    fn a_message_of_the_receiver_is_one_short_line() {
        let long = format!("a\nb\u{1b}[31m{}", "x".repeat(1_000));
        let response = ExportResponse::parse(&partial(1, &long)).unwrap();
        assert!(response.message.starts_with("a b [31mxx"), "{}", response.message);
        assert_eq!(response.message.chars().count(), ExportResponse::MAX_MESSAGE);
        let mut status = Message::default();
        status.number(1, 3);
        status.text(2, "no such tenant");
        let status = status.finish();
        assert_eq!(ExportResponse::failure_message(&status).as_deref(), Some("no such tenant"));
        assert_eq!(ExportResponse::failure_message(b"not found"), None);
        assert_eq!(ExportResponse::failure_message(b""), None);
    }

    #[test]
    fn outcomes_survive_their_codec() {
        for outcome in [
            None,
            Some(ExportOutcome::Failed),
            Some(ExportOutcome::Accepted { rejected: 0 }),
            Some(ExportOutcome::Accepted { rejected: u64::MAX }),
        ] {
            assert_eq!(ExportOutcome::decode(ExportOutcome::encode(outcome)), outcome);
        }
    }
}
