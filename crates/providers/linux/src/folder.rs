//! A folder of `/proc` that stays open.

use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, RawDir};
use rustix::io::Errno;

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
    ///
    /// It must be one of which the kernel gives as much as is asked for, until there is no more, as all those of
    /// numbers and names do that are written anew for each reader: less than that is its end, and the kernel is not
    /// asked again.
    pub(crate) fn octets(&self, name: &str) -> io::Result<Vec<u8>> {
        self.octets_up_to(name, usize::try_from(Machine::MAX_FILE).unwrap_or(usize::MAX))
    }

    /// The same, up to so many octets.
    pub(crate) fn octets_up_to(&self, name: &str, most: usize) -> io::Result<Vec<u8>> {
        let file = self.open_at(name, OFlags::RDONLY)?;
        let mut piece = [const { MaybeUninit::uninit() }; PIECE];
        let mut octets = Vec::new();
        loop {
            let (read, rest) = match rustix::io::read(&file, &mut piece) {
                Err(Errno::INTR) => continue,
                read => read?,
            };
            octets.extend_from_slice(read);
            if !rest.is_empty() || octets.len() >= most {
                octets.truncate(most);
                return Ok(octets);
            }
        }
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

/// What most files of a process fit into, and less than the stack has room for.
const PIECE: usize = 4096;

/// Octets as text, with U+FFFD for what is not UTF-8.
pub(crate) fn into_text(octets: Vec<u8>) -> String {
    String::from_utf8(octets).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
