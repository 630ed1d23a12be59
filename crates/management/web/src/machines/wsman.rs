//! Configuration and shells of the WS-Management service of a machine.

use client::Session;
use serde_json::{Value, json};

use super::read_error::ReadError;
use super::reading;
use super::task::{Failure, FailureKind};
use super::wsman_request::WsManRequest;
use crate::wsman_change::WsManChangeError;
use crate::wsman_resource;

/// Answers a request in a session with the machine.
pub(super) async fn answer(session: &Session, request: WsManRequest) -> Result<Value, ReadError> {
    match request {
        WsManRequest::Read => Ok(reading::wsman_parts(session).await?),
        WsManRequest::Change { change, is_preview } => {
            let values = change.make(session, is_preview).await?;
            // The file is on the machine, which shows only values.
            Ok(json!({ "values": values, "diffs": [] }))
        }
        WsManRequest::EndShell { shell } => {
            let ended = wsman_resource::end_shell(session, &shell).await?;
            ended.map(|_| Value::Null).ok_or_else(|| ReadError::not_found("shell not found"))
        }
    }
}

impl From<WsManChangeError> for ReadError {
    fn from(error: WsManChangeError) -> Self {
        match error {
            WsManChangeError::Client(error) => Self::Client(error),
            other => Self::Failed(Failure::new(FailureKind::Refused, other.to_string())),
        }
    }
}
