//! Reading a file that may be trusted, and replacing it so that it is never half there.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use auth::account_file::{AccountFile, MAX_OCTETS};

use crate::{AccountsError, not_waiting};

/// Reads a file of accounts that nobody but its owner could have changed.
///
/// # Errors
/// [`AccountsError`] with the file, the line and what to do.
pub fn read(path: &Path) -> Result<AccountFile, AccountsError> {
    read_with_stamp(path).map(|(file, _)| file)
}

/// What a change does if there is no file yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// It begins with an empty one.
    Create,
    /// It fails with [`AccountsError::Missing`].
    Fail,
}

/// Changes a file of accounts: whole, or not at all.
///
/// Changes happen one after the other, also those of other processes. At any moment, also when the process
/// is killed, the file is the old or the new one.
///
/// # Errors
/// Those of the change itself, and [`AccountsError`] if the file cannot be read or replaced.
pub fn update<T, E: From<AccountsError>>(
    path: &Path,
    if_missing: IfMissing,
    change: impl FnOnce(&mut AccountFile) -> Result<T, E>,
) -> Result<T, E> {
    update_text(path, if_missing, |path, old| {
        let mut file = parse(old, path)?;
        let outcome = change(&mut file)?;
        Ok((file.to_string(), outcome))
    })
}

/// The same for a file of another kind, which the change gets with its resolved path.
pub(crate) fn update_text<T, E: From<AccountsError>>(
    path: &Path,
    if_missing: IfMissing,
    change: impl FnOnce(&Path, &str) -> Result<(String, T), E>,
) -> Result<T, E> {
    let path = resolve(path)?;
    let locked = lock(&path, if_missing)?;
    let old = text(&locked, &path)?;
    let (new, outcome) = change(&path, &old)?;
    if new != old {
        replace(&path, &new)?;
    }
    // Until here nobody else may change it.
    drop(locked);
    Ok(outcome)
}

/// What tells a changed file from an unchanged one. The time of the last change of the inode also tells of
/// permissions, and nobody can set it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    octets: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// That of the file that has this name now, if any.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            octets: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

pub(super) fn read_with_stamp(path: &Path) -> Result<(AccountFile, Stamp), AccountsError> {
    let (text, stamp) = text_with_stamp(path)?;
    Ok((parse(&text, path)?, stamp))
}

/// The text of a file that nobody but its owner could have read or changed.
pub(crate) fn text_with_stamp(path: &Path) -> Result<(String, Stamp), AccountsError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(not_waiting())
        .open(path)
        .map_err(|source| opening(path, source))?;
    // Taken before reading: what changes meanwhile is seen as a change.
    let stamp = Stamp::from(&trusted(&file, path)?);
    Ok((text(&file, path)?, stamp))
}

/// The file behind symbolic links, so that replacing it leaves the links alone.
fn resolve(path: &Path) -> Result<PathBuf, AccountsError> {
    match fs::canonicalize(path) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = fs::canonicalize(folder(path)).map_err(disk("find the folder of", path))?;
            let name = path.file_name().ok_or_else(|| disk("find", path)(error))?;
            Ok(folder.join(name))
        }
        Err(error) => Err(disk("find", path)(error)),
    }
}

/// Opens the file and waits until nobody else changes it.
///
/// It is the file itself that is locked: whoever may not read it cannot hold it either.
fn lock(path: &Path, if_missing: IfMissing) -> Result<File, AccountsError> {
    loop {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(not_waiting());
        if if_missing == IfMissing::Create {
            options.write(true).create(true).mode(MODE);
        }
        let file = options.open(path).map_err(|source| opening(path, source))?;
        let metadata = trusted(&file, path)?;
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome.map_err(disk("lock", path))?,
        }
        // Whoever held the lock before may have put another file in its place.
        let is_current = fs::symlink_metadata(path)
            .is_ok_and(|now| (now.dev(), now.ino()) == (metadata.dev(), metadata.ino()));
        if is_current {
            return Ok(file);
        }
    }
}

/// Looks at the file that was opened, not at its name, which could lead elsewhere by now.
fn trusted(file: &File, path: &Path) -> Result<Metadata, AccountsError> {
    let metadata = file.metadata().map_err(disk("read", path))?;
    let path = path.to_owned();
    if !metadata.is_file() {
        return Err(AccountsError::NotAFile { path });
    }
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(AccountsError::Foreign { path, owner });
    }
    if mode & 0o077 != 0 {
        return Err(AccountsError::Exposed { path, mode });
    }
    Ok(metadata)
}

fn text(file: &File, path: &Path) -> Result<String, AccountsError> {
    let mut text = String::new();
    let most = u64::try_from(MAX_OCTETS).unwrap_or(u64::MAX);
    file.take(most.saturating_add(1)).read_to_string(&mut text).map_err(disk("read", path))?;
    if text.len() > MAX_OCTETS {
        return Err(AccountsError::TooLarge { path: path.to_owned(), most: MAX_OCTETS });
    }
    Ok(text)
}

fn parse(text: &str, path: &Path) -> Result<AccountFile, AccountsError> {
    AccountFile::parse(text).map_err(|source| AccountsError::Content { path: path.to_owned(), source })
}

/// Puts a new file in the place of the old one.
fn replace(path: &Path, text: &str) -> Result<(), AccountsError> {
    let beside = beside(path);
    if let Err(error) = write(&beside, text).and_then(|()| fs::rename(&beside, path)) {
        // The old file is still there; what is left of the new one is of no use.
        let _ = fs::remove_file(&beside);
        return Err(disk("write", path)(error));
    }
    let folder = folder(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(disk("write", folder))
}

fn write(beside: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // Whoever was killed here before left it.
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

fn opening(path: &Path, source: io::Error) -> AccountsError {
    if source.kind() == io::ErrorKind::NotFound {
        return AccountsError::Missing { path: path.to_owned() };
    }
    disk("open", path)(source)
}

fn disk<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> AccountsError + 'a {
    move |source| AccountsError::Disk { action, path: path.to_owned(), source }
}

/// Hashes can be guessed at by whoever can read them.
const MODE: u32 = 0o600;
