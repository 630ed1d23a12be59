//! Changes of files: written, replaced, created or deleted (inotify(7)).

use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::watch;

/// Notifications about changes of files.
#[derive(Debug)]
pub struct FileChanges {
    inotify: AsyncFd<OwnedFd>,
    /// Watch descriptor of a folder, and the name of a file in it.
    files: Vec<(i32, OsString)>,
    /// Watch descriptors of folders in which all files are watched.
    folders: Vec<i32>,
}

impl FileChanges {
    /// Starts to watch files. The files need not exist, but their folders must: the folder is watched,
    /// because most programs replace a file instead of writing to it.
    ///
    /// # Errors
    /// Errors of the operating system: a folder does not exist, or the user exceeds the limits of
    /// `fs.inotify`.
    pub fn of<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> io::Result<Self> {
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let mut files = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_owned);
            // A folder that is already watched has the same watch descriptor.
            files.push((add_watch(&inotify, &folder, OF_FOLDER)?, name.to_owned()));
        }
        Ok(Self { inotify: watch(inotify, Interest::READABLE)?, files, folders: Vec::new() })
    }

    /// Also watches all files directly in some folders.
    ///
    /// # Errors
    /// As for [`FileChanges::of`].
    pub fn and_all_in<P: AsRef<Path>>(mut self, folders: impl IntoIterator<Item = P>) -> io::Result<Self> {
        for folder in folders {
            self.folders.push(add_watch(self.inotify.get_ref(), folder.as_ref(), OF_FOLDER)?);
        }
        Ok(self)
    }

    /// Watches all files directly in some folders, and also every write and changes of attributes, such as permissions
    /// and times.
    ///
    /// # Errors
    /// As for [`FileChanges::of`].
    pub fn of_contents<P: AsRef<Path>>(folders: impl IntoIterator<Item = P>) -> io::Result<Self> {
        let mut changes = Self::of::<P>([])?;
        for folder in folders {
            let flags = OF_FOLDER | WatchFlags::MODIFY | WatchFlags::ATTRIB;
            changes.folders.push(add_watch(changes.inotify.get_ref(), folder.as_ref(), flags)?);
        }
        Ok(changes)
    }

    /// Waits for the next change. Changes that occur together are reported once. Cancel-safe.
    ///
    /// # Errors
    /// Errors of the operating system; `NotFound` if a watched folder was deleted.
    pub async fn next(&mut self) -> io::Result<()> {
        loop {
            let mut readable = self.inotify.readable().await?;
            let mut buffer = [MaybeUninit::uninit(); 4_096];
            let mut events = Reader::new(readable.get_inner(), &mut buffer);
            let mut has_changed = false;
            loop {
                match events.next() {
                    Ok(event) if event.events().contains(ReadFlags::IGNORED) => {
                        return Err(io::ErrorKind::NotFound.into());
                    }
                    // Events were lost because the kernel queue overflowed.
                    Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => has_changed = true,
                    Ok(event) => {
                        let name = event.file_name().map_or(&b""[..], std::ffi::CStr::to_bytes);
                        let is_watched_file = self
                            .files
                            .iter()
                            .any(|(folder, file)| *folder == event.wd() && file.as_bytes() == name);
                        has_changed |= is_watched_file || self.folders.contains(&event.wd());
                    }
                    Err(Errno::AGAIN) => break,
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            readable.clear_ready();
            if has_changed {
                return Ok(());
            }
        }
    }
}

/// Watched events of a folder: a file is complete when it is closed or renamed.
const OF_FOLDER: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::ONLYDIR);
