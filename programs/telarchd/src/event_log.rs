//! Local event logs as a resource.

use std::path::PathBuf;
use std::sync::Arc;

use eventlog::local::LogPaths;
use plugin_eventlog::EventLogPlugin;
use service::Plugin;

/// Creates the resource for the logs of this machine, or for another journal.
pub(crate) fn plugin(journal: Option<PathBuf>) -> Arc<dyn Plugin> {
    let paths = match journal {
        Some(journal) => LogPaths { journal: Some(journal), audit: None },
        None => LogPaths::of_this_machine(),
    };
    let computer = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Arc::new(EventLogPlugin::new(paths, computer))
}
