//! Atomic replacement of the files of a commit, and restoration after a failure or a crash.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown, symlink};
use std::path::{Path, PathBuf};

use super::disk;
use super::roots::{Roots, Target};
use super::store::{PendingFile, Store, digest};
use crate::error::WebServerError;
use crate::plan::PlannedFile;

/// Writes the planned files. The journal of the store contains the commit afterwards, until the store inserts or abandons
/// it. After an error, the old files are in place and the journal is empty.
pub(crate) fn write(store: &Store, roots: &Roots, files: &[PlannedFile]) -> Result<(), WebServerError> {
    let pending = files.iter().map(pending).collect::<Result<Vec<_>, _>>()?;
    for entry in &pending {
        roots.require_inside(Path::new(&entry.target).parent().unwrap_or(Path::new("/")))?;
    }
    let contents: Vec<&[u8]> = files
        .iter()
        .flat_map(|file| [&file.before, &file.after])
        .filter_map(|content| content.as_deref())
        .collect();
    store.begin(&pending, &contents)?;
    let written = replace_all(roots, files, &pending);
    written.or_else(|error| {
        match restore(store, roots, &pending) {
            Ok(()) => store.abandon()?,
            Err(restore) => {
                let (cause, restore) = (error.to_string(), restore.to_string());
                return Err(WebServerError::Unrestored { cause, restore });
            }
        }
        Err(error)
    })
}

/// Restores the old content of files that have the new one. Files with another content were changed meanwhile by another
/// program, and are left alone.
pub(crate) fn restore(store: &Store, roots: &Roots, pending: &[PendingFile]) -> Result<(), WebServerError> {
    for file in pending {
        let target = roots.target(Path::new(&file.target))?;
        let target = target.path();
        let _ = fs::remove_file(temporary(target));
        if let Some(link) = &file.new_link {
            if fs::read_link(target).is_ok_and(|found| found == Path::new(link)) {
                fs::remove_file(target).map_err(WebServerError::disk("delete", target))?;
            }
            continue;
        }
        let current = disk::read(&file.target)?.map(|content| digest(&content));
        if current != file.after || current == file.before {
            continue;
        }
        match (&file.link, &file.before) {
            (Some(link), _) => {
                symlink(link, target).map_err(WebServerError::disk("restore the link", target))?;
            }
            (None, Some(before)) => {
                let content = store.content(before)?;
                prepare(target, &content)
                    .and_then(|()| fs::rename(temporary(target), target))
                    .map_err(WebServerError::disk("restore", target))?;
            }
            (None, None) => fs::remove_file(target).map_err(WebServerError::disk("delete", target))?,
        }
    }
    synchronize_folders(pending)
}

/// Returns the journal entry of a file, and checks that it may be written.
fn pending(file: &PlannedFile) -> Result<PendingFile, WebServerError> {
    let path = Path::new(&file.path);
    let link = if file.after.is_none() { fs::read_link(path).ok() } else { None };
    let target = match (&file.before, &link) {
        (Some(_), None) => fs::canonicalize(path).map_err(WebServerError::disk("resolve", path))?,
        _ => path.to_owned(),
    };
    if file.before.is_some() && link.is_none() {
        let metadata = fs::metadata(&target).map_err(WebServerError::disk("read", &target))?;
        if metadata.mode() & 0o200 == 0 {
            let reason = io::Error::new(io::ErrorKind::PermissionDenied, "its owner may not write it");
            return Err(WebServerError::disk("write", &target)(reason));
        }
    }
    let target = target.into_os_string().into_string().map_err(|_| WebServerError::Impossible {
        action: format!("write {}", file.path),
        reason: "the path behind its link is not UTF-8".to_owned(),
    })?;
    let link = link.map(|link| link.to_string_lossy().into_owned());
    let [before, after] = [&file.before, &file.after].map(|content| content.as_deref().map(digest));
    Ok(PendingFile { path: file.path.clone(), target, link, new_link: file.link.clone(), before, after })
}

/// Prepares all new files before the first one replaces an old one, so that a full disk changes nothing.
fn replace_all(roots: &Roots, files: &[PlannedFile], pending: &[PendingFile]) -> Result<(), WebServerError> {
    let mut targets = Vec::with_capacity(files.len());
    for (file, entry) in files.iter().zip(pending) {
        let path = Path::new(&entry.target);
        if let Some(folder) = path.parent().filter(|_| file.after.is_some()) {
            fs::create_dir_all(folder).map_err(WebServerError::disk("create", folder))?;
        }
        let target = roots.target(path)?;
        if let Some(content) = &file.after {
            let prepared = match &file.link {
                Some(link) => prepare_link(target.path(), link),
                None => prepare(target.path(), content),
            };
            prepared.map_err(WebServerError::disk("write", path))?;
        }
        targets.push(target);
    }
    let targets = targets.iter().map(Target::path);
    for ((file, entry), target) in files.iter().zip(pending).zip(targets) {
        // The file behind a deleted link may be deleted by the same commit.
        let is_unchanged = match &entry.link {
            Some(link) => fs::read_link(target).is_ok_and(|found| found == Path::new(link)),
            None => disk::read(&file.path)? == file.before,
        };
        if !is_unchanged {
            let reason = io::Error::other("it was changed meanwhile");
            return Err(WebServerError::disk("replace", target)(reason));
        }
        if file.after.is_some() {
            fs::rename(temporary(target), target).map_err(WebServerError::disk("replace", target))?;
        } else {
            fs::remove_file(target).map_err(WebServerError::disk("delete", target))?;
        }
    }
    synchronize_folders(pending)
}

/// Writes the temporary file next to a file, with owner, group and mode of that file.
fn prepare(target: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = temporary(target);
    remove_left_over(&temporary)?;
    let written = write_new(&temporary, target, content);
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Creates the temporary link next to a path.
fn prepare_link(target: &Path, link: &str) -> io::Result<()> {
    let temporary = temporary(target);
    remove_left_over(&temporary)?;
    symlink(link, temporary)
}

/// Removes a temporary file of a process that was killed.
fn remove_left_over(temporary: &Path) -> io::Result<()> {
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write_new(temporary: &Path, target: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    file.write_all(content)?;
    match fs::symlink_metadata(target) {
        Ok(old) if old.is_file() => {
            let new = file.metadata()?;
            if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
                fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
            file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
        }
        _ => file.set_permissions(Permissions::from_mode(0o644))?,
    }
    file.sync_all()
}

/// Returns the path of the temporary file. It begins with a dot, so that no pattern of `include` matches it.
fn temporary(target: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".telarch-new");
    target.with_file_name(name)
}

fn synchronize_folders(pending: &[PendingFile]) -> Result<(), WebServerError> {
    let folders: BTreeSet<&Path> =
        pending.iter().filter_map(|file| Path::new(&file.target).parent()).collect();
    for folder in folders {
        match File::open(folder) {
            Ok(opened) => opened.sync_all().map_err(WebServerError::disk("synchronize", folder))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(WebServerError::disk("synchronize", folder)(error)),
        }
    }
    Ok(())
}
