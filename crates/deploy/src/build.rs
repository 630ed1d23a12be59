//! Builds the new folder of a site from an archive.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::archive::{EntryKind, EntryVisitor, read};
use crate::difference::compare_file;
use crate::error::DeployError;
use crate::limits::{MAX_CONTENT, MAX_ENTRIES};
use crate::mode::Mode;
use crate::path::ContentPath;
use crate::tree::{Entry, Kind, Ownership, Tree, set_ownership};

/// The old content of a site.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OldContent<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) entries: &'a BTreeMap<ContentPath, Entry>,
    /// Owner and permissions of the folder.
    pub(crate) ownership: Ownership,
}

/// Fills an empty folder with the content of an archive, and in [`Mode::Add`] with the old files that the archive does not
/// contain. Returns the files that did not change.
pub(crate) fn build(
    old: OldContent<'_>,
    new: &Tree,
    archive: &mut File,
    mode: Mode,
) -> Result<BTreeSet<ContentPath>, DeployError> {
    let mut builder = Builder {
        old,
        new,
        files: BTreeSet::new(),
        folders: BTreeSet::new(),
        unchanged: BTreeSet::new(),
        room: MAX_CONTENT,
    };
    read(archive, &mut builder)?;
    if builder.files.is_empty() && mode == Mode::Replace {
        return Err(DeployError::Archive("it contains no file, so that it would empty the site".to_owned()));
    }
    if mode == Mode::Add {
        builder.keep_others()?;
    }
    builder.finish_folders()?;
    Ok(builder.unchanged)
}

struct Builder<'a> {
    old: OldContent<'a>,
    new: &'a Tree,
    files: BTreeSet<ContentPath>,
    folders: BTreeSet<ContentPath>,
    unchanged: BTreeSet<ContentPath>,
    /// Number of bytes that may still be written.
    room: u64,
}

impl EntryVisitor for Builder<'_> {
    fn visit(
        &mut self,
        path: ContentPath,
        kind: EntryKind,
        content: &mut dyn Read,
    ) -> Result<(), DeployError> {
        match kind {
            EntryKind::Folder => self.folder(&path),
            EntryKind::File => self.archive_file(path, content),
        }
    }
}

