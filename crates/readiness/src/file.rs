//! Files that are written, replaced, made or removed (inotify(7)).

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

/// Says when one of some files is not what it was.
#[derive(Debug)]
pub struct FileChanges {
    inotify: AsyncFd<OwnedFd>,
    /// The number of a folder's watch, with the name of a file in it.
    files: Vec<(i32, OsString)>,
    /// The numbers of folders in which every file counts.
    folders: Vec<i32>,
}

impl FileChanges {
    /// Begins to watch. The files need not exist, but their folders: a file that is replaced, as most are, is found by
    /// its name there.
    ///
    /// # Errors
    /// The system's: a folder is missing, or the user watches more than `fs.inotify` allows.
    pub fn of<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> io::Result<Self> {
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let mut files = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_owned);
            // A folder that is watched already has the same number.
            files.push((add_watch(&inotify, &folder, OF_FOLDER)?, name.to_owned()));
        }
        Ok(Self { inotify: watch(inotify, Interest::READABLE)?, files, folders: Vec::new() })
    }

    /// Watches every file directly in some folders as well.
    ///
    /// # Errors
    /// As [`FileChanges::of`].
    pub fn and_all_in<P: AsRef<Path>>(mut self, folders: impl IntoIterator<Item = P>) -> io::Result<Self> {
        for folder in folders {
            self.folders.push(add_watch(self.inotify.get_ref(), folder.as_ref(), OF_FOLDER)?);
        }
        Ok(self)
    }

    /// Waits for the next change. What has changed together is told once; nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// The system's, and `NotFound` once a folder is gone.
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
                    // More has happened than the kernel could keep.
                    Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => has_changed = true,
                    Ok(event) => {
                        let name = event.file_name().map_or(&b""[..], std::ffi::CStr::to_bytes);
                        let is_it = |(folder, file): &(i32, OsString)| {
                            *folder == event.wd() && file.as_bytes() == name
                        };
                        has_changed |= self.files.iter().any(is_it) || self.folders.contains(&event.wd());
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

/// What is of interest in a folder: a file is complete when it is closed or gets its name.
const OF_FOLDER: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::ONLYDIR);
