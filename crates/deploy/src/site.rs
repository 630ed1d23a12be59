//! Content of one site: deployment, history and rollback.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, RenameFlags, flock, fsync, renameat, renameat_with, syncfs};
use rustix::io::Errno;
use rustix::process::geteuid;
use sha2::{Digest as _, Sha256};

use crate::build::{OldContent, build};
use crate::difference::{ChangeKind, ContentChange, Listed, differences};
use crate::error::DeployError;
use crate::history::{Deployment, DeploymentKind, History, Pending};
use crate::mode::Mode;
use crate::path::ContentPath;
use crate::tree::{Entry, Tree};

/// The folder of a site that deployments may replace.
#[derive(Clone, Debug)]
pub struct SiteContent {
    /// Folder of the site, without symbolic links.
    folder: PathBuf,
    /// Folder that contains it, which no other user can change.
    parent: PathBuf,
    name: String,
    /// Name of the folder beside it with older content.
    store: String,
}

/// State of the content: equal for two readings if no file was changed in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRevision(String);

impl ContentRevision {
    fn of(entries: &BTreeMap<ContentPath, Entry>) -> Self {
        let mut hash = Sha256::new();
        for (path, entry) in entries {
            hash.update(format!("{path}\0{entry:?}\0"));
        }
        let digest = hash.finalize();
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Returns whether a text is this revision.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.0 == text
    }
}

impl fmt::Display for ContentRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Author, reason and time of a deployment.
#[derive(Clone, Debug)]
pub struct DeployRequest {
    /// Name of the user.
    pub author: String,
    /// Reason, of at most 1,000 characters.
    pub message: String,
    /// Time in seconds since 1970.
    pub time: u64,
}

/// New content that is complete on disk and not yet in use. Dropping it removes it, unless it is older content.
#[derive(Debug)]
pub struct Prepared {
    site: SiteContent,
    store: Store,
    source: Source,
    changes: Vec<ContentChange>,
    revision: ContentRevision,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Archive,
    Stored(u64),
}

impl Source {
    fn name(self) -> String {
        match self {
            Self::Archive => NEXT.to_owned(),
            Self::Stored(number) => number.to_string(),
        }
    }
}

/// The folder with older content, locked against other processes.
#[derive(Debug)]
struct Store {
    path: PathBuf,
    tree: Tree,
    _lock: File,
}

impl SiteContent {
    /// Checks that deployments may replace a folder: it is below one of `roots`, and no other user can replace it or the
    /// folders above it.
    ///
    /// # Errors
    /// [`DeployError::Folder`] with a solution.
    pub fn open(folder: &Path, roots: &[PathBuf]) -> Result<Self, DeployError> {
        let refused = |reason: String| DeployError::Folder { folder: folder.to_owned(), reason };
        if roots.is_empty() {
            return Err(refused(
                "no directory is released\n  add one to ContentRoots on the server".to_owned(),
            ));
        }
        let resolved = fs::canonicalize(folder).map_err(DeployError::io("open", folder))?;
        let is_released = roots
            .iter()
            .filter_map(|root| fs::canonicalize(root).ok())
            .any(|root| resolved.strip_prefix(root).is_ok_and(|below| !below.as_os_str().is_empty()));
        if !is_released {
            let list: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
            let list = list.join(", ");
            return Err(refused(format!(
                "it is not below {list}\n  add a directory above it to ContentRoots"
            )));
        }
        let name = resolved.file_name().and_then(|name| name.to_str()).filter(|name| name.len() <= MAX_NAME);
        let (Some(parent), Some(name)) = (resolved.parent(), name) else {
            return Err(refused("its name is too long or not UTF-8\n  rename it".to_owned()));
        };
        for above in parent.ancestors() {
            let status = fs::metadata(above).map_err(DeployError::io("read", above))?;
            let is_own = status.uid() == 0 || status.uid() == geteuid().as_raw();
            let is_open = status.mode() & 0o022 != 0 && status.mode() & 0o1000 == 0;
            if !is_own || is_open {
                let above = above.display();
                return Err(refused(format!(
                    "other users can replace it, because they can change {above}\n  give that folder to root, mode 0755"
                )));
            }
        }
        let device = |path: &Path| fs::metadata(path).map(|status| status.dev());
        if device(&resolved).ok() != device(parent).ok() {
            let reason = "it is a mount point\n  use a folder in it as the folder of the site";
            return Err(refused(reason.to_owned()));
        }
        let (parent, store) = (parent.to_owned(), format!(".telarch-{name}"));
        let name = name.to_owned();
        Ok(Self { folder: resolved, parent, name, store })
    }

