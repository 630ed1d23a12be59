//! Files of the collector's service.

use std::env;
use std::path::{Path, PathBuf};

use config::Paths;
use eventing::{SourcePasswords, SubscriptionFolder};

use super::error::ToolError;

/// Files of the collector's service.
#[derive(Clone, Debug)]
pub struct Places {
    /// Settings file.
    pub(crate) settings: PathBuf,
    /// Subscriptions, next to the settings, and passwords of sources in the state directory.
    pub(crate) subscriptions: SubscriptionFolder,
    /// Folder of the collector in the state directory.
    pub(crate) collector: PathBuf,
    /// File with the database of the collector.
    pub(crate) store: PathBuf,
    /// Whether this is the machine's service in its usual places.
    pub(crate) is_of_machine: bool,
}

impl Places {
    /// Returns the files of the service that belongs to the user of this process: the machine's for root, otherwise the
    /// user's own. The environment variables `TELARCH_CONFIG` and `TELARCH_STATE` name other files.
    ///
    /// # Errors
    /// [`ToolError::NoHome`] if the environment names no home directory.
    pub fn of_this_process() -> Result<Self, ToolError> {
        let own = Paths::of_this_process();
        let config = env::var_os("TELARCH_CONFIG").map(PathBuf::from);
        let state = env::var_os("TELARCH_STATE").map(PathBuf::from);
        let is_own = config.is_none() && state.is_none();
        let config = config.or_else(|| own.as_ref().map(|paths| paths.config.clone()));
        let state = state.or_else(|| own.map(|paths| paths.state));
        let (Some(config), Some(state)) = (config, state) else { return Err(ToolError::NoHome) };
        let is_of_machine = is_own && rustix::process::geteuid().is_root();
        Ok(Self { is_of_machine, ..Self::new(&config, &state) })
    }

    /// Returns the files of a service with this settings file and state directory.
    #[must_use]
    pub fn new(settings: &Path, state: &Path) -> Self {
        let paths = Paths::new(settings, state);
        Self {
            settings: paths.config,
            subscriptions: SubscriptionFolder::new(
                paths.event_subscriptions,
                SourcePasswords::of_state(&paths.state),
            ),
            collector: paths.state.join("events"),
            store: paths.event_store,
            is_of_machine: false,
        }
    }
}
