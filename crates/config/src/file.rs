//! The text of the configuration file: TOML with the names of the tree, letter for letter.

mod edit;
mod literal;
mod places;
mod plugins;
mod read;

pub(crate) use edit::{edit, edit_preset};
pub(crate) use places::places;
pub(crate) use read::{line, read, scalar, shown};

use crate::{ListenerError, PluginError, SettingError};

/// The largest file that is looked at, in octets: 1 MiB.
pub(crate) const MAX_OCTETS: usize = 1 << 20;

/// The key of the preset, which stands beside the settings of the root.
const PRESET: &str = "Preset";
/// The key of the list of listeners.
const LISTENER: &str = "Listener";
/// The key of the list of plug-ins.
const PLUGIN: &str = "Plugin";
/// The key of the table of groups.
const GROUPS: &str = "Groups";
const ADDRESS: &str = "Address";
const TRANSPORT: &str = "Transport";

/// What is wrong in the text of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The text is not TOML.
    #[error("{0}: write TOML, such as Service.Auth.Basic = true")]
    Syntax(String),
    /// The file is larger than what is looked at.
    #[error("the file is larger than 1 MiB: remove what does not belong there")]
    TooLarge,
    /// A setting has a name or value that it cannot have.
    #[error(transparent)]
    Setting(SettingError),
    /// A listener cannot be as it is written.
    #[error(transparent)]
    Listener(ListenerError),
    /// A plug-in cannot be as it is written.
    #[error("Plugin: {0}")]
    Plugin(PluginError),
    /// There is no such preset.
    #[error("Preset: {0} is no preset: write \"telarch\" or \"winrm-2.0\"")]
    Preset(String),
}

/// What is wrong, and in which line.
#[derive(Debug)]
pub(crate) struct Mistake {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) error: FileError,
}
