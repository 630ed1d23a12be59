//! Place of the store.

use std::path::{Path, PathBuf};

use files::TrustedFile;

use super::DatabaseSettings;
use crate::error::CollectorError;

/// Place of the store.
#[derive(Clone, Debug)]
pub enum StoreSettings {
    /// SQLite in this file.
    File(PathBuf),
    /// PostgreSQL, which several collectors can share.
    Database {
        /// The database.
        settings: Box<DatabaseSettings>,
        /// File with the identifier of this collector, which is created if it is missing.
        node_file: PathBuf,
    },
}

impl StoreSettings {
    /// Returns the store of a service whose collector has this folder. `file` is the path and content of the
    /// administrator's file with the database, if there is one.
    ///
    /// # Errors
    /// [`CollectorError::DatabaseSettings`] for a file that is not valid.
    pub fn of_service(folder: &Path, file: Option<(&Path, &[u8])>) -> Result<Self, CollectorError> {
        match file {
            None => Ok(Self::File(folder.join("events.sqlite"))),
            Some((path, content)) => Ok(Self::Database {
                settings: Box::new(DatabaseSettings::parse(path, content)?),
                node_file: folder.join("node"),
            }),
        }
    }

    /// Returns the store of a service, and reads the administrator's file with the database if there is one.
    ///
    /// # Errors
    /// As [`of_service`](Self::of_service), and [`CollectorError::TrustedFile`] if the file cannot be read.
    pub fn read(folder: &Path, file: &Path) -> Result<Self, CollectorError> {
        let content = TrustedFile::private(file).read(DatabaseSettings::MAX_FILE)?;
        Self::of_service(folder, content.as_ref().map(|content| (file, content.as_slice())))
    }

    /// Name of the store in messages: the file, or the name and the hosts of the database.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Database { settings, .. } => settings.address.clone(),
        }
    }

    /// Returns the file of the store, if it is a file.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Database { .. } => None,
        }
    }
}
