//! The configuration file: TOML with the names of `winrm/config`.

mod assignment;
mod edit;
mod literal;
mod plugins;
mod read;
mod setting_lines;

pub use edit::{edit, edit_preset};
pub use read::read;
pub(crate) use setting_lines::setting_lines;

use crate::FileError;

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

/// Error with the line of the file.
#[derive(Debug)]
pub struct LocatedError {
    /// Line number, counted from 1.
    pub line: usize,
    /// The error.
    pub error: FileError,
}
