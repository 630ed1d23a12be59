//! Errors of files in TOML.

use crate::{ListenerError, PluginError, SettingError};

/// Error in the text of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The text is not valid TOML.
    #[error("invalid TOML: {0}; write settings as in Service.Auth.Basic = true")]
    Syntax(String),
    /// The file is larger than 1 MiB.
    #[error("the file is larger than 1 MiB; remove everything that is not configuration")]
    TooLarge,
    /// A setting is unknown or its value is invalid.
    #[error(transparent)]
    Setting(SettingError),
    /// A listener is invalid.
    #[error(transparent)]
    Listener(ListenerError),
    /// A plug-in is invalid.
    #[error("Plugin: {0}")]
    Plugin(PluginError),
    /// The preset is unknown.
    #[error("Preset: unknown preset {0}; use \"telarch\" or \"winrm-2.0\"")]
    Preset(String),
}
