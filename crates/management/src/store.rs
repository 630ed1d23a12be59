//! Files of the service.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use files::{Attributes, replace};
use serde_json::Value;

use crate::{ManagementError, Settings};

/// Directories of the service: settings and users in one, everything that it writes by itself in the other.
#[derive(Clone, Debug)]
pub struct Directory {
    settings: PathBuf,
    state: PathBuf,
}

impl Directory {
    /// Names the two directories, which may be the same.
    pub fn new(settings: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Self {
        Self { settings: settings.into(), state: state.into() }
    }

    /// Directory of everything that the service writes by itself.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Path of the settings file.
    #[must_use]
    pub fn settings_file(&self) -> PathBuf {
        self.settings.join("management.toml")
    }

    /// Path of the account file of the manager users.
    #[must_use]
    pub fn users(&self) -> PathBuf {
        self.settings.join("management-users")
    }

    /// Path of the permissions.
    #[must_use]
    pub fn permissions(&self) -> PathBuf {
        self.settings.join("management-permissions.json")
    }

    /// Path of the delegation states.
    #[must_use]
    pub fn delegation(&self) -> PathBuf {
        self.settings.join("management-delegation.json")
    }

    /// Path of the deployment rules.
    #[must_use]
    pub fn deployment_rules(&self) -> PathBuf {
        self.settings.join("management-deployment-rules.json")
    }

    /// Path of the machines that users have added.
    #[must_use]
    pub fn machines(&self) -> PathBuf {
        self.state.join("management-machines.json")
    }

    /// Directory of archives that are being uploaded.
    #[must_use]
    pub fn uploads(&self) -> PathBuf {
        self.state.join("management-uploads")
    }

    /// Path of the API keys.
    #[must_use]
    pub fn api_keys(&self) -> PathBuf {
        self.state.join("management-keys.json")
    }

    /// Path of the self-signed certificate with its key.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.state.join("management-certificate.pem")
    }

    /// Path of the audit log.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.state.join("management-audit.jsonl")
    }

    /// Default directory of the request log.
    #[must_use]
    pub fn request_log(&self) -> PathBuf {
        self.state.join("wmsvc")
    }

    /// Directory of the web server's history.
    #[must_use]
    pub fn history(&self) -> PathBuf {
        self.state.join("web-history")
    }

    /// Directory of the history of another machine's IIS.
    #[must_use]
    pub fn iis_history(&self, machine: &str) -> PathBuf {
        self.history().join("iis").join(folder_name(machine))
    }

    /// Reads the settings; a missing file means the defaults.
    ///
    /// # Errors
    /// [`ManagementError`] if the file cannot be read or has invalid content.
    pub fn read_settings(&self) -> Result<Settings, ManagementError> {
        let path = self.settings_file();
        let text = read_text(&path)?.unwrap_or_default();
        Settings::from_toml(&text)
            .map_err(|problem| ManagementError::Content { path, problem: problem.to_string() })
    }

    /// Writes the settings, keeping the comments of the file.
    ///
    /// # Errors
    /// [`ManagementError`] if the file cannot be read or written.
    pub fn write_settings(&self, settings: &Settings) -> Result<(), ManagementError> {
        let path = self.settings_file();
        let text = settings.to_toml(&read_text(&path)?.unwrap_or_default())?;
        write_file(&path, text.as_bytes())
    }
}

/// Returns the name of a machine as the name of a folder. Other characters are written as in URLs.
fn folder_name(machine: &str) -> String {
    let mut name = String::new();
    for byte in machine.to_ascii_lowercase().bytes() {
        let is_first_dot = byte == b'.' && name.is_empty();
        if byte.is_ascii_alphanumeric() || (b"-_.".contains(&byte) && !is_first_dot) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

/// Reads a text file of at most 16 MiB; `None` if it does not exist.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, ManagementError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, error)),
        Ok(metadata) if !metadata.is_file() || metadata.len() > MAX_FILE => {
            return Err(unreadable(path, io::ErrorKind::InvalidData.into()));
        }
        Ok(_) => {}
    }
    fs::read_to_string(path).map(Some).map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, source: io::Error) -> ManagementError {
    ManagementError::Disk { action: "read", path: path.to_owned(), source }
}

/// Reads a JSON file; `None` if it does not exist.
pub(crate) fn read_json(path: &Path) -> Result<Option<Value>, ManagementError> {
    let Some(text) = read_text(path)? else { return Ok(None) };
    let value = serde_json::from_str(&text);
    value.map(Some).map_err(|error| ManagementError::Content {
        path: path.to_owned(),
        problem: format!("not JSON: {error}"),
    })
}

/// Replaces a JSON file, which only the service can read.
pub(crate) fn write_json(path: &Path, value: &Value) -> Result<(), ManagementError> {
    write_file(path, format!("{value:#}\n").as_bytes())
}

/// Replaces a file, which only the service can read.
pub(crate) fn write_file(path: &Path, content: &[u8]) -> Result<(), ManagementError> {
    replace(path, content, Attributes::PRIVATE).map_err(|source| ManagementError::Disk {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

const MAX_FILE: u64 = 16 * 1_024 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_machines_are_inside_their_parent() {
        for (machine, name) in [
            ("Web1.corp", "web1.corp"),
            ("..", "%2E."),
            ("http://a:80/x", "http%3A%2F%2Fa%3A80%2Fx"),
            ("../a", "%2E.%2Fa"),
        ] {
            assert_eq!(folder_name(machine), name);
        }
    }
}