    /// Returns the deployments, the newest first.
    ///
    /// # Errors
    /// If the history cannot be read.
    pub fn deployments(&self) -> Result<Vec<Deployment>, DeployError> {
        let mut list = History::read(&self.store_path().join(HISTORY))?.deployments;
        list.reverse();
        Ok(list)
    }

    /// Builds the new content from an archive.
    ///
    /// # Errors
    /// [`DeployError`] for a rejected archive, or if another deployment to this site is in progress.
    pub fn prepare(&self, archive: &mut File, mode: Mode) -> Result<Prepared, DeployError> {
        let store = self.lock()?;
        let tree = Tree::open(&self.folder)?;
        let entries = tree.entries()?;
        let ownership = tree.ownership().map_err(DeployError::disk("read", &self.folder))?;
        let new =
            store.tree.create_folder(NEXT).map_err(DeployError::disk("create", store.path.join(NEXT)))?;
        let old = OldContent { tree: &tree, entries: &entries, ownership };
        let built = build(old, &new, archive, mode)
            .and_then(|unchanged| Self::compare(Listed { tree: &tree, entries: &entries }, &new, &unchanged));
        match built {
            Ok(changes) => {
                let revision = ContentRevision::of(&entries);
                Ok(Prepared { site: self.clone(), store, source: Source::Archive, changes, revision })
            }
            Err(error) => {
                store.remove(NEXT);
                Err(error)
            }
        }
    }

    /// Compares the current content with that before an earlier deployment.
    ///
    /// # Errors
    /// [`DeployError::NotStored`], or if another deployment to this site is in progress.
    pub fn prepare_rollback(&self, number: u64) -> Result<Prepared, DeployError> {
        let store = self.lock()?;
        let history = History::read(&store.path.join(HISTORY))?;
        let is_listed = history.deployments.iter().any(|entry| entry.number == number && entry.is_restorable);
        let stored = match store.tree.folder(&number.to_string()) {
            Ok(stored) if is_listed => stored,
            Ok(_) | Err(Errno::NOENT) => return Err(DeployError::NotStored(number)),
            Err(errno) => return Err(DeployError::disk("open", store.path.join(number.to_string()))(errno)),
        };
        let tree = Tree::open(&self.folder)?;
        let entries = tree.entries()?;
        let changes = Self::compare(Listed { tree: &tree, entries: &entries }, &stored, &BTreeSet::new())?;
        let revision = ContentRevision::of(&entries);
        Ok(Prepared { site: self.clone(), store, source: Source::Stored(number), changes, revision })
    }

    fn compare(
        old: Listed<'_>,
        new: &Tree,
        unchanged: &BTreeSet<ContentPath>,
    ) -> Result<Vec<ContentChange>, DeployError> {
        differences(old, Listed { tree: new, entries: &new.entries()? }, unchanged)
    }

    fn store_path(&self) -> PathBuf {
        self.parent.join(&self.store)
    }

    /// Opens the store, completes or removes what an interrupted deployment has left, and locks it.
    fn lock(&self) -> Result<Store, DeployError> {
        let path = self.store_path();
        let parent = Tree::open(&self.parent)?;
        match parent.create_folder(&self.store) {
            Ok(_) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(DeployError::disk("create", path)(errno)),
        }
        let tree = parent.folder(&self.store).map_err(DeployError::disk("open", &path))?;
        let lock = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock)
            .map_err(DeployError::io("open", &lock))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(DeployError::Busy),
            Err(errno) => return Err(DeployError::disk("lock", &path)(errno)),
        }
        let store = Store { path, tree, _lock: lock };
        self.recover(&store)?;
        Ok(store)
    }

    /// Completes the history after a crash.
    fn recover(&self, store: &Store) -> Result<(), DeployError> {
        let file = store.path.join(HISTORY);
        let mut history = History::read(&file)?;
        if let Some(pending) = history.pending.take() {
            let current = fs::metadata(&self.folder).map_err(DeployError::io("read", &self.folder))?;
            if current.ino() == pending.inode {
                store.keep(&mut history, pending)?;
            }
            history.write(&file)?;
        }
        store.remove(NEXT);
        Ok(())
    }
}

