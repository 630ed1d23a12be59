//! Sites and application pools of the IIS of a machine.

use client::Session;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use webserver::{IisControl, PoolOperation, SiteId, SiteState, WebServerError};

use super::read_error::ReadError;
use super::reason::reason;
use super::task::{Failure, FailureKind};

/// Request for the IIS of a machine.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IisRequest {
    /// Lists sites and application pools with their states.
    Overview,
    /// Starts or stops a site.
    SetSiteState { site: SiteId, state: SiteState },
    /// Starts, stops or recycles an application pool.
    ControlPool { pool: String, operation: PoolOperation },
}

/// Answers a request in a session with the machine.
pub(super) async fn answer(session: &Session, url: &str, request: IisRequest) -> Result<Value, ReadError> {
    let connection = iis::WindowsIis::on(Handle::current(), session.clone(), url, |error| reason(&error));
    let work = move || perform(IisControl::new(&connection), &request);
    match tokio::task::spawn_blocking(work).await {
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
