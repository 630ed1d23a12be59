//! Archives that arrive in pieces.
//!
//! An upload is a file without a name, so that nothing is left of it after a crash. It belongs to one user and one site.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use locks::Mutex;

use crate::ManagementError;
use crate::Token;

/// The uploads of all users.
#[derive(Debug)]
pub struct Uploads {
    directory: PathBuf,
    open: Mutex<BTreeMap<String, Upload>>,
}

#[derive(Debug)]
struct Upload {
    user: String,
    site: String,
    file: File,
    received: u64,
    last_used: Instant,
}

/// User and site of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadOwner<'a> {
    /// Name of the user.
    pub user: &'a str,
    /// Identifier of the site.
    pub site: &'a str,
}

impl Uploads {
    /// Names the directory of the files, which is created with the first upload.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, open: Mutex::default() }
    }

    /// Begins an upload, and returns its identifier. Uploads that were not used for 15 minutes are removed, and the
    /// user's oldest one if there are two already.
    ///
    /// # Errors
    /// [`ManagementError::TooMany`] for all users together, or if the file cannot be created.
    pub fn begin(&self, owner: UploadOwner<'_>, now: Instant) -> Result<String, ManagementError> {
        let mut open = self.open.lock();
        open.retain(|_, upload| now.saturating_duration_since(upload.last_used) < IDLE);
        // The user has abandoned the oldest one, for example by closing a page.
        let own = open.iter().filter(|(_, upload)| upload.user == owner.user);
        let oldest = own.clone().min_by_key(|(_, upload)| upload.last_used).map(|(id, _)| id.clone());
        if own.count() >= MAX_PER_USER {
            oldest.and_then(|id| open.remove(&id));
        }
        if open.len() >= MAX {
            return Err(ManagementError::TooMany { kind: "uploads", limit: MAX });
        }
        let file = self.create()?;
        let id = Token::random()?.expose().to_owned();
        let (user, site) = (owner.user.to_owned(), owner.site.to_owned());
        open.insert(id.clone(), Upload { user, site, file, received: 0, last_used: now });
        Ok(id)
    }

    /// Appends a piece at an offset, which must be the number of bytes received so far or, for a repeated piece, less.
    /// Returns the number of bytes received.
    ///
    /// # Errors
    /// [`ManagementError::NotFound`], [`ManagementError::Invalid`] for a gap or too large a file, or if the disk is full.
    pub fn append(
        &self,
        id: &str,
        owner: UploadOwner<'_>,
        offset: u64,
        piece: &[u8],
        now: Instant,
    ) -> Result<u64, ManagementError> {
        let mut open = self.open.lock();
        let upload = find(&mut open, id, owner)?;
        if offset > upload.received {
            let received = upload.received;
            return Err(ManagementError::Invalid(format!(
                "offset: {received} bytes were received; continue there"
            )));
        }
        let end = offset.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if end > MAX_SIZE {
            let limit = MAX_SIZE >> 20;
            return Err(ManagementError::Invalid(format!("an upload has at most {limit} MiB")));
        }
        let written = upload.file.seek(SeekFrom::Start(offset)).and_then(|_| upload.file.write_all(piece));
        written.map_err(|source| ManagementError::Disk {
            action: "write",
            path: self.directory.clone(),
            source,
        })?;
        upload.received = upload.received.max(end);
        upload.last_used = now;
        Ok(upload.received)
    }

    /// Returns a handle of the file of an upload. All handles share their position.
    ///
    /// # Errors
    /// [`ManagementError::NotFound`], or if there are no more descriptors.
    pub fn file(&self, id: &str, owner: UploadOwner<'_>, now: Instant) -> Result<File, ManagementError> {
        let mut open = self.open.lock();
        let upload = find(&mut open, id, owner)?;
        upload.last_used = now;
        let file = upload.file.try_clone();
        file.map_err(|source| ManagementError::Disk { action: "read", path: self.directory.clone(), source })
    }

    /// Removes an upload. Returns whether it existed.
    pub fn remove(&self, id: &str, owner: UploadOwner<'_>) -> bool {
        let mut open = self.open.lock();
        find(&mut open, id, owner).is_ok() && open.remove(id).is_some()
    }

    fn create(&self) -> Result<File, ManagementError> {
        let failed = |source| ManagementError::Disk { action: "write", path: self.directory.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory).map_err(failed)?;
        let path = self.directory.join(Token::random()?.expose());
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(failed)?;
        fs::remove_file(&path).map_err(failed)?;
        Ok(file)
    }
}

fn find<'a>(
    open: &'a mut BTreeMap<String, Upload>,
    id: &str,
    owner: UploadOwner<'_>,
) -> Result<&'a mut Upload, ManagementError> {
    let found = open.get_mut(id).filter(|upload| upload.user == owner.user && upload.site == owner.site);
    found.ok_or_else(|| ManagementError::NotFound {
        kind: "upload",
        name: id.chars().take(64).collect::<String>().escape_debug().to_string(),
    })
}

/// Maximum size of an upload in bytes.
pub const MAX_SIZE: u64 = 512 << 20;
const MAX_PER_USER: usize = 2;
const MAX: usize = 8;
/// Time after which an unfinished upload is removed.
const IDLE: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    const ALICE: UploadOwner<'_> = UploadOwner { user: "alice", site: "shop" };

    #[test]
    fn pieces_are_joined_and_can_be_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(folder.path().join("uploads"));
        let now = Instant::now();
        let id = uploads.begin(ALICE, now).unwrap();
        assert_eq!(uploads.append(&id, ALICE, 0, b"hello ", now).unwrap(), 6);
        assert_eq!(uploads.append(&id, ALICE, 6, b"wor", now).unwrap(), 9);
        assert_eq!(uploads.append(&id, ALICE, 6, b"world", now).unwrap(), 11, "a repeated piece");
        assert!(uploads.append(&id, ALICE, 12, b"!", now).unwrap_err().to_string().contains("11 bytes"));
        assert!(uploads.append(&id, ALICE, 11, &[], now).is_ok());
        let mut file = uploads.file(&id, ALICE, now).unwrap();
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello world");
        assert_eq!(fs::read_dir(folder.path().join("uploads")).unwrap().count(), 0, "the file has no name");
        assert!(uploads.remove(&id, ALICE) && !uploads.remove(&id, ALICE));
    }

    #[test]
    fn uploads_are_limited_for_each_user_and_belong_to_one_site() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(folder.path().join("uploads"));
        let now = Instant::now();
        let abandoned = uploads.begin(ALICE, now).unwrap();
        let later = now + Duration::from_secs(1);
        let first = uploads.begin(ALICE, later).unwrap();
        let second = uploads.begin(ALICE, later).unwrap();
        assert!(uploads.file(&abandoned, ALICE, later).is_err(), "a user has two uploads");
        let bob = UploadOwner { user: "bob", site: "shop" };
        assert!(uploads.begin(bob, now).is_ok(), "another user has an own share");
        for other in [bob, UploadOwner { user: "alice", site: "blog" }] {
            assert!(
                uploads.append(&first, other, 0, b"x", now).is_err()
                    && uploads.file(&first, other, now).is_err()
            );
            assert!(!uploads.remove(&first, other));
        }
        assert!(uploads.append(&first, ALICE, 0, b"x", now + IDLE / 2).is_ok());
        assert!(uploads.begin(ALICE, now + IDLE).is_ok(), "the idle one is removed");
        assert!(uploads.file(&second, ALICE, now).is_err() && uploads.file(&first, ALICE, now).is_ok());
    }
}
