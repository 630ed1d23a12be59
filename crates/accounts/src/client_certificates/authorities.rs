//! Certification authorities that may issue client certificates.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use account_store::Stamp;

/// Certificates in the PEM files of a directory when it was last checked.
#[derive(Debug, Default)]
pub(super) struct Authorities {
    stamps: Vec<(OsString, Option<Stamp>)>,
    configured: Vec<Vec<u8>>,
}

impl Authorities {
    /// Reads the files again if any has changed, and returns whether one has.
    ///
    /// A file that cannot be used is skipped with a warning in the log.
    pub(super) fn refresh(&mut self, directory: &Path) -> bool {
        let mut names: Vec<OsString> = match fs::read_dir(directory) {
            Ok(files) => files.filter_map(|file| Some(file.ok()?.file_name())).collect(),
            Err(_) => Vec::new(),
        };
        names.retain(|name| Path::new(name).extension().is_some_and(|extension| extension == "pem"));
        names.sort();
        names.truncate(MAX_FILES);
        let stamps: Vec<_> = names
            .into_iter()
            .map(|name| {
                let stamp = Stamp::of(&directory.join(&name));
                (name, stamp)
            })
            .collect();
        if stamps == self.stamps {
            return false;
        }
        self.configured = stamps
            .iter()
            .flat_map(|(name, _)| {
                let path = directory.join(name);
                read(&path).unwrap_or_else(|reason| {
                    tracing::warn!(path = %path.display(), reason, "Skipped a client authority");
                    Vec::new()
                })
            })
            .collect();
        self.stamps = stamps;
        true
    }

    /// Returns the certificates of the directory and of the system.
    pub(super) fn all(&self) -> Vec<Vec<u8>> {
        let of_system = tls::system_authorities().iter().map(|der| der.to_vec());
        self.configured.iter().cloned().chain(of_system).collect()
    }
}

fn read(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    if (owner != 0 && owner != rustix::process::geteuid().as_raw()) || mode & 0o022 != 0 {
        return Err(format!("other users can change it: owner {owner}, mode {mode:04o}"));
    }
    let mut octets = Vec::new();
    file.take(MAX_FILE_LENGTH).read_to_end(&mut octets).map_err(|error| error.to_string())?;
    let certificates = tls::certificates(&octets).map_err(|error| error.to_string())?;
    Ok(certificates.iter().map(|der| der.to_vec()).collect())
}

const MAX_FILES: usize = 100;
const MAX_FILE_LENGTH: u64 = 1 << 20;
