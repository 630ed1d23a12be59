//! Certification authorities that may issue client certificates.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::OnceLock;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::file::disk::Stamp;

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
        self.configured.iter().chain(of_system()).cloned().collect()
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
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&octets).map(|found| found.map(|der| der.as_ref().to_vec())).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("no PEM certificate found".to_owned()),
        other => other.map_err(|error| error.to_string()),
    }
}

/// Returns the authorities of the system, read once per process.
fn of_system() -> &'static [Vec<u8>] {
    static SYSTEM: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        let loaded = rustls_native_certs::load_native_certs();
        for error in &loaded.errors {
            tracing::debug!(%error, "Cannot read a system authority");
        }
        loaded.certs.iter().map(|certificate| certificate.as_ref().to_vec()).collect()
    })
}

const MAX_FILES: usize = 100;
const MAX_FILE_LENGTH: u64 = 1 << 20;
