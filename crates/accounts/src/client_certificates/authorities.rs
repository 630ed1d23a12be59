//! Those whose signature on client certificates is believed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::OnceLock;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::file::disk::Stamp;

/// The certificates in the PEM files of a directory, as they were when it was last looked at.
#[derive(Debug, Default)]
pub(super) struct Authorities {
    stamps: Vec<(OsString, Option<Stamp>)>,
    configured: Vec<Vec<u8>>,
}

impl Authorities {
    /// Reads the files again if there is any change, and says whether there is.
    ///
    /// A file that cannot be used counts as if it were not there, and the log says why.
    pub(super) fn look(&mut self, directory: &Path) -> bool {
        let mut names: Vec<OsString> = match fs::read_dir(directory) {
            Ok(files) => files.filter_map(|file| Some(file.ok()?.file_name())).collect(),
            Err(_) => Vec::new(),
        };
        names.retain(|name| Path::new(name).extension().is_some_and(|extension| extension == "pem"));
        names.sort();
        names.truncate(MOST_FILES);
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
                    tracing::warn!(path = %path.display(), reason, "An authority of clients is left out");
                    Vec::new()
                })
            })
            .collect();
        self.stamps = stamps;
        true
    }

    /// Those of the directory and those of the system.
    pub(super) fn all(&self) -> Vec<Vec<u8>> {
        self.configured.iter().chain(of_system()).cloned().collect()
    }
}

fn read(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let text = |error: io::Error| error.to_string();
    let file = File::open(path).map_err(text)?;
    let metadata = file.metadata().map_err(text)?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    if (owner != 0 && owner != rustix::process::geteuid().as_raw()) || mode & 0o022 != 0 {
        return Err(format!("others can change it: it belongs to user {owner} and has mode {mode:04o}"));
    }
    let mut octets = Vec::new();
    file.take(MOST_OCTETS).read_to_end(&mut octets).map_err(text)?;
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&octets).map(|found| found.map(|der| der.as_ref().to_vec())).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("it holds no certificate in PEM".to_owned()),
        other => other.map_err(|error| error.to_string()),
    }
}

/// Read once for the whole process.
fn of_system() -> &'static [Vec<u8>] {
    static SYSTEM: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        let loaded = rustls_native_certs::load_native_certs();
        for error in &loaded.errors {
            tracing::debug!(%error, "Some authorities of the system cannot be read");
        }
        loaded.certs.iter().map(|certificate| certificate.as_ref().to_vec()).collect()
    })
}

const MOST_FILES: usize = 100;
const MOST_OCTETS: u64 = 1 << 20;