impl Store {
    /// Names the old content after its deployment, adds the deployment to the history, and removes the oldest content.
    fn keep(&self, history: &mut History, pending: Pending) -> Result<(), DeployError> {
        let name = pending.deployment.number.to_string();
        match renameat(&self.tree, &pending.source, &self.tree, &name) {
            // It was renamed before a crash.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(DeployError::disk("keep", self.path.join(&pending.source))(errno)),
        }
        if let DeploymentKind::Rollback { restored_before } = pending.deployment.kind {
            for entry in history.deployments.iter_mut().filter(|entry| entry.number == restored_before) {
                entry.is_restorable = false;
            }
        }
        history.deployments.push(pending.deployment);
        let restorable = history.deployments.iter_mut().rev().filter(|entry| entry.is_restorable);
        for old in restorable.skip(MAX_STORED) {
            old.is_restorable = false;
            self.remove(&old.number.to_string());
        }
        Ok(())
    }

    /// Removes a folder of the store. A failure costs only space, and the next deployment tries again.
    fn remove(&self, name: &str) {
        let _ = fs::remove_dir_all(self.path.join(name));
    }
}

impl Prepared {
    /// Changes in the order of their paths.
    #[must_use]
    pub fn changes(&self) -> &[ContentChange] {
        &self.changes
    }

    /// Revision of the current content, with which it was compared.
    #[must_use]
    pub fn revision(&self) -> &ContentRevision {
        &self.revision
    }

    /// Puts the content in place, in one step for clients.
    ///
    /// # Errors
    /// [`DeployError::Conflict`] if the current content was changed meanwhile.
    pub fn apply(self, request: DeployRequest) -> Result<Deployment, DeployError> {
        let current = Tree::open(&self.site.folder)?.entries()?;
        let current = ContentRevision::of(&current);
        if current != self.revision {
            return Err(DeployError::Conflict { current: current.to_string() });
        }
        let file = self.store.path.join(HISTORY);
        let mut history = History::read(&file)?;
        let source = self.source.name();
        let new = self.store.path.join(&source);
        syncfs(&self.store.tree).map_err(DeployError::disk("write", &new))?;
        let inode = fs::metadata(&new).map_err(DeployError::io("read", &new))?.ino();
        let pending = Pending { deployment: self.deployment(&history, request), source, inode };
        history.pending = Some(pending.clone());
        history.write(&file)?;
        let parent = Tree::open(&self.site.parent)?;
        renameat_with(&self.store.tree, &pending.source, &parent, &self.site.name, RenameFlags::EXCHANGE)
            .map_err(DeployError::disk("replace", &self.site.folder))?;
        let unrecorded = |error| DeployError::Unrecorded(Box::new(error));
        fsync(&parent)
            .and_then(|()| fsync(&self.store.tree))
            .map_err(DeployError::disk("write", &self.site.parent))
            .map_err(unrecorded)?;
        history.pending = None;
        let deployment = pending.deployment.clone();
        self.store.keep(&mut history, pending).map_err(unrecorded)?;
        history.write(&file).map_err(unrecorded)?;
        Ok(deployment)
    }

    fn deployment(&self, history: &History, request: DeployRequest) -> Deployment {
        let count = |kind| self.changes.iter().filter(|change| change.kind == kind).count();
        Deployment {
            number: history.next_number(),
            time: request.time,
            author: request.author.chars().take(256).collect(),
            message: request.message.chars().take(1_000).collect(),
            kind: match self.source {
                Source::Archive => DeploymentKind::Deployment,
                Source::Stored(number) => DeploymentKind::Rollback { restored_before: number },
            },
            added: count(ChangeKind::Added),
            changed: count(ChangeKind::Changed),
            removed: count(ChangeKind::Removed),
            is_restorable: true,
        }
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if self.source == Source::Archive {
            self.store.remove(NEXT);
        }
    }
}

/// Name of the folder with new content in the store.
const NEXT: &str = "next";
/// Name of the history in the store.
const HISTORY: &str = "deployments.json";
/// Number of older contents that are stored for each site.
const MAX_STORED: usize = 5;
/// Maximum length of the name of a site's folder, to which the name of the store adds nine bytes.
const MAX_NAME: usize = 240;
