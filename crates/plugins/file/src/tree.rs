//! Directories: lists of entries, and small files of which many travel in one message.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use copy_proto::{EntryKind, LARGEST_PACKED, Pack, PackedEntry, RelativePath, TreeEntry, Unpack, Unpacked};
use files::{Begin, Directory, Durability, FileMode, Walk};
use rustix::fs::OFlags;
use service::{BoxFuture, Item, Items};
use tokio::sync::mpsc;
use wsman::Fault;

use crate::directory::{open_parent, open_root, random_key};
use crate::error::TransferError;

/// Entries below a directory, listed by a thread that waits while too many are unread.
pub(crate) struct TreeItems(mpsc::Receiver<TreeEntry>);

impl TreeItems {
    /// Begins the list of a directory.
    pub(crate) fn open(home: &Path, path: Vec<u8>) -> Result<Self, TransferError> {
        let root = home.join(OsString::from_vec(path));
        let walk = Walk::new(&root).map_err(|source| TransferError::file("read", &root, source))?;
        let (sender, receiver) = mpsc::channel(UNREAD_ENTRIES);
        tokio::task::spawn_blocking(move || {
            for walked in walk {
                // Directories that cannot be read are entries without content.
                let Ok(walked) = walked else { continue };
                let path = walked.path.into_os_string().into_vec();
                let Some(path) = RelativePath::new(path) else { continue };
                let kind = match walked.metadata.file_type() {
                    kind if kind.is_file() => EntryKind::File,
                    kind if kind.is_dir() => EntryKind::Directory,
                    _ => EntryKind::Other,
                };
                let entry = TreeEntry { path, kind, size: walked.metadata.len() };
                if sender.blocking_send(entry).is_err() {
                    break;
                }
            }
        });
        Ok(Self(receiver))
    }
}

impl Items for TreeItems {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Item, Fault>>> {
        Box::pin(async {
            let entry = self.0.recv().await?;
            let mut object = xml::Writer::new();
            entry.write(&mut object);
            Some(Ok(Item { object: object.into_fragment(), reference: None, bookmark: None }))
        })
    }
}

/// Reads small files, as many as fit into `room` bytes of a response.
pub(crate) fn pack(home: &Path, request: Pack, mut room: usize) -> Unpacked {
    let root = home.join(OsString::from_vec(request.root));
    let mut packed = Unpacked::default();
    for path in request.paths {
        let result = read_small(&root.join(OsStr::from_bytes(path.as_bytes())), &path);
        let length = match &result {
            Ok(entry) => entry.content.as_ref().map_or(0, Vec::len),
            Err(reason) => reason.len(),
        };
        let Some(left) = room.checked_sub(PackedEntry::written_len(&path, length)) else { break };
        room = left;
        match result {
            Ok(entry) => packed.entries.push(entry),
            Err(reason) => packed.failed.push((path, reason)),
        }
    }
    packed
}

fn read_small(path: &Path, relative: &RelativePath) -> Result<PackedEntry, String> {
    // A FIFO must not be waited for, and a link that has replaced the file is not followed.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let read = || {
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut content = Vec::new();
        file.take(LARGEST_PACKED + 1).read_to_end(&mut content)?;
        if u64::try_from(content.len()).is_ok_and(|length| length > LARGEST_PACKED) {
            return Err(io::Error::other("the file has grown while it was copied"));
        }
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(PackedEntry {
            path: relative.clone(),
            mode: metadata.mode() & 0o777,
            modified: modified.map_or(0, |time| time.as_secs()),
            content: Some(content),
        })
    };
    read().map_err(|error: io::Error| format!("cannot read {}: {error}", path.display()))
}

/// Writes small files and directories below a directory, which is created if it does not exist.
pub(crate) fn unpack(home: &Path, request: Unpack) -> Result<Unpacked, TransferError> {
    let root = home.join(OsString::from_vec(request.root));
    let directory = open_root(&root)?;
    let mut unpacked = Unpacked::default();
    for entry in request.entries {
        if let Err(error) = write_small(&root, &directory, &entry, request.is_exact) {
            unpacked.failed.push((entry.path, error.to_string()));
        }
    }
    Ok(unpacked)
}

fn write_small(
    root: &Path,
    directory: &Directory,
    entry: &PackedEntry,
    is_exact: bool,
) -> Result<(), TransferError> {
    let path = whole(root, &entry.path);
    let parent = open_parent(root, directory, &entry.path)?;
    let name = OsStr::from_bytes(entry.path.split().1);
    let target = |source| TransferError::Target { path: path.clone(), source };
    let Some(content) = &entry.content else {
        return parent.subdirectory(name).map(drop).map_err(target);
    };
    let failed = |source| TransferError::file("write", &path, source);
    let mode = if is_exact { FileMode::Exact(entry.mode) } else { FileMode::New(entry.mode) };
    let file = parent.receive(name, &random_key(&path)?, mode, Begin::Empty).map_err(target)?;
    file.file().write_all(content).map_err(failed)?;
    let modified = UNIX_EPOCH.checked_add(Duration::from_secs(entry.modified)).filter(|_| is_exact);
    file.commit_with(modified, Durability::Later).map_err(failed)
}

fn whole(root: &Path, path: &RelativePath) -> PathBuf {
    root.join(OsStr::from_bytes(path.as_bytes()))
}

/// Number of entries of a list that wait for the client.
const UNREAD_ENTRIES: usize = 256;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn relative(path: &str) -> RelativePath {
        RelativePath::new(path).unwrap()
    }

    fn file(path: &str, content: &str) -> PackedEntry {
        let content = Some(content.as_bytes().to_vec());
        PackedEntry { path: relative(path), mode: 0o640, modified: 1_000_000, content }
    }

    #[test]
    fn trees_are_written_below_their_root_only() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let root = folder.path().join("root");
        let entries = vec![
            file("a/b/c", "one"),
            PackedEntry { content: None, ..file("empty", "") },
            file("a/d", "two"),
        ];
        let request = Unpack { root: b"root".to_vec(), is_exact: true, entries };
        assert_eq!(unpack(folder.path(), request.clone()).unwrap().failed, []);
        assert_eq!(fs::read(root.join("a/b/c")).unwrap(), b"one");
        assert_eq!(fs::metadata(root.join("a/d")).unwrap().mtime(), 1_000_000);
        assert!(root.join("empty").is_dir());

        fs::remove_dir_all(root.join("a")).unwrap();
        symlink(&outside, root.join("a")).unwrap();
        let failed = unpack(folder.path(), request).unwrap().failed;
        assert_eq!(failed.len(), 2, "{failed:?}");
        assert!(failed[0].1.contains("symbolic link"), "{failed:?}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn files_are_packed_as_far_as_they_fit() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(folder.path().join(name), name.repeat(1_000)).unwrap();
        }
        fs::write(folder.path().join("large"), vec![0; 70_000]).unwrap();
        symlink("a", folder.path().join("link")).unwrap();
        let paths = ["a", "missing", "large", "link", "b", "c"].map(relative).to_vec();
        let request = Pack { root: folder.path().as_os_str().as_bytes().to_vec(), paths };
        let all = pack(Path::new("/"), request.clone(), 100_000);
        let read: Vec<_> = all.entries.iter().map(|entry| entry.path.as_bytes()).collect();
        assert_eq!((read, all.failed.len()), (vec![&b"a"[..], b"b", b"c"], 3));
        let some = pack(Path::new("/"), request, 5_000);
        assert!(some.entries.len() + some.failed.len() < 6 && !some.entries.is_empty(), "{some:?}");
    }
}
