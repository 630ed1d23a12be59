//! Operations on the IIS of a machine.

use client::Session;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use webserver::WebAdministration as _;

use super::iis_request::IisRequest;
use super::read_error::ReadError;
use super::reason::reason;
use super::task::{Failure, FailureKind};

/// Performs operations in a session with the machine. The value is a `Result`, or one for each call.
pub(super) async fn answer(session: &Session, url: &str, request: IisRequest) -> Result<Value, ReadError> {
    let connection = iis::WindowsIis::on(Handle::current(), session.clone(), url, |error| reason(&error));
    let answered = tokio::task::spawn_blocking(move || match request {
        IisRequest::Enumerate { class } => json!(connection.enumerate(&class)),
        IisRequest::Call { calls } => json!(connection.call(&calls)),
    });
    answered.await.map_err(|error| ReadError::Failed(Failure::new(FailureKind::Refused, error.to_string())))
}
