//! Reading files that only trusted users could have changed, and replacing them atomically.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use auth::account_file::{AccountFile, MAX_OCTETS};
use files::Attributes;

use crate::{AccountsError, nonblocking_flags};

/// Reads an account file that no user but its owner could have changed.
///
/// # Errors
/// [`AccountsError`] with the file, the line and what to do.
pub fn read(path: &Path) -> Result<AccountFile, AccountsError> {
    read_with_stamp(path).map(|(file, _)| file)
}

/// Behaviour of a change if the file does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// Starts from an empty file.
    Create,
    /// Fails with [`AccountsError::Missing`].
    Fail,
}

/// Changes an account file atomically.
///
/// Concurrent changes, also by other processes, are serialised. At any time, even if the process is killed, the file is
/// either the old or the new one.
///
/// # Errors
/// The error of `change`; [`AccountsError`] if the file cannot be read or replaced.
pub fn update<T, E: From<AccountsError>>(
    path: &Path,
    if_missing: IfMissing,
    change: impl FnOnce(&mut AccountFile) -> Result<T, E>,
) -> Result<T, E> {
    update_within(LockLimit::None, path, if_missing, change)
}

/// Changes an account file like [`update`], and waits at most so long for other processes that change it.
///
/// # Errors
/// As for [`update`]; [`AccountsError::Busy`] after the limit.
pub fn update_within<T, E: From<AccountsError>>(
    limit: LockLimit,
    path: &Path,
    if_missing: IfMissing,
    change: impl FnOnce(&mut AccountFile) -> Result<T, E>,
) -> Result<T, E> {
    change_text(limit, path, if_missing, |path, old| {
        let mut file = parse(old, path)?;
        let outcome = change(&mut file)?;
        Ok((file.to_string(), outcome))
    })
}

/// Limit of the time to wait for other processes that change a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockLimit {
    /// Waits until the other process has finished.
    None,
    /// Waits so long.
    Time(Duration),
}

/// Changes a file of another kind like [`update`]. `change` receives the resolved path and the old text.
///
/// # Errors
/// The error of `change`; [`AccountsError`] if the file cannot be read or replaced.
pub fn update_text<T, E: From<AccountsError>>(
    path: &Path,
    if_missing: IfMissing,
    change: impl FnOnce(&Path, &str) -> Result<(String, T), E>,
) -> Result<T, E> {
    change_text(LockLimit::None, path, if_missing, change)
}

fn change_text<T, E: From<AccountsError>>(
    limit: LockLimit,
    path: &Path,
    if_missing: IfMissing,
    change: impl FnOnce(&Path, &str) -> Result<(String, T), E>,
) -> Result<T, E> {
    let path = resolve(path)?;
    let locked = lock(&path, if_missing, limit)?;
    let old = text(&locked, &path)?;
    let (new, outcome) = change(&path, &old)?;
    if new != old {
        replace(&path, &new)?;
    }
    // The lock is held until the new file is in place.
    drop(locked);
    Ok(outcome)
}

/// Metadata that changes whenever the file changes. The time of the last inode change also covers permissions, and no
/// user can set it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    octets: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Returns the stamp of the file that has this name now, if any.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
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

/// Reads an account file like [`read`], with its stamp.
///
/// # Errors
/// [`AccountsError`] with the file, the line and what to do.
pub fn read_with_stamp(path: &Path) -> Result<(AccountFile, Stamp), AccountsError> {
    let (text, stamp) = text_with_stamp(path)?;
    Ok((parse(&text, path)?, stamp))
}

/// Reads the text of a file that no user but its owner could have read or changed.
///
/// # Errors
/// [`AccountsError`] if the file is missing, too large, or could have been read or changed by other users.
pub fn text_with_stamp(path: &Path) -> Result<(String, Stamp), AccountsError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking_flags())
        .open(path)
        .map_err(|source| open_error(path, source))?;
    // Taken before reading: a change during the read then gives a different stamp.
    let stamp = Stamp::from(&trusted_metadata(&file, path)?);
    Ok((text(&file, path)?, stamp))
}

/// Resolves symbolic links, so that replacing the file leaves the links alone.
fn resolve(path: &Path) -> Result<PathBuf, AccountsError> {
    match fs::canonicalize(path) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder =
                fs::canonicalize(files::folder(path)).map_err(disk("find the directory of", path))?;
            let name = path.file_name().ok_or_else(|| disk("find", path)(error))?;
            Ok(folder.join(name))
        }
        Err(error) => Err(disk("find", path)(error)),
    }
}

/// Opens the file and waits for an exclusive lock.
///
/// The lock is on the file itself, so that users who may not read it cannot block it.
fn lock(path: &Path, if_missing: IfMissing, limit: LockLimit) -> Result<File, AccountsError> {
    let deadline = match limit {
        LockLimit::None => None,
        LockLimit::Time(time) => Some(Instant::now() + time),
    };
    loop {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(nonblocking_flags());
        if if_missing == IfMissing::Create {
            options.write(true).create(true).mode(MODE);
        }
        let file = options.open(path).map_err(|source| open_error(path, source))?;
        let metadata = trusted_metadata(&file, path)?;
        match deadline {
            None => match file.lock() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome.map_err(disk("lock", path))?,
            },
            Some(deadline) => match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(LOCK_INTERVAL);
                    continue;
                }
                Err(TryLockError::WouldBlock) => return Err(AccountsError::Busy { path: path.to_owned() }),
                Err(TryLockError::Error(source)) => return Err(disk("lock", path)(source)),
            },
        }
        // The previous holder of the lock may have replaced the file.
        let is_current = fs::symlink_metadata(path)
            .is_ok_and(|now| (now.dev(), now.ino()) == (metadata.dev(), metadata.ino()));
        if is_current {
            return Ok(file);
        }
    }
}

/// Checks type, owner and mode of the opened file, not of its path, which may lead elsewhere by now.
fn trusted_metadata(file: &File, path: &Path) -> Result<Metadata, AccountsError> {
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
    let max = u64::try_from(MAX_OCTETS).unwrap_or(u64::MAX);
    file.take(max.saturating_add(1)).read_to_string(&mut text).map_err(disk("read", path))?;
    if text.len() > MAX_OCTETS {
        return Err(AccountsError::TooLarge { path: path.to_owned(), most: MAX_OCTETS });
    }
    Ok(text)
}

fn parse(text: &str, path: &Path) -> Result<AccountFile, AccountsError> {
    AccountFile::parse(text).map_err(|source| AccountsError::Content { path: path.to_owned(), source })
}

/// Replaces the file by a new one with this text.
fn replace(path: &Path, text: &str) -> Result<(), AccountsError> {
    files::replace(path, text.as_bytes(), Attributes { mode: MODE, group: None }).map_err(disk("write", path))
}

fn open_error(path: &Path, source: io::Error) -> AccountsError {
    if source.kind() == io::ErrorKind::NotFound {
        return AccountsError::Missing { path: path.to_owned() };
    }
    disk("open", path)(source)
}

fn disk<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> AccountsError + 'a {
    move |source| AccountsError::Disk { action, path: path.to_owned(), source }
}

/// Time between two attempts to lock a file.
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// Mode of the file: password hashes must not be readable by others, who could try to crack them.
const MODE: u32 = 0o600;
