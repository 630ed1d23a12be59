//! Identifier of a collector among those that share a database.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

use crate::error::CollectorError;

/// One of the collectors that share a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Random identifier, which stays the same as long as the files of events.
    pub(super) id: String,
    /// Host name.
    pub(super) address: String,
}

impl Node {
    /// Reads the identifier from a file, or creates the file.
    pub(super) fn load(path: &Path) -> Result<Self, CollectorError> {
        let id = match fs::read_to_string(path) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => create(path)?,
            Err(error) => return Err(CollectorError::file("read", path)(error)),
        };
        if id.is_empty() || id.len() > MAX_ID || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(CollectorError::InvalidNode { path: path.to_owned() });
        }
        let address = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Self { id, address })
    }
}

/// Creates the file durably: files of events that were written with another identifier are not recovered after a crash.
fn create(path: &Path) -> Result<String, CollectorError> {
    let id = random::uuid().to_string();
    write(path, &id).map_err(CollectorError::file("create", path))?;
    Ok(id)
}

fn write(path: &Path, id: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let folder = fs::metadata(files::folder(path))?;
    if rustix::process::geteuid().is_root() && folder.uid() != 0 {
        // The collector runs as another user.
        fchown(&file, Some(folder.uid()), Some(folder.gid()))?;
    }
    writeln!(file, "{id}")?;
    file.sync_all()?;
    File::open(files::folder(path))?.sync_all()
}

/// Maximum length of an identifier in bytes.
const MAX_ID: usize = 64;
