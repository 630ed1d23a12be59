//! Answers of JetStream to published messages.

use serde_json::Value;

use crate::error::NatsError;

/// Answer of JetStream to a published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishAck {
    /// The stream has stored the message durably.
    Stored {
        /// Whether the stream had a message with this identifier already.
        is_duplicate: bool,
    },
    /// The message is larger than the stream permits.
    TooLarge,
    /// The stream has not stored the message.
    Refused(String),
}

impl PublishAck {
    /// Parses an answer.
    ///
    /// # Errors
    /// [`NatsError::NotAnAcknowledgement`] for any other content.
    pub fn parse(payload: &[u8]) -> Result<Self, NatsError> {
        let value: Value = serde_json::from_slice(payload).map_err(|_| NatsError::NotAnAcknowledgement)?;
        if let Some(error) = value.get("error") {
            if error.get("err_code").and_then(Value::as_u64) == Some(MESSAGE_TOO_LARGE) {
                return Ok(Self::TooLarge);
            }
            let reason = error.get("description").and_then(Value::as_str).unwrap_or("unknown error");
            return Ok(Self::Refused(reason.chars().take(MAX_REASON).collect()));
        }
        let stream = value.get("stream").and_then(Value::as_str).unwrap_or_default();
        let sequence = value.get("seq").and_then(Value::as_u64).unwrap_or_default();
        if stream.is_empty() || sequence == 0 {
            return Err(NatsError::NotAnAcknowledgement);
        }
        let is_duplicate = value.get("duplicate").and_then(Value::as_bool).unwrap_or_default();
        Ok(Self::Stored { is_duplicate })
    }
}

/// Code of JetStream: message size exceeds maximum allowed.
const MESSAGE_TOO_LARGE: u64 = 10_054;
/// Maximum length of a reason in characters.
const MAX_REASON: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stored_message_is_acknowledged() {
        let parse = |text: &str| PublishAck::parse(text.as_bytes());
        assert_eq!(parse(r#"{"stream":"S","seq":1}"#), Ok(PublishAck::Stored { is_duplicate: false }));
        let again = r#"{"stream":"S","seq":1,"duplicate":true}"#;
        assert_eq!(parse(again), Ok(PublishAck::Stored { is_duplicate: true }));
        let full = r#"{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"},"stream":"S","seq":0}"#;
        assert_eq!(parse(full), Ok(PublishAck::Refused("maximum messages exceeded".to_owned())));
        assert_eq!(parse(r#"{"error":{"code":400,"err_code":10054}}"#), Ok(PublishAck::TooLarge));
        for text in ["", "{}", "+ACK", r#"{"stream":"S"}"#, r#"{"seq":1}"#] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
