//! Client settings (`winrm/config/client`), read from their configuration files.

use std::path::PathBuf;

use config::{ClientFiles, ClientFilesError, PolicyValue};

use crate::failure::{Failure, Kind};

/// Client settings; the files are read when the settings are first needed.
#[derive(Clone, Debug)]
pub struct ClientSettings(Origin);

#[derive(Clone, Debug)]
enum Origin {
    Files(ClientFiles),
    Memory(Box<config::Client>),
}

/// Environment variable that names a file to use instead of the machine and user files.
pub const CONFIG_VARIABLE: &str = ClientFiles::VARIABLE;

impl ClientSettings {
    /// Returns the settings of this process; see [`ClientFiles::of_this_process`].
    #[must_use]
    pub fn of_this_process() -> Self {
        Self(Origin::Files(ClientFiles::of_this_process()))
    }

    /// Returns the settings of one file, which must exist.
    #[must_use]
    pub fn of_file(path: impl Into<PathBuf>) -> Self {
        Self(Origin::Files(ClientFiles::named(path)))
    }

    /// Returns settings that are not read from files.
    #[must_use]
    pub fn new(client: config::Client) -> Self {
        Self(Origin::Memory(Box::new(client)))
    }

    /// Reads the settings.
    ///
    /// # Errors
    /// A [`Failure`] for a file that cannot be read or parsed. Defaults are not used in its place, because the file may
    /// forbid what the defaults allow.
    pub(crate) fn read(&self) -> Result<config::Client, Failure> {
        let files = match &self.0 {
            Origin::Memory(client) => return Ok((**client).clone()),
            Origin::Files(files) => files,
        };
        files.read().map_err(|error| {
            let failure = Failure::here(Kind::Usage, format!("cannot read the client settings: {error}"));
            match error {
                ClientFilesError::Missing { .. } => failure.advise(format!(
                    "the variable {CONFIG_VARIABLE} names this file; unset it to use the default files"
                )),
                _ => failure,
            }
        })
    }

    /// Returns the policy that sets a setting; such a setting cannot be changed in the files.
    ///
    /// # Errors
    /// A [`Failure`] for policies that cannot be read or parsed.
    pub(crate) fn policy_for(&self, setting: &str) -> Result<Option<PolicyValue>, Failure> {
        let Origin::Files(files) = &self.0 else { return Ok(None) };
        let policies = files.policies().map_err(|error| Failure::here(Kind::Usage, error.to_string()))?;
        let setting = config::Setting::find(setting).ok();
        Ok(setting.and_then(|setting| policies.of_setting(setting).cloned()))
    }

    /// Returns the settings file that the user of this process may write.
    pub(crate) fn own_file(&self) -> Option<&PathBuf> {
        match &self.0 {
            Origin::Files(files) => files.own(),
            Origin::Memory(_) => None,
        }
    }
}
