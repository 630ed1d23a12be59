//! Detection of changes in the policy directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::{Policies, Store};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

/// Notifies of changes in the policy directory.
pub(crate) struct PolicyWatch(Arc<Notify>);

impl PolicyWatch {
    /// Watches the policy directory of a store.
    pub(crate) fn of(store: &Store) -> Self {
        let folder = store.policy_folder().unwrap_or(Path::new("")).to_owned();
        let changed = Arc::new(Notify::new());
        let changes = Arc::clone(&changed);
        tokio::spawn(async move {
            let Err(error) = watch(folder.clone(), &changes).await;
            // Fails only if the system allows no further inotify watches.
            tracing::warn!(
                folder = %folder.display(), %error,
                "Cannot watch the policy directory; send SIGHUP after changing policies"
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

/// Watches of the policy directory and of its parent, where the directory may be created later (inotify(7)).
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
        while let Ok(Ok(heard)) = timeout_at(latest, timeout(QUIET_TIME, self.events())).await {
            heard?;
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

/// Logs the policies in force and their problems.
pub(crate) fn log_policies(policies: &Policies) {
    tracing::info!(policies = policies.iter().count(), "Policies are in force");
    for demand in policies.iter() {
        let (subject, value) = (&demand.target, &demand.value);
        tracing::debug!(%subject, value, origin = %demand.origin, "Policy");
    }
    for warning in warnings(policies) {
        tracing::warn!(policy = warning, "Ignored a policy");
    }
}

/// Returns descriptions of policies that are unknown or malformed.
pub(crate) fn warnings(policies: &Policies) -> Vec<String> {
    let unknown = policies.unknown().iter();
    let unknown = unknown.map(|one| format!("unknown policy {} ({})", one.name, one.origin));
    let malformed = policies.subscription_managers().filter_map(Result::err);
    let malformed = malformed.map(|reason| format!("SubscriptionManager: {reason}"));
    unknown.chain(malformed).collect()
}
