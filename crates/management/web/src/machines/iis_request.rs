//! Requests for the IIS of a machine.

use serde::{Deserialize, Serialize};
use webserver::{PoolOperation, SiteId, SiteState};

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
