//! Copies of directories over carriers without batches: each file is a copy of its own.

use std::ffi::OsStr;
use std::future::Future;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use copy_proto::{EntryKind, RelativePath};
use files::Walk;

use crate::error::CopyError;
use crate::local::{LocalFile, LocalTarget};
use crate::local_tree::{CopiedTree, LocalEntry, LocalTree, REMOTE_SPECIAL, next_entry, note};
use crate::options::{Copied, CopyOptions};
use crate::progress::Progress;
use crate::remote_path::RemotePath;

/// Operations on files below a remote directory. No symbolic link below it is followed.
pub(crate) trait TreeCarrier {
    /// Creates a directory below `root`, or with `None` the root itself, and missing directories on the way to it. An
    /// existing directory is no error.
    fn make_directory(
        &self,
        root: &RemotePath,
        below: Option<&RelativePath>,
    ) -> impl Future<Output = Result<(), CopyError>> + Send;

    /// Lists the entries below a directory; directories precede their entries.
    fn list(&self, root: &RemotePath) -> impl Future<Output = Result<Listing, CopyError>> + Send;

    /// Sends a file to a path below a directory.
    fn upload_below(
        &self,
        source: &LocalFile,
        root: &RemotePath,
        below: &RelativePath,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> impl Future<Output = Result<Copied, CopyError>> + Send;

    /// Receives a file below a directory.
    fn download_below(
        &self,
        root: &RemotePath,
        below: &RelativePath,
        target: &LocalTarget,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> impl Future<Output = Result<Copied, CopyError>> + Send;
}

/// Entries of a remote directory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Kinds and paths of the entries.
    pub(crate) entries: Vec<(EntryKind, RelativePath)>,
    /// Length of all paths in bytes.
    length: usize,
    /// Message about directories that could not be read.
    pub(crate) incomplete: Option<String>,
}

impl Listing {
    /// Adds an entry; returns `false` if the directory has too many.
    pub(crate) fn add(&mut self, kind: EntryKind, path: RelativePath) -> bool {
        self.length = self.length.saturating_add(path.as_bytes().len());
        self.entries.push((kind, path));
        self.entries.len() <= MOST_ENTRIES && self.length <= LONGEST_LISTING
    }
}

/// Copies the entries of a local directory into a remote one, which is created if it does not exist.
pub(crate) async fn upload_tree<C: TreeCarrier>(
    carrier: &C,
    local: &Path,
    remote: &RemotePath,
    options: CopyOptions,
    progress: &dyn Progress,
) -> Result<CopiedTree, CopyError> {
    let mut walk = Walk::new(local).map_err(|error| CopyError::local(local, error))?;
    let mut copied = CopiedTree { path: remote.to_string(), ..CopiedTree::default() };
    carrier.make_directory(remote, None).await?;
    while let Some(LocalEntry { whole, path, metadata }) =
        next_entry(&mut walk, local, progress, &mut copied)?
    {
        if metadata.is_dir() {
            note_failure(carrier.make_directory(remote, Some(&path)).await, &mut copied)?;
            continue;
        }
        let sent = match LocalFile::open(&whole) {
            Ok(source) => {
                progress.expect(source.size);
                carrier.upload_below(&source, remote, &path, options, progress).await
            }
            Err(error) => Err(error),
        };
        note(sent.map(|sent| sent.size), &mut copied)?;
    }
    Ok(copied)
}

/// Copies the entries of a remote directory into a local one, which is created if it does not exist.
pub(crate) async fn download_tree<C: TreeCarrier>(
    carrier: &C,
    remote: &RemotePath,
    local: &Path,
    options: CopyOptions,
    progress: &dyn Progress,
) -> Result<CopiedTree, CopyError> {
    let listing = carrier.list(remote).await?;
    let target = LocalTree::open(local)?;
    let mut copied = CopiedTree { path: local.display().to_string(), ..CopiedTree::default() };
    for (kind, path) in listing.entries {
        if progress.is_cancelled() {
            return Err(CopyError::Cancelled);
        }
        let whole = target.whole(&path);
        match kind {
            EntryKind::Directory => note_failure(target.create(&path), &mut copied)?,
            EntryKind::Other => progress.skip(&whole, REMOTE_SPECIAL),
            EntryKind::File => {
                let received = match target.parent(&path) {
                    Ok(directory) => {
                        let file = LocalTarget { path: whole, directory };
                        carrier.download_below(remote, &path, &file, options, progress).await
                    }
                    Err(error) => Err(error),
                };
                note(received.map(|received| received.size), &mut copied)?;
            }
        }
    }
    if let Some(message) = listing.incomplete {
        copied.fail(message);
    }
    Ok(copied)
}

/// Records why a directory was not created; errors of requests end the copy.
fn note_failure(result: Result<(), CopyError>, copied: &mut CopiedTree) -> Result<(), CopyError> {
    match result {
        Err(error @ (CopyError::Local { .. } | CopyError::Remote { .. })) => copied.fail(error.to_string()),
        other => other?,
    }
    Ok(())
}

/// Returns the path of an entry as a remote path, for messages.
pub(crate) fn whole(root: &RemotePath, below: &RelativePath) -> RemotePath {
    root.join(OsStr::from_bytes(below.as_bytes()))
}

/// Maximum number of entries of a remote directory.
pub(crate) const MOST_ENTRIES: usize = 1_000_000;
/// Maximum length of all paths of a remote directory in bytes.
const LONGEST_LISTING: usize = 64 << 20;
