//! Configuration files of clients (`winrm/config/client`).

use std::path::PathBuf;

use crate::{Client, Config, Paths, Policies, StoreError};

/// Configuration files that apply to a client process. They are read on demand.
///
/// The machine's file is read first, then the user's; a setting in the later file wins. A missing file sets nothing.
/// Policy overrides both: the folder `policy.d` beside each file, and last the machine's, which applies to explicitly
/// named files too.
#[derive(Clone, Debug)]
pub struct ClientFiles(Location);

#[derive(Clone, Debug)]
enum Location {
    /// Default files; the last one belongs to the user of this process.
    DefaultAccess(Vec<PathBuf>),
    /// Explicitly named file, which must exist.
    Named(PathBuf),
}

/// Error while reading the client configuration. The client cannot continue, because restrictions may be unknown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientFilesError {
    /// The explicitly named file does not exist.
    #[error("client configuration file {} does not exist", path.display())]
    Missing {
        /// Path of the file.
        path: PathBuf,
    },
    /// A configuration or policy file cannot be read or parsed.
    #[error(transparent)]
    Unreadable(#[from] StoreError),
}

impl ClientFiles {
    /// Environment variable with the path of a file that replaces the machine's and the user's.
    pub const VARIABLE: &str = "TELARCH_CLIENT_CONFIG";

    /// Returns the files for this process: the one named by [`Self::VARIABLE`], else the machine's and the user's.
    /// Root has only the machine's.
    #[must_use]
    pub fn of_this_process() -> Self {
        if let Some(path) = std::env::var_os(Self::VARIABLE).filter(|path| !path.is_empty()) {
            return Self(Location::Named(path.into()));
        }
        let machine = Paths::of_machine().config;
        let own = Paths::of_this_process().map(|paths| paths.config).filter(|own| *own != machine);
        Self(Location::DefaultAccess(std::iter::once(machine).chain(own).collect()))
    }

    /// Returns a single file, which must exist.
    #[must_use]
    pub fn named(path: impl Into<PathBuf>) -> Self {
        Self(Location::Named(path.into()))
    }

    /// PolicyKind and combines the files.
    ///
    /// # Errors
    /// [`ClientFilesError`] if a named file is missing, or a file or policy is invalid.
    pub fn read(&self) -> Result<Client, ClientFilesError> {
        if let Location::Named(path) = &self.0
            && !path.exists()
        {
            return Err(ClientFilesError::Missing { path: path.clone() });
        }
        Ok(Config::of_files(self.files(), &self.policies()?)?.client)
    }

    /// PolicyKind the policies that override the files.
    ///
    /// # Errors
    /// [`StoreError`] if a policy cannot be read or parsed, or its file is not trusted.
    pub fn policies(&self) -> Result<Policies, StoreError> {
        let machine = Paths::of_machine().policies;
        let beside =
            self.files().iter().map(|file| Policies::folder_beside(file)).filter(|folder| *folder != machine);
        Policies::of_folders(beside.chain([machine.clone()]))
    }

    /// Returns the file in which the user of this process may change settings.
    #[must_use]
    pub fn own(&self) -> Option<&PathBuf> {
        self.files().last()
    }

    fn files(&self) -> &[PathBuf] {
        match &self.0 {
            Location::DefaultAccess(files) => files,
            Location::Named(file) => std::slice::from_ref(file),
        }
    }
}
