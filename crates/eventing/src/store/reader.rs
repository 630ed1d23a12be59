//! Reading the store beside running collectors.

use super::StoreSettings;
use super::postgres::DatabaseReader;
use super::sqlite::FileReader;
use super::stored::{StoredSource, StoredSubscription};
use crate::error::CollectorError;

/// Store of a collector, opened by another program. Its functions block the thread, which must not be one of a runtime.
pub struct StoreReader(Reader);

enum Reader {
    File(FileReader),
    Database(Box<DatabaseReader>),
}

impl StoreReader {
    /// Opens a store; returns `None` if it does not exist.
    ///
    /// # Errors
    /// [`CollectorError`] if it cannot be read, is not a store, or was written by a later version.
    pub fn open(settings: &StoreSettings) -> Result<Option<Self>, CollectorError> {
        let reader = match settings {
            StoreSettings::File(path) => FileReader::open(path)?.map(Reader::File),
            StoreSettings::Database { settings, .. } => {
                DatabaseReader::open(settings)?.map(Box::new).map(Reader::Database)
            }
        };
        Ok(reader.map(Self))
    }

    /// Returns all subscriptions, by name.
    ///
    /// # Errors
    /// [`CollectorError`] if the store cannot be read.
    pub fn subscriptions(&self) -> Result<Vec<StoredSubscription>, CollectorError> {
        match &self.0 {
            Reader::File(reader) => reader.subscriptions(),
            Reader::Database(reader) => reader.subscriptions(),
        }
    }

    /// Returns all sources with their states, by name.
    ///
    /// # Errors
    /// [`CollectorError`] if the store cannot be read.
    pub fn sources(&self) -> Result<Vec<StoredSource>, CollectorError> {
        match &self.0 {
            Reader::File(reader) => reader.sources(),
            Reader::Database(reader) => reader.sources(),
        }
    }

    /// Removes the bookmarks of sources with these identifiers, so that the next one that they send is stored even if it
    /// is older. Returns the number of subscriptions of these sources.
    ///
    /// # Errors
    /// [`CollectorError`] if the store cannot be written.
    pub fn reset(&self, sources: &[String]) -> Result<u64, CollectorError> {
        match &self.0 {
            Reader::File(reader) => reader.reset(sources),
            Reader::Database(reader) => reader.reset(sources),
        }
    }
}
