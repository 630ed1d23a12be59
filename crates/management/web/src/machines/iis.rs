//! Sites and application pools of the IIS of a machine.

use client::Session;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use webserver::{IisControl, WebServerError};

use super::iis_request::IisRequest;
use super::read_error::ReadError;
use super::reason::reason;
use super::task::{Failure, FailureKind};

/// Answers a request in a session with the machine.
pub(super) async fn answer(session: &Session, url: &str, request: IisRequest) -> Result<Value, ReadError> {
    let connection = iis::WindowsIis::on(Handle::current(), session.clone(), url, |error| reason(&error));
    let answered = tokio::task::spawn_blocking(move || perform(IisControl::new(&connection), &request)).await;
    match answered {
        Ok(result) => result.map_err(|error| ReadError::Failed(failure(&error))),
        Err(error) => Err(ReadError::Failed(Failure::new(FailureKind::Refused, error.to_string()))),
    }
}

fn perform(iis: IisControl<'_>, request: &IisRequest) -> Result<Value, WebServerError> {
    match request {
        IisRequest::Overview => iis.overview().map(|overview| json!(overview)),
        IisRequest::SetSiteState { site, state } => iis.set_site_state(site, *state).map(|site| json!(site)),
        IisRequest::ControlPool { pool, operation } => {
            iis.control_application_pool(pool, *operation).map(|pool| json!(pool))
        }
    }
}

fn failure(error: &WebServerError) -> Failure {
    let kind = match error {
        WebServerError::NotFound { .. } => FailureKind::NotFound,
        _ => FailureKind::Refused,
    };
    Failure::new(kind, error.to_string())
}
