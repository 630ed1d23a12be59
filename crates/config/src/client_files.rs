//! Where the settings of clients on this machine are kept: `winrm/config/client`.

use std::path::PathBuf;

use crate::{Client, Config, Paths, Policies, StoreError};

/// The files that hold for a process; nothing is read before they are needed.
///
/// The file of the machine comes first, then that of the user, who decides for programs of their own: what a later
/// file names wins. A file that is not there names nothing. Policy wins over all of them, that of the machine last:
/// the folder `policy.d` beside each file, and that of the machine whatever file is named.
#[derive(Clone, Debug)]
pub struct ClientFiles(Origin);

#[derive(Clone, Debug)]
enum Origin {
    /// The last is that of the user of this process.
    Usual(Vec<PathBuf>),
    /// The one that somebody named, so that it must be there.
    Named(PathBuf),
}

/// Why the settings of clients cannot be read: what they would forbid is not known then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientFilesError {
    /// The file that somebody named is not there.
    #[error("there is no {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file or a policy cannot be read or understood.
    #[error(transparent)]
    Unreadable(#[from] StoreError),
}

impl ClientFiles {
    /// The variable that names another file than those of the machine and its user.
    pub const VARIABLE: &str = "TELARCH_CLIENT_CONFIG";

    /// Those that hold for this process: the file that [`Self::VARIABLE`] names, else those of the machine and its
    /// user. Root has those of the machine only.
    #[must_use]
    pub fn of_this_process() -> Self {
        if let Some(path) = std::env::var_os(Self::VARIABLE).filter(|path| !path.is_empty()) {
            return Self(Origin::Named(path.into()));
        }
        let machine = Paths::of_machine().config;
        let own = Paths::of_this_process().map(|paths| paths.config).filter(|own| *own != machine);
        Self(Origin::Usual(std::iter::once(machine).chain(own).collect()))
    }

    /// One file, which must be there.
    #[must_use]
    pub fn named(path: impl Into<PathBuf>) -> Self {
        Self(Origin::Named(path.into()))
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`ClientFilesError`].
    pub fn read(&self) -> Result<Client, ClientFilesError> {
        if let Origin::Named(path) = &self.0
            && !path.exists()
        {
            return Err(ClientFilesError::Missing { path: path.clone() });
        }
        Ok(Config::of_files(self.files(), &self.policies()?)?.client)
    }

    /// What governs them.
    ///
    /// # Errors
    /// [`StoreError`] for a policy that cannot be read, believed or understood.
    pub fn policies(&self) -> Result<Policies, StoreError> {
        let machine = Paths::of_machine().policies;
        let beside =
            self.files().iter().map(|file| Policies::folder_beside(file)).filter(|folder| *folder != machine);
        Policies::of_folders(beside.chain([machine.clone()]))
    }

    /// The file in which the user of this process may write settings.
    #[must_use]
    pub fn own(&self) -> Option<&PathBuf> {
        self.files().last()
    }

    fn files(&self) -> &[PathBuf] {
        match &self.0 {
            Origin::Usual(files) => files,
            Origin::Named(file) => std::slice::from_ref(file),
        }
    }
}
