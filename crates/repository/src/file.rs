//! Storage of the repository: one file, a copy in memory, and one change at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cim::Namespace;
use config::{AtomicFile, FileVersion};
use locks::{Mutex, RwLock};
use readiness::FileChanges;
use sddl::Guard;
use tokio::sync::watch;
use tracing::{debug, warn};
use wmi::{Descriptors, ProviderError};

use crate::{Contents, Error, text};

/// Storage of namespaces, classes and instances added to the built-in ones.
///
/// Reading never waits for the disk. The file is replaced atomically: even if the process is killed, it
/// contains either the old or the new contents.
#[derive(Debug)]
pub struct Repository {
    /// File; `None` for a repository in memory only.
    file: Option<AtomicFile>,
    contents: RwLock<Arc<Contents>>,
    /// State of the file that the contents come from. The holder of the lock is the only reader or writer of
    /// the file.
    seen: Mutex<Option<FileVersion>>,
    /// Notifies about new contents.
    published: watch::Sender<()>,
}

/// Notifications about possible changes of a repository.
#[derive(Debug)]
pub struct Changes {
    published: watch::Receiver<()>,
    /// Path of the file; `None` for a repository in memory only.
    path: Option<PathBuf>,
    file: Option<FileChanges>,
}

impl Repository {
    /// Opens the file. A missing file is an empty repository, but its directory must exist.
    ///
    /// # Errors
    /// [`Error`] with the file, the line and the problem.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = AtomicFile::at(path, cim::mof::MAX_TEXT)?;
        let state = file.version()?;
        let contents = text::read(file.path(), &file.read()?)?;
        Ok(Self {
            file: Some(file),
            contents: RwLock::new(Arc::new(contents)),
            seen: Mutex::new(Some(state)),
            published: watch::Sender::new(()),
        })
    }

    /// Opens the file as [`Repository::open`] does. If it cannot be read, access to all namespaces is denied
    /// until it can, because their security descriptors are unknown; nothing else is affected.
    #[must_use]
    pub fn open_or_closed(path: &Path) -> (Self, Option<Error>) {
        let error = match Self::open(path) {
            Ok(repository) => return (repository, None),
            Err(error) => error,
        };
        let mut contents = Contents::default();
        for namespace in Contents::default().namespaces().map(|(namespace, _)| namespace) {
            contents.secure(namespace, Guard::deny_all());
        }
        let file = AtomicFile::at(path, cim::mof::MAX_TEXT).ok();
        let state = file.as_ref().and_then(|file| file.version().ok());
        let repository = Self {
            file,
            contents: RwLock::new(Arc::new(contents)),
            seen: Mutex::new(state),
            published: watch::Sender::new(()),
        };
        (repository, Some(error))
    }

    /// Returns a repository in memory only.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            file: None,
            contents: RwLock::default(),
            seen: Mutex::default(),
            published: watch::Sender::new(()),
        }
    }

    /// Returns the contents as last read or written.
    #[must_use]
    pub fn contents(&self) -> Arc<Contents> {
        Arc::clone(&self.contents.read())
    }

    /// Returns the MOF text of all added items, or of those of one namespace.
    #[must_use]
    pub fn export(&self, only: Option<&Namespace>) -> String {
        text::write(&self.contents(), only)
    }

    /// Reads the file again if it has changed. Returns whether it had.
    ///
    /// # Errors
    /// [`Error`] with the problem; the contents are then unchanged.
    pub fn refresh(&self) -> Result<bool, Error> {
        let Some(file) = &self.file else { return Ok(false) };
        let mut seen = self.seen.lock();
        // The state is read before the text, so that a change in between is noticed next time.
        let state = file.version()?;
        if *seen == Some(state) {
            return Ok(false);
        }
        // An invalid file is reported once, not with every request.
        *seen = Some(state);
        let contents = text::read(file.path(), &file.read()?)?;
        self.publish(contents);
        Ok(true)
    }

    /// Returns notifications about changes by this process, or of the file by others.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let path = self.file.as_ref().map(|file| file.path().to_owned());
        Changes { published: self.published.subscribe(), path, file: None }
    }

    /// Returns a receiver that is notified about new contents.
    pub(crate) fn published(&self) -> watch::Receiver<()> {
        self.published.subscribe()
    }

    /// Changes the contents: first the file, then the copy in memory, both or neither.
    ///
    /// Changes that others made to the file meanwhile are kept. Waits for the disk.
    ///
    /// # Errors
    /// Errors of the change, and [`Error::File`] if the file cannot be read or written.
    pub fn update<T>(&self, change: impl FnOnce(&mut Contents) -> Result<T, Error>) -> Result<T, Error> {
        let mut seen = self.seen.lock();
        let Some(file) = &self.file else {
            let mut contents = Contents::clone(&self.contents());
            let result = change(&mut contents)?;
            self.publish(contents);
            return Ok(result);
        };
        let (contents, result) = file.update(|before| {
            let mut contents = text::read(file.path(), before)?;
            let result = change(&mut contents)?;
            let after = text::write(&contents, None);
            // A text that could not be read again is not written.
            text::read(file.path(), &after)?;
            Ok::<_, Error>((Some(after), (contents, result)))
        })?;
        // The file lock is released, so another process may already have changed the file; it is read next
        // time.
        *seen = None;
        self.publish(contents);
        Ok(result)
    }

    fn publish(&self, contents: Contents) {
        *self.contents.write() = Arc::new(contents);
        self.published.send_replace(());
    }
}

impl Changes {
    /// Waits until the repository may have changed. The file must then still be read with
    /// [`Repository::refresh`]. Cancel-safe.
    pub async fn next(&mut self) {
        let Self { published, path, file } = self;
        let of_file = async {
            let Some(path) = path else { return std::future::pending().await };
            loop {
                let watched = match file {
                    Some(watched) => watched,
                    // Changes before the watch was installed count as a change.
                    None => match FileChanges::of([&*path]) {
                        Ok(new) => {
                            *file = Some(new);
                            return;
                        }
                        Err(error) => {
                            debug!(%error, "The repository cannot be watched; it is looked at");
                            return tokio::time::sleep(BETWEEN_LOOKS).await;
                        }
                    },
                };
                match watched.next().await {
                    Ok(()) => return,
                    Err(_) => *file = None,
                }
            }
        };
        tokio::select! {
            () = of_file => {}
            // The sender exists as long as the repository.
            reported = published.changed() => if reported.is_err() {
                std::future::pending::<()>().await;
            },
        }
    }
}

/// Polling interval if the kernel does not report changes.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

impl Descriptors for Repository {
    fn descriptor(&self, namespace: &Namespace) -> Option<Guard> {
        self.contents().namespace(namespace).ok()?.descriptor().cloned()
    }

    fn replace(&self, namespace: &Namespace, descriptor: Guard) -> Result<(), ProviderError> {
        self.update(|contents| {
            contents.secure(namespace, descriptor);
            Ok(())
        })
        .map_err(|error| {
            warn!(%error, %namespace, "Security of a namespace cannot be kept");
            error.into()
        })
    }
}