impl Builder<'_> {
    /// Creates a folder and those above it. Archives may name folders repeatedly.
    fn folder(&mut self, path: &ContentPath) -> Result<(), DeployError> {
        for folder in path.folders().chain([path.clone()]) {
            if self.folders.contains(&folder) {
                continue;
            }
            if self.files.contains(&folder) {
                return Err(DeployError::Repeated(folder.to_string()));
            }
            self.require_room_for_entry()?;
            let parent = self.parent(&folder)?;
            parent.create_folder(folder.split().1).map_err(DeployError::disk("create", folder.as_str()))?;
            self.folders.insert(folder);
        }
        Ok(())
    }

    fn archive_file(&mut self, path: ContentPath, content: &mut dyn Read) -> Result<(), DeployError> {
        let mut file = self.create(&path)?;
        copy_from_archive(content, &mut file, &mut self.room, &path)?;
        let before = self.old.entries.get(&path);
        let size = file.metadata().map_err(DeployError::io("read", path.as_str()))?.len();
        if let Some(before) = before.filter(|before| before.kind == (Kind::File { size }))
            && compare_file(&path, self.old.tree, self.new)?
        {
            keep_time(&file, before, &path)?;
            self.unchanged.insert(path.clone());
        }
        let ownership = match before {
            Some(Entry { kind: Kind::File { .. }, ownership, .. }) => *ownership,
            _ => Ownership { mode: self.old.ownership.mode & 0o666, ..self.old.ownership },
        };
        set_ownership(&file, Ownership { mode: ownership.mode & 0o777, ..ownership })
            .map_err(DeployError::disk("set the owner of", path.as_str()))
    }

    /// Copies the old entries that the archive has not replaced.
    fn keep_others(&mut self) -> Result<(), DeployError> {
        let old = self.old;
        for (path, entry) in old.entries {
            let is_replaced = self.files.contains(path)
                || self.folders.contains(path)
                || path.folders().any(|folder| self.files.contains(&folder));
            if is_replaced {
                continue;
            }
            match &entry.kind {
                Kind::Folder => self.folder(path)?,
                Kind::File { .. } => self.copy(path, entry)?,
                Kind::Link(target) => {
                    self.require_unused(path)?;
                    let parent = self.parent(path)?;
                    parent
                        .create_link(path.split().1, target, entry.ownership)
                        .map_err(DeployError::disk("create", path.as_str()))?;
                    self.files.insert(path.clone());
                }
                Kind::Special => return Err(DeployError::Special(path.to_string())),
            }
            if entry.kind != Kind::Folder {
                self.unchanged.insert(path.clone());
            }
        }
        Ok(())
    }

    fn copy(&mut self, path: &ContentPath, entry: &Entry) -> Result<(), DeployError> {
        let parent = self.old.tree.parent(path).map_err(DeployError::disk("read", path.as_str()))?;
        let source = parent.file(path.split().1).map_err(DeployError::disk("read", path.as_str()))?;
        let mut file = self.create(path)?;
        let copied = io::copy(&mut source.take(self.room.saturating_add(1)), &mut file)
            .map_err(DeployError::io("copy", path.as_str()))?;
        self.room = self.room.checked_sub(copied).ok_or_else(too_large)?;
        keep_time(&file, entry, path)?;
        set_ownership(&file, Ownership { mode: entry.ownership.mode & 0o777, ..entry.ownership })
            .map_err(DeployError::disk("set the owner of", path.as_str()))
    }

    /// Creates a file that does not exist yet, and the folders above it.
    fn create(&mut self, path: &ContentPath) -> Result<File, DeployError> {
        self.require_unused(path)?;
        self.require_room_for_entry()?;
        let parent = self.parent(path)?;
        let file = parent.create_file(path.split().1).map_err(DeployError::disk("create", path.as_str()))?;
        self.files.insert(path.clone());
        Ok(file)
    }

    fn require_unused(&mut self, path: &ContentPath) -> Result<(), DeployError> {
        if let Some(folder) = path.folders().last() {
            self.folder(&folder)?;
        }
        if self.files.contains(path) || self.folders.contains(path) {
            return Err(DeployError::Repeated(path.to_string()));
        }
        Ok(())
    }

    fn require_room_for_entry(&self) -> Result<(), DeployError> {
        if self.files.len() + self.folders.len() < MAX_ENTRIES {
            return Ok(());
        }
        let limit = MAX_ENTRIES.to_string();
        Err(DeployError::Limit { what: "the number of files and folders", limit })
    }

    fn parent(&self, path: &ContentPath) -> Result<Tree, DeployError> {
        self.new.parent(path).map_err(DeployError::disk("open the folder of", path.as_str()))
    }

    /// Gives the folders their final owners and permissions, the innermost first.
    fn finish_folders(&self) -> Result<(), DeployError> {
        for path in self.folders.iter().rev() {
            let ownership = match self.old.entries.get(path) {
                Some(Entry { kind: Kind::Folder, ownership, .. }) => *ownership,
                _ => self.old.ownership,
            };
            let folder = self.parent(path)?.folder(path.split().1);
            folder
                .and_then(|folder| folder.set_ownership(ownership))
                .map_err(DeployError::disk("set the owner of", path.as_str()))?;
        }
        self.new
            .set_ownership(self.old.ownership)
            .map_err(DeployError::disk("set the owner of", "the folder"))
    }
}

/// Copies the content of an entry, and tells errors of the archive from those of the disk.
fn copy_from_archive(
    content: &mut dyn Read,
    file: &mut File,
    room: &mut u64,
    path: &ContentPath,
) -> Result<(), DeployError> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(DeployError::Archive(format!("{path}: {error}"))),
        };
        let count = u64::try_from(read).unwrap_or(u64::MAX);
        *room = room.checked_sub(count).ok_or_else(too_large)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        file.write_all(bytes).map_err(DeployError::io("write", path.as_str()))?;
    }
}

/// Gives a file the time of the old one, so that caches of clients stay valid.
fn keep_time(file: &File, entry: &Entry, path: &ContentPath) -> Result<(), DeployError> {
    let (seconds, nanoseconds) = entry.modified;
    let nanoseconds = u32::try_from(nanoseconds).unwrap_or_default();
    let since = Duration::new(u64::try_from(seconds).unwrap_or_default(), nanoseconds);
    let time: SystemTime = UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH);
    file.set_modified(time).map_err(DeployError::io("set the time of", path.as_str()))
}

fn too_large() -> DeployError {
    DeployError::Limit { what: "the size of the content", limit: format!("{} MiB", MAX_CONTENT >> 20) }
}
