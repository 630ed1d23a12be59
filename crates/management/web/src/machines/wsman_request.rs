//! Requests for the WS-Management service of a machine.

use serde::{Deserialize, Serialize};

use crate::wsman_change::WsManChange;

/// Request for the WS-Management service of a machine.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WsManRequest {
    /// Reads configuration, listeners, shells and mappings of client certificates.
    Read,
    /// Changes the configuration, or returns the values that the change sets.
    Change { change: WsManChange, is_preview: bool },
    /// Ends a shell.
    EndShell { shell: String },
}
