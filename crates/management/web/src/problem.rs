//! Errors of the API (RFC 9457).

use std::time::Duration;

use management::{ManagementError, PoolUnitError};
use serde_json::{Value, json};
use webserver::WebServerError;

use crate::reply::{Content, Reply};

/// A failed request.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    /// Sub-status of IIS, for the request log.
    pub(crate) substatus: u16,
    /// Error code of Windows, for the request log.
    pub(crate) win32: u32,
    /// Last part of the problem type.
    pub(crate) kind: &'static str,
    pub(crate) detail: String,
    /// Members in addition to those of the standard.
    pub(crate) more: Value,
    pub(crate) retry_after: Option<Duration>,
    /// Text for the audit log.
    pub(crate) audit: String,
}

impl Problem {
    /// Returns a problem with a status, the last part of its type, and a description for people.
    pub(crate) fn new(status: u16, kind: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let more = json!({});
        Self { status, substatus: 0, win32: 0, kind, detail, more, retry_after: None, audit: String::new() }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(400, "invalid-request", detail)
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(404, "not-found", format!("{what} not found"))
    }

    /// Signed in, but not permitted for this object (401.2 on Windows; 403 here, because the credentials are right).
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self { substatus: 2, win32: 5, ..Self::new(403, "forbidden", detail) }
    }

    /// No credentials yet.
    pub(crate) fn sign_in_required() -> Self {
        let problem =
            Self::new(401, "sign-in-required", "sign in with POST /api/v1/session or send an API key");
        Self { substatus: 2, ..problem }
    }

    /// Wrong credentials; the text does not depend on the reason.
    pub(crate) fn sign_in_failed() -> Self {
        let problem = Self::new(401, "sign-in-failed", SIGN_IN_FAILED);
        Self { substatus: 1, win32: LOGON_FAILURE, ..problem }
    }

    /// Too many failed sign-ins.
    pub(crate) fn locked_out(retry_after: Duration) -> Self {
        let problem = Self::new(429, "sign-in-failed", SIGN_IN_FAILED);
        Self { substatus: 1, win32: LOGON_FAILURE, retry_after: Some(retry_after), ..problem }
    }

    /// The client's address is refused.
    pub(crate) fn address_refused(detail: &str) -> Self {
        Self { substatus: 6, win32: 5, ..Self::new(403, "address-refused", detail) }
    }

    /// Adds a member to the problem.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        if let Some(members) = self.more.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
        self
    }

    /// Sets the text for the audit log.
    pub(crate) fn audited(self, audit: impl Into<String>) -> Self {
        Self { audit: audit.into(), ..self }
    }

    /// Returns the response.
    pub(crate) fn reply(&self) -> Reply {
        let mut body = self.more.clone();
        if let Some(body) = body.as_object_mut() {
            body.insert("type".to_owned(), json!(format!("urn:telarch:problem:{}", self.kind)));
            body.insert("title".to_owned(), json!(self.kind.replace('-', " ")));
            body.insert("status".to_owned(), json!(self.status));
            body.insert("detail".to_owned(), json!(self.detail));
        }
        let mut reply = Reply::new(self.status, Content::Problem(body)).audited(self.audit.clone());
        if let Some(time) = self.retry_after {
            reply = reply.header("retry-after", time.as_secs().to_string());
        }
        reply
    }
}

impl From<ManagementError> for Problem {
    fn from(error: ManagementError) -> Self {
        let detail = error.to_string();
        match error {
            ManagementError::NotFound { .. } => Self::new(404, "not-found", detail),
            ManagementError::TooMany { .. } => Self::new(409, "limit-reached", detail),
            ManagementError::Change(_) => Self::new(409, "conflict", detail),
            ManagementError::Name(_) | ManagementError::Password(_) | ManagementError::Invalid(_) => {
                Self::invalid(detail)
            }
            _ => Self::internal("the files of the management service", &detail),
        }
    }
}

impl From<PoolUnitError> for Problem {
    fn from(error: PoolUnitError) -> Self {
        let detail = error.to_string();
        match error {
            PoolUnitError::NotFound(_) => Self::new(409, "no-unit", detail),
            PoolUnitError::NotRunning(_) => Self::new(409, "conflict", detail),
            PoolUnitError::Failed { .. } => Self::new(422, "unit-failed", detail),
            PoolUnitError::Bus { .. } => Self::new(503, "unavailable", detail),
        }
    }
}

impl From<WebServerError> for Problem {
    fn from(error: WebServerError) -> Self {
        let detail = error.to_string();
        match error {
            WebServerError::Conflict { current } => {
                Self::new(412, "revision-conflict", detail).with("revision", json!(current.to_string()))
            }
            WebServerError::Rejected(validation) => {
                let locations: Vec<_> =
                    validation.problems.iter().filter_map(|problem| problem.position.as_ref()).collect();
                let problem = Self::new(422, "configuration-rejected", detail);
                problem.with("locations", json!(locations)).with("validation", json!(validation))
            }
            WebServerError::Syntax { file, line, .. } => {
                let locations = json!([{ "file": file, "line": line }]);
                Self::new(422, "configuration-syntax", detail).with("locations", locations)
            }
            WebServerError::NotFound { .. } => Self::new(404, "not-found", detail),
            WebServerError::Exists { .. } => Self::new(409, "conflict", detail),
            WebServerError::Outside { .. } => Self::forbidden(detail),
            WebServerError::Impossible { .. } | WebServerError::Scope { .. } => {
                Self::new(422, "change-not-possible", detail)
            }
            WebServerError::Value(_) | WebServerError::Limit { .. } => Self::invalid(detail),
            WebServerError::Windows { .. } => Self::new(422, "machine-refused", detail),
            WebServerError::NotRunning
            | WebServerError::Unreachable { .. }
            | WebServerError::Control { .. } => Self::new(409, "web-server-control", detail),
            _ => Self::internal("the web server's files", &detail),
        }
    }
}

impl Problem {
    /// A failure of this machine: details are for administrators, in the log.
    pub(crate) fn internal(what: &str, detail: &str) -> Self {
        tracing::error!(error = detail, "Request failed");
        Self::new(500, "internal", format!("cannot use {what}; the log of the service has the reason"))
    }
}

const SIGN_IN_FAILED: &str = "the user name or password is wrong, or the account cannot be used now";
/// ERROR_LOGON_FAILURE.
const LOGON_FAILURE: u32 = 1_326;
