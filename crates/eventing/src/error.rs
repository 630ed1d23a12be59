//! Errors of the collector.

use std::io;
use std::path::PathBuf;

use account_store::AccountsError;
use files::FileError;

/// Failure of the collector.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectorError {
    /// The store cannot be opened, read or written.
    #[error("cannot use the event store {}: {source}", path.display())]
    Store {
        /// The database file.
        path: PathBuf,
        /// The error of SQLite.
        source: rusqlite::Error,
    },
    /// The store was written by a later version.
    #[error(
        "the event store {} has version {found}, and this program supports up to {supported}\n  install the version that wrote it, or move the file away to begin anew",
        path.display()
    )]
    LaterStore {
        /// The database file.
        path: PathBuf,
        /// Version of the file.
        found: i64,
        /// Latest version that this program supports.
        supported: i64,
    },
    /// The database rejects an operation.
    #[error("cannot use the event database {address}: {reason}")]
    Database {
        /// Name and hosts of the database.
        address: String,
        /// The reason.
        reason: String,
    },
    /// The database cannot be reached, or does not accept changes.
    #[error(
        "the event database {address} is not available: {reason}\n  check the database server, the network, and the settings in event-store.toml"
    )]
    DatabaseUnavailable {
        /// Name and hosts of the database.
        address: String,
        /// The reason.
        reason: String,
    },
    /// The database was written by a later version.
    #[error(
        "the event database {address} has version {found}, and this program supports up to {supported}\n  install the version of the other collectors on this machine"
    )]
    LaterDatabase {
        /// Name and hosts of the database.
        address: String,
        /// Version of the database.
        found: i64,
        /// Latest version that this program supports.
        supported: i64,
    },
    /// Another process has opened the store.
    #[error(
        "the event store {} is in use\n  stop the collector first, for example with systemctl stop telarchd",
        path.display()
    )]
    StoreInUse {
        /// The database file.
        path: PathBuf,
    },
    /// There is no store.
    #[error(
        "there is no event store {}\n  select the state directory of the service with --state",
        path.display()
    )]
    NoStore {
        /// The database file.
        path: PathBuf,
    },
    /// The settings name no database.
    #[error("the settings of the collector name no database\n  create event-store.toml next to the settings")]
    NoDatabase,
    /// The database has content already.
    #[error(
        "the event database {address} has {subscriptions} subscriptions and {sources} sources already\n  replace them with --replace, or name another database in event-store.toml"
    )]
    DatabaseOccupied {
        /// Name and hosts of the database.
        address: String,
        /// Number of subscriptions.
        subscriptions: i64,
        /// Number of sources.
        sources: i64,
    },
    /// The file with the settings of the database cannot be used.
    #[error("cannot use {}: {reason}", path.display())]
    DatabaseSettings {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The file with the identifier of this collector has other content.
    #[error(
        "{} is not the identifier of a collector\n  remove the file; the collector then creates another one",
        path.display()
    )]
    InvalidNode {
        /// The file.
        path: PathBuf,
    },
    /// A file of events cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// The failed operation, such as `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// A file given for events has other content.
    #[error(
        "{} is not a list of events: it has no line break\n  give the name of a new file, or of one that this service has written",
        path.display()
    )]
    NotEvents {
        /// The file.
        path: PathBuf,
    },
    /// The name of an output file has no known extension.
    #[error("cannot choose the format of {}: use a name that ends with .xml or .jsonl", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// A subscription file cannot be used.
    #[error("cannot use the subscription {}: {reason}", path.display())]
    Subscription {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A file of the administrator cannot be used.
    #[error("{}", .0.with_advice())]
    TrustedFile(#[from] FileError),
    /// The kernel provides no random bytes for the secret of a delivery.
    #[error("the kernel provides no random bytes\n  see the log of the kernel")]
    NoRandomBytes,
    /// A new subscription has the name of another one.
    #[error("the subscription \"{name}\" exists already in {}", path.display())]
    SubscriptionExists {
        /// Name of the subscription.
        name: String,
        /// File of the other subscription.
        path: PathBuf,
    },
    /// The collector has no subscription with this name.
    #[error("{} has no subscription \"{name}\"", folder.display())]
    NoSubscription {
        /// Name of the subscription.
        name: String,
        /// Folder of the subscriptions.
        folder: PathBuf,
    },
    /// The file system has too little free space for more events.
    #[error("the file system of {} has less than {needed} bytes free; no events are accepted until there are more", path.display())]
    DiskFull {
        /// A file or folder of the file system.
        path: PathBuf,
        /// Required free space in bytes.
        needed: u64,
    },
    /// The files of events have reached their total limit, and no older file can be removed.
    #[error(
        "the files of events in {} have reached the limit of {limit} bytes\n  raise EventCollector.MaxTotalMB, or move files away",
        folder.display()
    )]
    TotalLimit {
        /// Folder of the files.
        folder: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The spool of a required output is full.
    #[error(
        "the spool of the required output {name} is full; no events are accepted until the output accepts some"
    )]
    SpoolFull {
        /// Name of the output.
        name: String,
    },
    /// The file of an output cannot be used.
    #[error("cannot use the event output {}: {reason}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// An output does not accept events that are sent once more.
    #[error("cannot send events to the output {name}: {reason}; it has accepted {sent} events")]
    Replay {
        /// Name of the output.
        name: String,
        /// The reason.
        reason: String,
        /// Number of events that the output has accepted.
        sent: u64,
    },
    /// The file with passwords of sources, or the key of this machine, cannot be used.
    #[error(transparent)]
    Credentials(Box<AccountsError>),
    /// A line of the file with passwords of sources is not valid.
    #[error("{}, line {line}: invalid entry\n  remove the line, and set the password again with wecutil ss", path.display())]
    Passwords {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1; 0 if the file is not text.
        line: usize,
    },
    /// The collector has too many sources.
    #[error("the collector has {0} sources already")]
    TooManySources(usize),
    /// The collector is shutting down.
    #[error("the collector is shutting down")]
    Closed,
}

impl CollectorError {
    /// Returns whether the same operation may succeed later without a change of settings or files.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::DatabaseUnavailable { .. })
    }

    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
