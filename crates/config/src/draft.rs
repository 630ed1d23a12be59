//! Configuration that is being changed.

use crate::{Config, Groups, Listeners, Plugins};

/// Modifiable copy of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Settings.
    pub config: Config,
    /// Listeners.
    pub listeners: Listeners,
    /// Plug-ins.
    pub plugins: Plugins,
    /// Local groups that correspond to groups of Windows; changes are not saved.
    pub(crate) groups: Groups,
}
