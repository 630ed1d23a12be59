//! Requests for the IIS of a machine.

use serde::{Deserialize, Serialize};
use webserver::CimCall;

/// Request for the IIS of a machine: an operation on its WMI namespace.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IisRequest {
    /// Returns all instances of a class.
    Enumerate { class: String },
    /// Performs calls that do not depend on each other.
    Call { calls: Vec<CimCall> },
}
