//! A folder of `/proc` that stays open.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, RawDir};
use rustix::io::retry_on_intr;

use crate::Machine;

/// An open folder.
///
/// Of `/proc` it is that of one process as long as it is open, even if its number is given to another.
#[derive(Debug)]
pub(crate) struct Folder {
    descriptor: OwnedFd,
    opened: Arc<AtomicU64>,
}

impl Folder {
    pub(crate) fn open(path: &Path, opened: &Arc<AtomicU64>) -> io::Result<Self> {
        opened.fetch_add(1, Ordering::Relaxed);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        Ok(Self { descriptor, opened: Arc::clone(opened) })
    }

    /// What is in a file, up to [`Machine::MAX_FILE`].
    pub(crate) fn octets(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = self.open_at(name, OFlags::RDONLY)?;
        let most = usize::try_from(Machine::MAX_FILE).unwrap_or(usize::MAX);
        let mut octets = Vec::with_capacity(USUAL_FILE);
        while octets.len() < most {
            if octets.capacity() - octets.len() < USUAL_FILE / 4 {
                octets.reserve(octets.len());
            }
            if retry_on_intr(|| rustix::io::read(&file, rustix::buffer::spare_capacity(&mut octets)))? == 0 {
                break;
            }
        }
        octets.truncate(most);
        Ok(octets)
    }

    /// The same as text, with U+FFFD for what is not UTF-8.
    pub(crate) fn text(&self, name: &str) -> io::Result<String> {
        Ok(into_text(self.octets(name)?))
    }

    /// Where a link leads.
    pub(crate) fn link(&self, name: &str) -> io::Result<String> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let target = rustix::fs::readlinkat(&self.descriptor, name, Vec::new())?;
        Ok(into_text(target.into_bytes()))
    }

    /// The size of something in it, as the kernel tells it.
    pub(crate) fn size(&self, name: &str) -> io::Result<u64> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let status = rustix::fs::statat(&self.descriptor, name, rustix::fs::AtFlags::empty())?;
        Ok(status.st_size.try_into().unwrap_or_default())
    }

    /// The names in a folder in it, in no order.
    pub(crate) fn names(&self, name: &str) -> io::Result<Vec<OsString>> {
        let folder = self.open_at(name, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut buffer = Vec::with_capacity(8192);
        let mut entries = RawDir::new(folder.as_fd(), buffer.spare_capacity_mut());
        let mut names = Vec::new();
        while let Some(entry) = entries.next() {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    fn open_at(&self, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(rustix::fs::openat(&self.descriptor, name, flags | OFlags::CLOEXEC, Mode::empty())?)
    }
}

/// What most files of a process fit into.
const USUAL_FILE: usize = 2048;

/// Octets as text, with U+FFFD for what is not UTF-8.
pub(crate) fn into_text(octets: Vec<u8>) -> String {
    String::from_utf8(octets).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
