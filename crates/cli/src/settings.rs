//! The settings of clients on this machine: `winrm/config/client`, read from where they are kept.

use std::path::PathBuf;

use config::{ClientFiles, ClientFilesError, PolicyValue};

use crate::failure::{Failure, Kind};

/// The settings of clients; nothing is read before they are needed.
#[derive(Clone, Debug)]
pub struct ClientSettings(Origin);

#[derive(Clone, Debug)]
enum Origin {
    Files(ClientFiles),
    Given(Box<config::Client>),
}

/// The variable that names another file than those of the machine and its user.
pub const CONFIG_VARIABLE: &str = ClientFiles::VARIABLE;

impl ClientSettings {
    /// Those that hold for this process; see [`ClientFiles::of_this_process`].
    #[must_use]
    pub fn of_this_process() -> Self {
        Self(Origin::Files(ClientFiles::of_this_process()))
    }

    /// Those of one file, which must be there.
    #[must_use]
    pub fn of_file(path: impl Into<PathBuf>) -> Self {
        Self(Origin::Files(ClientFiles::named(path)))
    }

    /// These.
    #[must_use]
    pub fn new(client: config::Client) -> Self {
        Self(Origin::Given(Box::new(client)))
    }

    /// Reads them.
    ///
    /// # Errors
    /// A [`Failure`] for a file that cannot be read or understood: what it would forbid is not known then.
    pub(crate) fn read(&self) -> Result<config::Client, Failure> {
        let files = match &self.0 {
            Origin::Given(client) => return Ok((**client).clone()),
            Origin::Files(files) => files,
        };
        files.read().map_err(|error| {
            let failure =
                Failure::here(Kind::Usage, format!("the settings of clients cannot be read: {error}"));
            match error {
                ClientFilesError::Missing { .. } => failure
                    .advise(format!("{CONFIG_VARIABLE} names the file; without it the usual ones are read")),
                _ => failure,
            }
        })
    }

    /// What policy demands of a setting, which then nobody can change here.
    ///
    /// # Errors
    /// A [`Failure`] for policies that cannot be read or understood.
    pub(crate) fn governed(&self, setting: &str) -> Result<Option<PolicyValue>, Failure> {
        let Origin::Files(files) = &self.0 else { return Ok(None) };
        let policies = files.policies().map_err(|error| Failure::here(Kind::Usage, error.to_string()))?;
        let setting = config::Setting::find(setting).ok();
        Ok(setting.and_then(|setting| policies.of_setting(setting).cloned()))
    }

    /// The file in which the user of this process may write settings.
    pub(crate) fn own_file(&self) -> Option<&PathBuf> {
        match &self.0 {
            Origin::Files(files) => files.own(),
            Origin::Given(_) => None,
        }
    }
}
