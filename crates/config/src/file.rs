//! The configuration file: TOML with the names of `winrm/config`.

mod edit;
mod literal;
mod plugins;
mod read;
mod setting_lines;

pub(crate) use edit::{edit, edit_preset};
pub(crate) use read::{line, read, scalar, shown};
pub(crate) use setting_lines::setting_lines;

use crate::{ListenerError, PluginError, SettingError};

/// Maximum size of the file in bytes: 1 MiB.
pub(crate) const MAX_OCTETS: usize = 1 << 20;

/// Key of the preset, next to the settings of the root.
const PRESET: &str = "Preset";
/// Key of the list of listeners.
const LISTENER: &str = "Listener";
/// Key of the list of plug-ins.
const PLUGIN: &str = "Plugin";
/// Key of the table of groups.
const GROUPS: &str = "Groups";
const ADDRESS: &str = "Address";
const TRANSPORT: &str = "Transport";

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

/// Error with the line of the file.
#[derive(Debug)]
pub(crate) struct LocatedError {
    /// Line number, counted from 1.
    pub(crate) line: usize,
    pub(crate) error: FileError,
}
