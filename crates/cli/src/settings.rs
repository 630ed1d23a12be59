//! The settings of clients on this machine: `winrm/config/client`, read from where they are kept.

use std::path::PathBuf;

use config::{Config, Paths, Policies, StoreError};

use crate::failure::{Failure, Kind};

/// Where the settings of clients are; nothing is read before they are needed.
///
/// The file of the machine comes first, then that of the user, who decides for programs of their own: what a later
/// file names wins. A file that is not there names nothing. Policy wins over all of them, that of the machine last:
/// the folder `policy.d` beside each file, and that of the machine whatever file is named.
#[derive(Clone, Debug)]
pub struct ClientSettings(Origin);

#[derive(Clone, Debug)]
enum Origin {
    /// The last is that of the user of this process.
    Files(Vec<PathBuf>),
    /// The one that somebody named, so that it must be there.
    Named(PathBuf),
    Given(Box<config::Client>),
}

/// The variable that names another file than those of the machine and its user.
pub const CONFIG_VARIABLE: &str = "TELARCH_CLIENT_CONFIG";

impl ClientSettings {
    /// Those that hold for this process: of the file that [`CONFIG_VARIABLE`] names, else of the machine and its
    /// user. Root has those of the machine only.
    #[must_use]
    pub fn of_this_process() -> Self {
        if let Some(path) = std::env::var_os(CONFIG_VARIABLE).filter(|path| !path.is_empty()) {
            return Self(Origin::Named(path.into()));
        }
        let machine = Paths::of_machine().config;
        let own = Paths::of_this_process().map(|paths| paths.config).filter(|own| *own != machine);
        Self(Origin::Files(std::iter::once(machine).chain(own).collect()))
    }

    /// Those of one file, which must be there.
    #[must_use]
    pub fn of_file(path: impl Into<PathBuf>) -> Self {
        Self(Origin::Named(path.into()))
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
        let all = match &self.0 {
            Origin::Given(client) => return Ok((**client).clone()),
            Origin::Files(files) => self.policies().and_then(|policies| Config::of_files(files, &policies)),
            Origin::Named(file) if !file.exists() => {
                let message =
                    format!("the settings of clients cannot be read: there is no {}", file.display());
                let failure = Failure::here(Kind::Usage, message);
                return Err(failure.advise(format!(
                    "{CONFIG_VARIABLE} names the file; without it the usual ones are read"
                )));
            }
            Origin::Named(file) => self.policies().and_then(|policies| Config::of_files([file], &policies)),
        };
        all.map(|all| all.client).map_err(|error| {
            Failure::here(Kind::Usage, format!("the settings of clients cannot be read: {error}"))
        })
    }

    /// What governs them; later folders win.
    fn policies(&self) -> Result<Policies, StoreError> {
        let own: &[PathBuf] = match &self.0 {
            Origin::Files(files) => files,
            Origin::Named(file) => std::slice::from_ref(file),
            Origin::Given(_) => &[],
        };
        let machine = Paths::of_machine().policies;
        let beside = own.iter().map(|file| Policies::folder_beside(file)).filter(|folder| *folder != machine);
        Policies::of_folders(beside.chain([machine.clone()]))
    }

    /// The file in which the user of this process may write settings.
    pub(crate) fn own_file(&self) -> Option<&PathBuf> {
        match &self.0 {
            Origin::Files(files) => files.last(),
            Origin::Named(file) => Some(file),
            Origin::Given(_) => None,
        }
    }
}
