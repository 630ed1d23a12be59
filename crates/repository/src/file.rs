//! The repository where it lives: one file, a copy in memory, one change at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use cim::Namespace;
use config::{FileState, WholeFile};
use readiness::FileChanges;
use sddl::Guard;
use tokio::sync::watch;
use tracing::{debug, warn};
use wmi::{Descriptors, ProviderError};

use crate::{Contents, Error, text};

/// Keeps what was added to the classes of the system.
///
/// Reading never waits for the disk. At any moment, also when the process is killed, the file is either the old or the
/// new one.
#[derive(Debug)]
pub struct Repository {
    /// `None` if it is gone with the process.
    file: Option<WholeFile>,
    contents: RwLock<Arc<Contents>>,
    /// Which file the contents are of. Whoever holds it is the only one to read or change.
    seen: Mutex<Option<FileState>>,
    /// Says that the contents are others now.
    published: watch::Sender<()>,
}

/// When a repository may be another one.
#[derive(Debug)]
pub struct Changes {
    published: watch::Receiver<()>,
    /// Where it is kept; `None` if it is gone with the process.
    path: Option<PathBuf>,
    file: Option<FileChanges>,
}

impl Repository {
    /// Reads the file; one that does not exist yet is empty, but its directory must exist.
    ///
    /// # Errors
    /// [`Error`] names the file, the line and what is wrong.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = WholeFile::at(path, cim::mof::MAX_TEXT)?;
        let state = file.state()?;
        let contents = text::read(file.path(), &file.read()?)?;
        Ok(Self {
            file: Some(file),
            contents: RwLock::new(Arc::new(contents)),
            seen: Mutex::new(Some(state)),
            published: watch::Sender::new(()),
        })
    }

    /// Reads the file as [`Repository::open`] does. One that cannot be read lets nobody into any namespace, because who
    /// may enter is not known, until it can be read again: what is wrong with it stops nothing else.
    #[must_use]
    pub fn open_or_closed(path: &Path) -> (Self, Option<Error>) {
        let error = match Self::open(path) {
            Ok(repository) => return (repository, None),
            Err(error) => error,
        };
        let mut contents = Contents::default();
        for namespace in Contents::default().namespaces().map(|(namespace, _)| namespace) {
            contents.secure(namespace, Guard::nobody());
        }
        let file = WholeFile::at(path, cim::mof::MAX_TEXT).ok();
        let state = file.as_ref().and_then(|file| file.state().ok());
        let repository = Self {
            file,
            contents: RwLock::new(Arc::new(contents)),
            seen: Mutex::new(state),
            published: watch::Sender::new(()),
        };
        (repository, Some(error))
    }

    /// A repository that is gone with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            file: None,
            contents: RwLock::default(),
            seen: Mutex::default(),
            published: watch::Sender::new(()),
        }
    }

    /// What is in it, as it was read or written last.
    #[must_use]
    pub fn contents(&self) -> Arc<Contents> {
        Arc::clone(&self.contents.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The text of everything that was added, or of one namespace only.
    #[must_use]
    pub fn export(&self, only: Option<&Namespace>) -> String {
        text::write(&self.contents(), only)
    }

    /// Reads the file again if it is another one by now, and says whether it was.
    ///
    /// # Errors
    /// [`Error`] says what is wrong with it; the contents then stay as they were.
    pub fn refresh(&self) -> Result<bool, Error> {
        let Some(file) = &self.file else { return Ok(false) };
        let mut seen = self.lock();
        // Before the text: what is written in between is then read next time.
        let state = file.state()?;
        if *seen == Some(state) {
            return Ok(false);
        }
        // A file that is wrong is told of once, not with every question.
        *seen = Some(state);
        let contents = text::read(file.path(), &file.read()?)?;
        self.publish(contents);
        Ok(true)
    }

    /// Says from now on when it may be another one: when this process has changed it, or anybody its file.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let path = self.file.as_ref().map(|file| file.path().to_owned());
        Changes { published: self.published.subscribe(), path, file: None }
    }

    /// Told whenever the contents are others.
    pub(crate) fn published(&self) -> watch::Receiver<()> {
        self.published.subscribe()
    }

    /// Changes what is in it: in the file first, then in memory, both or neither.
    ///
    /// What somebody else has written meanwhile is kept. Waits for the disk.
    ///
    /// # Errors
    /// Those of the change, and [`Error::File`] if the file cannot be read or written.
    pub fn update<T>(&self, change: impl FnOnce(&mut Contents) -> Result<T, Error>) -> Result<T, Error> {
        let mut seen = self.lock();
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
            // What would not be read again is not written.
            text::read(file.path(), &after)?;
            Ok::<_, Error>((Some(after), (contents, result)))
        })?;
        // The lock is gone, so this may be the file of somebody else already; then it is read next time.
        *seen = None;
        self.publish(contents);
        Ok(result)
    }

    fn publish(&self, contents: Contents) {
        *self.contents.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(contents);
        self.published.send_replace(());
    }

    fn lock(&self) -> MutexGuard<'_, Option<FileState>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    /// Waits until the repository may be another one. What is in the file is then still to be read
    /// ([`Repository::refresh`]). Nothing is lost if the future is dropped.
    pub async fn next(&mut self) {
        let Self { published, path, file } = self;
        let of_file = async {
            let Some(path) = path else { return std::future::pending().await };
            loop {
                let watched = match file {
                    Some(watched) => watched,
                    // Whatever has happened before it was watched is a change.
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
            // It is told as long as there is a repository.
            told = published.changed() => if told.is_err() {
                std::future::pending::<()>().await;
            },
        }
    }
}

/// How often the file is looked at where the kernel does not tell of it.
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
