//! The folder of policies: noticing that something has changed there.

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

/// Tells when something has changed in the folder of policies.
pub(crate) struct PolicyWatch(Arc<Notify>);

impl PolicyWatch {
    /// For the folder of a store.
    pub(crate) fn of(store: &Store) -> Self {
        let folder = store.policy_folder().unwrap_or(Path::new("")).to_owned();
        let changed = Arc::new(Notify::new());
        let telling = Arc::clone(&changed);
        tokio::spawn(async move {
            let done = async {
                let watched = Watched::begin(folder.clone())?;
                loop {
                    // Also at the beginning: the folder was read before it was watched.
                    telling.notify_one();
                    watched.changed().await?;
                }
            };
            // It ends with an error only: the system may not watch any more folders.
            let done: io::Result<()> = done.await;
            if let Err(error) = done {
                tracing::warn!(
                    folder = %folder.display(), %error,
                    "Changes of policies are not noticed here: SIGHUP has them read"
                );
            }
        });
        Self(changed)
    }

    /// Waits until something has changed there. What changes while nobody waits is not forgotten.
    pub(crate) async fn changed(&self) {
        self.0.notified().await;
    }
}

/// The folder of policies, and the one it is in, where it may still come to be (inotify(7)).
struct Watched {
    /// What inotify gives is read like a pipe, so the type of one will do: the runtime only waits for it.
    events: Receiver,
    folder: PathBuf,
}

impl Watched {
    fn begin(folder: PathBuf) -> io::Result<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let watched = Self { events: Receiver::from_owned_fd_unchecked(events)?, folder };
        watched.look()?;
        Ok(watched)
    }

    /// Waits until something has changed, and then nothing more for a moment.
    async fn changed(&self) -> io::Result<()> {
        self.heard().await?;
        let latest = Instant::now() + LONGEST;
        while let Ok(Ok(heard)) = timeout_at(latest, timeout(MORE_TO_COME, self.heard())).await {
            heard?;
        }
        // The folder may be another one by now, or have come to be.
        self.look()
    }

    /// What has happened to which file does not matter: all of them are read.
    async fn heard(&self) -> io::Result<()> {
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

    fn look(&self) -> io::Result<()> {
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

/// Several files are often written one after the other.
const MORE_TO_COME: Duration = Duration::from_millis(100);

/// How long that may go on.
const LONGEST: Duration = Duration::from_secs(2);

/// Tells what is in force, and what in it is of no use.
pub(crate) fn tell(policies: &Policies) {
    tracing::info!(policies = policies.iter().count(), "What policy demands is in force");
    for demand in policies.iter() {
        let (subject, value) = (&demand.target, &demand.value);
        tracing::debug!(%subject, value, origin = %demand.origin, "Policy");
    }
    for warning in warnings(policies) {
        tracing::warn!(policy = warning, "A policy is of no use");
    }
}

/// What policies say that nobody here understands, a line each.
pub(crate) fn warnings(policies: &Policies) -> Vec<String> {
    let unknown = policies.unknown().iter();
    let unknown =
        unknown.map(|one| format!("{} is a policy that is not known here ({})", one.name, one.origin));
    let malformed = policies.subscription_managers().filter_map(Result::err);
    let malformed = malformed.map(|reason| format!("SubscriptionManager: {reason}"));
    unknown.chain(malformed).collect()
}
