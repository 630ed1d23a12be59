//! PowerShell endpoints of this machine, for a service in one process.

use config::{Config, EndpointName};
use plugin_config::EndpointList;

/// Endpoints of the installed versions of PowerShell and of session configuration files.
pub(crate) struct InstalledEndpoints;

impl EndpointList for InstalledEndpoints {
    fn names(&self, config: &Config) -> Vec<EndpointName> {
        plugin_powershell::endpoints(config)
    }
}
