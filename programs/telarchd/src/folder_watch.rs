//! Detection of changes in a directory of the configuration.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

/// Notifies of changes in a directory.
pub(crate) struct FolderWatch(Arc<Notify>);

impl FolderWatch {
    /// Watches a directory, which need not exist yet. `content` describes its files, for the log.
    pub(crate) fn of(folder: PathBuf, content: &'static str) -> Self {
        let changed = Arc::new(Notify::new());
        let changes = Arc::clone(&changed);
        tokio::spawn(async move {
            let Err(error) = watch(folder.clone(), &changes).await;
            // Fails only if the system allows no further inotify watches.
            tracing::warn!(
                folder = %folder.display(), %error,
                "Cannot watch the directory of {content}; send SIGHUP after changing them"
            );
        });
        Self(changed)
    }

    /// Waits for a change. A change between two calls is not lost.
    pub(crate) async fn changed(&self) {
        self.0.notified().await;
    }
}

/// Notifies of every change, and once at the beginning because the directory was read before it was watched.
async fn watch(folder: PathBuf, changes: &Notify) -> io::Result<std::convert::Infallible> {
    let watched = DirectoryWatch::begin(folder)?;
    loop {
        changes.notify_one();
        watched.changed().await?;
    }
}

/// Watches of the directory and of its parent, where the directory may be created later (inotify(7)).
struct DirectoryWatch {
    /// The inotify descriptor, which the runtime treats like a pipe: it only waits until it is readable.
    events: Receiver,
    folder: PathBuf,
}

impl DirectoryWatch {
    fn begin(folder: PathBuf) -> io::Result<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let watched = Self { events: Receiver::from_owned_fd_unchecked(events)?, folder };
        watched.add_watches()?;
        Ok(watched)
    }

    /// Waits for a change, and until further changes have stopped for a moment.
    async fn changed(&self) -> io::Result<()> {
        self.events().await?;
        let latest = Instant::now() + MAX_SERIES;
        while let Ok(Ok(received)) = timeout_at(latest, timeout(QUIET_TIME, self.events())).await {
            received?;
        }
        // The directory may have been replaced or created.
        self.add_watches()
    }

    /// Waits for events and discards them, because all files are read again anyway.
    async fn events(&self) -> io::Result<()> {
        loop {
            self.events.readable().await?;
            match self.events.try_read(&mut [0; 4_096]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn add_watches(&self) -> io::Result<()> {
        let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        let contents = names | WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB;
        let parent = self.folder.parent().unwrap_or(Path::new("/"));
        for (path, flags) in [(parent, names), (&self.folder, contents | WatchFlags::DELETE_SELF)] {
            match inotify::add_watch(&self.events, path, flags | WatchFlags::ONLYDIR) {
                Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Pause after which a series of changes counts as complete.
const QUIET_TIME: Duration = Duration::from_millis(100);

/// Maximum duration of a series of changes.
const MAX_SERIES: Duration = Duration::from_secs(2);
