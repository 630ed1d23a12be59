//! Directories of the service's files.

use std::fmt::Display;

use cli_command::{Arguments, Failure, paths};
use management::Directory;

use crate::DIRECTORY;

/// Returns the directories of the files. The directory of the settings is created if `if_missing` requires it.
pub(crate) fn directory(arguments: &Arguments, if_missing: paths::IfMissing) -> Result<Directory, Failure> {
    if let Some(path) = arguments.path(&DIRECTORY) {
        return Ok(Directory::new(path.clone(), path));
    }
    Ok(Directory::new(paths::settings_directory(if_missing)?, paths::state_directory()?))
}

/// Returns a failure without a remedy of its own.
pub(crate) fn failed(error: impl Display) -> Failure {
    Failure::Failed(error.to_string())
}
