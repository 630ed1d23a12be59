//! Open directories of `/proc`.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, RawDir};
use rustix::io::Errno;

/// Maximum number of bytes read from a file; files of the kernel are shorter.
pub(crate) const MAX_FILE: u64 = 4 << 20;

/// An open directory.
///
/// An open `/proc/PID` directory keeps referring to the same process even if the PID is reused.
#[derive(Debug)]
pub struct Folder {
    descriptor: OwnedFd,
    opened: Arc<AtomicU64>,
}

impl Folder {
    /// Opens a directory. `opened` counts the files and directories opened through it.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn open(path: &Path, opened: &Arc<AtomicU64>) -> io::Result<Self> {
        Self::below(CWD, path, opened)
    }

    /// Opens a directory below it.
    pub fn folder(&self, name: &str) -> io::Result<Self> {
        Self::below(self.descriptor.as_fd(), name, &self.opened)
    }

    fn below(
        folder: BorrowedFd<'_>,
        path: impl rustix::path::Arg,
        opened: &Arc<AtomicU64>,
    ) -> io::Result<Self> {
        opened.fetch_add(1, Ordering::Relaxed);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(folder, path, flags, Mode::empty())?;
        Ok(Self { descriptor, opened: Arc::clone(opened) })
    }

    /// Passes the content of a file, up to 4 MiB, to `look` and returns its result.
    ///
    /// The file must be one from which the kernel returns as many bytes as requested until its end, as it
    /// does for generated files with numbers and names. A shorter read is treated as the end, and the kernel
    /// is not called again.
    pub fn read<T>(&self, name: &str, look: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        self.read_up_to(name, usize::try_from(MAX_FILE).unwrap_or(usize::MAX), look)
    }

    fn read_up_to<T>(&self, name: &str, most: usize, look: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        let file = self.open_at(name, OFlags::RDONLY)?;
        let mut piece = [const { MaybeUninit::uninit() }; PIECE];
        let mut before = Vec::new();
        loop {
            let (read, rest) = match rustix::io::read(&file, &mut piece) {
                Err(Errno::INTR) => continue,
                read => read?,
            };
            let is_end = !rest.is_empty();
            if is_end && before.is_empty() {
                return Ok(look(read));
            }
            before.extend_from_slice(read);
            if is_end || before.len() >= most {
                before.truncate(most);
                return Ok(look(&before));
            }
        }
    }

    /// Returns the content of such a file as text, with U+FFFD for invalid UTF-8.
    pub fn text(&self, name: &str) -> io::Result<String> {
        self.read(name, text)
    }

    /// Returns the content of such a file as text, up to `most` bytes.
    pub fn text_up_to(&self, name: &str, most: usize) -> io::Result<String> {
        self.read_up_to(name, most, text)
    }

    /// Returns the target of a symbolic link.
    pub fn link(&self, name: &str) -> io::Result<String> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        // The kernel does not return longer targets (path_resolution(7)).
        let mut target = [const { MaybeUninit::uninit() }; PIECE];
        let (target, _) = rustix::fs::readlinkat_raw(&self.descriptor, name, &mut target)?;
        Ok(text(target))
    }

    /// Returns the size of an entry, as reported by the kernel.
    pub fn size(&self, name: &str) -> io::Result<u64> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let status = rustix::fs::statat(&self.descriptor, name, rustix::fs::AtFlags::empty())?;
        Ok(status.st_size.try_into().unwrap_or_default())
    }

    /// Calls `each` for the names in a subdirectory, in no particular order.
    pub fn each_name(&self, name: &str, mut each: impl FnMut(&CStr)) -> io::Result<()> {
        let folder = self.open_at(name, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut piece = [const { MaybeUninit::uninit() }; NAMES];
        let mut entries = RawDir::new(folder.as_fd(), &mut piece);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                each(entry.file_name());
            }
        }
        Ok(())
    }

    fn open_at(&self, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(rustix::fs::openat(&self.descriptor, name, flags | OFlags::CLOEXEC, Mode::empty())?)
    }
}

/// Buffer size in bytes that most files of a process fit into.
const PIECE: usize = 4096;

/// Buffer size in bytes for the names of some hundred processes.
const NAMES: usize = 16_384;

/// Decodes UTF-8, with U+FFFD for invalid bytes.
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Decodes UTF-8, with U+FFFD for invalid bytes, and reuses the buffer if possible.
pub fn into_text(octets: Vec<u8>) -> String {
    String::from_utf8(octets).unwrap_or_else(|error| text(error.as_bytes()))
}

/// Returns the names in a folder that are numbers, ascending.
pub fn numbers(folder: &Folder, name: &str) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    folder.each_name(name, |name| numbers.extend(name.to_str().ok().and_then(number_from)))?;
    numbers.sort_unstable();
    Ok(numbers)
}

/// Parses a process number in the form that the kernel writes, without leading zeros.
pub fn number_from(text: &str) -> Option<u32> {
    let is_canonical = !text.starts_with('0') && text.bytes().all(|octet| octet.is_ascii_digit());
    if is_canonical { text.parse().ok() } else { None }
}
