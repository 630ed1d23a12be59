//! Copies of directories over the file resource.
//!
//! Small files travel in batches, because round trips would take longer than their contents; larger ones are transfers
//! of their own.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use client::{EnumerateOptions, Locator, Retry};
use copy_proto::{
    EntryKind, LARGEST_PACKED, MOST_ENTRIES, PACK, PATH, Pack, PackedEntry, RelativePath, TreeEntry, UNPACK,
    Unpack, Unpacked, encode_path,
};
use files::Walk;
use wsman::{Action, Response, SelectorSet};
use xml::Writer;

use crate::error::CopyError;
use crate::local::{LocalFile, LocalTarget};
use crate::local_tree::{CopiedTree, LocalEntry, LocalTree, REMOTE_SPECIAL, next_entry, note};
use crate::native::{NativeCarrier, explain, unexpected};
use crate::options::CopyOptions;
use crate::progress::Progress;
use crate::remote_path::RemotePath;

impl NativeCarrier {
    /// Copies the entries of a local directory into a directory, which is created if it does not exist.
    pub(crate) async fn upload_tree(
        &self,
        local: &Path,
        remote: &RemotePath,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<CopiedTree, CopyError> {
        let mut walk = Walk::new(local).map_err(|error| CopyError::local(local, error))?;
        let mut copied = CopiedTree { path: remote.to_string(), ..CopiedTree::default() };
        let mut batch = Batch::new(remote, options);
        // Also creates the directory if it has no entries.
        self.unpack(&mut batch, &mut copied, progress).await?;
        while let Some(LocalEntry { whole, path, metadata }) =
            next_entry(&mut walk, local, progress, &mut copied)?
        {
            if metadata.is_dir() {
                batch.add(PackedEntry { path, mode: metadata.mode() & 0o777, modified: 0, content: None });
            } else if metadata.len() <= LARGEST_PACKED {
                match read_small(&whole, path) {
                    Ok(entry) => batch.add(entry),
                    Err(error) => copied.fail(error.to_string()),
                }
            } else {
                self.upload_large(&whole, remote, &path, options, progress, &mut copied).await?;
            }
            if batch.is_full() {
                self.unpack(&mut batch, &mut copied, progress).await?;
            }
        }
        self.unpack(&mut batch, &mut copied, progress).await?;
        Ok(copied)
    }

    async fn upload_large(
        &self,
        whole: &Path,
        remote: &RemotePath,
        path: &RelativePath,
        options: CopyOptions,
        progress: &dyn Progress,
        copied: &mut CopiedTree,
    ) -> Result<(), CopyError> {
        let sent = match LocalFile::open(whole) {
            Ok(source) => {
                progress.expect(source.size);
                self.upload_below(&source, remote, path, options, progress).await
            }
            Err(error) => Err(error),
        };
        note(sent.map(|sent| sent.size), copied)
    }

    /// Sends a batch and empties it.
    async fn unpack(
        &self,
        batch: &mut Batch,
        copied: &mut CopiedTree,
        progress: &dyn Progress,
    ) -> Result<(), CopyError> {
        progress.expect(batch.size);
        let response = self.call(UNPACK, &batch.root, |body| batch.request.write(body)).await?;
        let unpacked = response.content_named("Unpacked").and_then(|body| Unpacked::parse(body).ok());
        let unpacked = unpacked.ok_or_else(|| unexpected(&batch.root))?;
        for entry in batch.request.entries.drain(..) {
            match (unpacked.failed.iter().find(|(path, _)| *path == entry.path), entry.content) {
                (Some((_, reason)), _) => copied.fail(reason.clone()),
                (None, Some(content)) => copied.add(length(&content)),
                (None, None) => {}
            }
        }
        progress.advance(batch.size);
        (batch.size, batch.length) = (0, 0);
        Ok(())
    }

    /// Copies the entries of a remote directory into a local one, which is created if it does not exist.
    pub(crate) async fn download_tree(
        &self,
        remote: &RemotePath,
        local: &Path,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<CopiedTree, CopyError> {
        let target = LocalTree::open(local)?;
        let mut copied = CopiedTree { path: local.display().to_string(), ..CopiedTree::default() };
        let home = SelectorSet::new().with(PATH, encode_path(remote.as_bytes()));
        let locator = Locator::new(self.resource().clone()).with_selectors(home);
        let mut entries = self
            .session()
            .enumerate(&locator, EnumerateOptions::default())
            .await
            .map_err(|error| explain(error, remote))?;
        let mut paths = Vec::new();
        let mut count = 0_u64;
        while let Some(item) = entries.next().await {
            if progress.is_cancelled() {
                return Err(CopyError::Cancelled);
            }
            let item = item.map_err(|error| explain(error, remote))?;
            let entry = item.object().and_then(|object| TreeEntry::parse(object).ok());
            // A path that leads out of the directory is not parsed.
            let entry = entry.ok_or_else(|| unexpected(remote))?;
            count += 1;
            if count > MOST_TREE_ENTRIES {
                return Err(CopyError::remote(remote, "the directory has too many entries"));
            }
            let whole = target.whole(&entry.path);
            match entry.kind {
                EntryKind::Directory => {
                    if let Err(error) = target.create(&entry.path) {
                        copied.fail(error.to_string());
                    }
                }
                EntryKind::Other => progress.skip(&whole, REMOTE_SPECIAL),
                EntryKind::File if entry.size <= LARGEST_PACKED => {
                    progress.expect(entry.size);
                    paths.push(entry.path);
                }
                EntryKind::File => {
                    let source = remote.join(OsStr::from_bytes(entry.path.as_bytes()));
                    let received = match target.parent(&entry.path) {
                        Ok(directory) => {
                            let file = LocalTarget { path: whole, directory };
                            self.download(&source, &file, options, progress).await
                        }
                        Err(error) => Err(error),
                    };
                    note(received.map(|received| received.size), &mut copied)?;
                }
            }
            if paths.len() >= MOST_ENTRIES {
                self.pack(remote, &mut paths, &target, options, progress, &mut copied).await?;
            }
        }
        self.pack(remote, &mut paths, &target, options, progress, &mut copied).await?;
        Ok(copied)
    }

    /// Requests small files until all are received, and empties the list.
    async fn pack(
        &self,
        root: &RemotePath,
        paths: &mut Vec<RelativePath>,
        target: &LocalTree,
        options: CopyOptions,
        progress: &dyn Progress,
        copied: &mut CopiedTree,
    ) -> Result<(), CopyError> {
        while !paths.is_empty() {
            let request = Pack { root: root.as_bytes().to_vec(), paths: std::mem::take(paths) };
            let response = self.call(PACK, root, |body| request.write(body)).await?;
            let packed = response.content_named("Unpacked").and_then(|body| Unpacked::parse(body).ok());
            let packed = packed.ok_or_else(|| unexpected(root))?;
            let answered = packed.entries.len() + packed.failed.len();
            // The service answers for the first paths of the request, and for no others.
            let (now, later) = request.paths.split_at_checked(answered).ok_or_else(|| unexpected(root))?;
            if answered == 0 || !packed.entries.iter().all(|entry| now.contains(&entry.path)) {
                return Err(unexpected(root));
            }
            *paths = later.to_vec();
            for (_, reason) in packed.failed {
                copied.fail(reason);
            }
            for entry in packed.entries {
                let size = entry.content.as_ref().map_or(0, |content| length(content));
                match target.write(&entry, options) {
                    Ok(()) => copied.add(size),
                    Err(error) => copied.fail(error.to_string()),
                }
                progress.advance(size);
            }
        }
        Ok(())
    }

    async fn call(
        &self,
        action: &str,
        path: &RemotePath,
        body: impl FnOnce(&mut Writer),
    ) -> Result<Response, CopyError> {
        let locator = Locator::new(self.resource().clone());
        let action = Action::Custom(action.to_owned());
        let response = self.session().transfer(action, &locator, Retry::Safe, body).await;
        response.map_err(|error| explain(error, path))
    }
}

/// Small files that are sent together.
struct Batch {
    root: RemotePath,
    request: Unpack,
    /// Size of the files in bytes.
    size: u64,
    /// Length of the message in bytes.
    length: usize,
}

impl Batch {
    fn new(root: &RemotePath, options: CopyOptions) -> Self {
        let request =
            Unpack { root: root.as_bytes().to_vec(), is_exact: options.preserve, entries: Vec::new() };
        Self { root: root.clone(), request, size: 0, length: 0 }
    }

    fn add(&mut self, entry: PackedEntry) {
        let content = entry.content.as_ref().map_or(0, Vec::len);
        self.size += u64::try_from(content).unwrap_or(u64::MAX);
        self.length += PackedEntry::written_len(&entry.path, content);
        self.request.entries.push(entry);
    }

    fn is_full(&self) -> bool {
        self.length >= BATCH_LENGTH || self.request.entries.len() >= MOST_ENTRIES
    }
}

fn read_small(whole: &Path, path: RelativePath) -> Result<PackedEntry, CopyError> {
    let file = LocalFile::open(whole)?;
    let mut content = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file.file(), LARGEST_PACKED), &mut content)
        .map_err(|error| file.error(error))?;
    Ok(PackedEntry { path, mode: file.mode, modified: file.modified, content: Some(content) })
}

fn length(content: &[u8]) -> u64 {
    u64::try_from(content.len()).unwrap_or(u64::MAX)
}

/// Length of a batch in bytes after which it is sent; with one more file it fits the smallest envelope of services.
const BATCH_LENGTH: usize = 60 * 1_024;
/// Maximum number of entries of a remote directory.
const MOST_TREE_ENTRIES: u64 = 10_000_000;
