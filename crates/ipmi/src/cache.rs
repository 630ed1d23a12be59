//! Cache of sensor records, so that they are read from a controller only when they have changed.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use ipmi_proto::Timing;
use ipmi_proto::sdr::Record;
use locks::Mutex;
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use tracing::debug;

use crate::repository::decoded;

/// Cache of sensor records of controllers, in memory and optionally in a folder. Clones share it.
///
/// The key is the address of the controller and the controller's own data about itself and about the last
/// changes of its records. Cached records are used if that data is the same again; another controller cannot
/// influence them. A folder belongs to one user: anyone able to write to it determines the names and meaning of
/// sensors.
#[derive(Clone, Debug, Default)]
pub struct RecordCache {
    memory: Arc<Mutex<Memory>>,
    folder: Option<Arc<PathBuf>>,
}

/// Cached data of a controller.
#[derive(Debug)]
pub(crate) struct CachedRecords {
    /// Change indicators of the records, as computed by [`Connection::records`](crate::Connection::records).
    pub(crate) key: Vec<u8>,
    /// Number of outstanding requests that the controller keeps up with; 0 if unknown.
    pub(crate) request_limit: u8,
    pub(crate) records: Arc<Vec<Record>>,
}

/// Address of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControllerId {
    /// The controller of this machine.
    Local,
    /// A controller on the network.
    Remote(SocketAddr),
}

#[derive(Debug, Default)]
struct Memory {
    known: HashMap<ControllerId, Arc<CachedRecords>>,
    /// Decoded records by hash of the encoded ones: machines of one model share them.
    models: HashMap<[u8; 32], Weak<Vec<Record>>>,
    /// Controllers in `known`, oldest first.
    order: VecDeque<ControllerId>,
    /// Number of files in the folder, once they have been counted.
    files: Option<usize>,
}

impl RecordCache {
    /// Returns a cache that exists only in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// Returns a cache that is also stored in files of this folder. The folder is created on demand, for its
    /// owner only.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder: Some(Arc::new(folder)), ..Self::default() }
    }

    /// Returns the cached data for a controller, which may be outdated.
    pub(crate) fn known(&self, controller: ControllerId) -> Option<Arc<CachedRecords>> {
        if let Some(known) = self.memory.lock().known.get(&controller) {
            return Some(Arc::clone(known));
        }
        // Read synchronously: the file has a few kilobytes, and a hand-over to another thread would take
        // longer.
        let path = self.folder.as_ref()?.join(file_name(controller));
        let octets = match read(&path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                debug!(path = %path.display(), %error, "Cannot read the record cache");
                return None;
            }
        };
        let unpacked =
            unpacked(&octets, controller).and_then(|Packed { key, request_limit, records, model }| {
                let records = match self.of_model(model) {
                    Some(records) => records,
                    None => self.decode(model, &parts(records)?),
                };
                Some((key, request_limit, records))
            });
        let Some((key, request_limit, records)) = unpacked else {
            debug!(path = %path.display(), "Record cache is damaged");
            return None;
        };
        let known = Arc::new(CachedRecords { key: key.to_vec(), request_limit, records });
        self.remember(controller, &known);
        Some(known)
    }

    /// Returns the decoded records; controllers with the same records share the result.
    pub(crate) fn decoded(&self, octets: &[Vec<u8>]) -> Arc<Vec<Record>> {
        let model = Sha256::digest(joined(octets).unwrap_or_else(|| octets.concat())).into();
        self.of_model(model).unwrap_or_else(|| self.decode(model, octets))
    }

    fn of_model(&self, model: [u8; 32]) -> Option<Arc<Vec<Record>>> {
        self.memory.lock().models.get(&model).and_then(Weak::upgrade)
    }

    fn decode(&self, model: [u8; 32], octets: &[impl AsRef<[u8]>]) -> Arc<Vec<Record>> {
        let records = Arc::new(decoded(octets));
        let mut memory = self.memory.lock();
        if memory.models.len() >= MOST_IN_MEMORY {
            memory.models.retain(|_, records| records.strong_count() > 0);
        }
        memory.models.insert(model, Arc::downgrade(&records));
        records
    }

    /// Stores the data of a controller. Failure to write the file is only logged.
    pub(crate) fn keep(&self, controller: ControllerId, known: CachedRecords, octets: &[Vec<u8>]) {
        let packed = joined(octets)
            .and_then(|records| packed(controller, &Packed::new(&known.key, known.request_limit, &records)));
        self.remember(controller, &Arc::new(known));
        let (Some(folder), Some(packed)) = (&self.folder, packed) else { return };
        if let Err(error) = self.write(folder, controller, &packed) {
            debug!(path = %folder.display(), %error, "Records not written to the cache");
        }
    }

    /// Stores the number of outstanding requests that a controller keeps up with, if it has at least halved,
    /// doubled, or reached the maximum.
    pub(crate) fn keep_request_limit(&self, controller: ControllerId, request_limit: usize) {
        let Some((known, request_limit)) = self
            .known(controller)
            .zip(u8::try_from(request_limit).ok().filter(|request_limit| *request_limit > 0))
        else {
            return;
        };
        let (less, more) = (known.request_limit.min(request_limit), known.request_limit.max(request_limit));
        let is_news = less <= more / 2
            || request_limit > known.request_limit
                && usize::from(request_limit) >= Timing::MOST_OPEN_REQUESTS;
        if !is_news {
            return;
        }
        self.remember(
            controller,
            &Arc::new(CachedRecords {
                key: known.key.clone(),
                request_limit,
                records: Arc::clone(&known.records),
            }),
        );
        let Some(folder) = &self.folder else { return };
        let Ok(octets) = read(&folder.join(file_name(controller))) else { return };
        let again = unpacked(&octets, controller)
            .and_then(|file| packed(controller, &Packed { request_limit, ..file }));
        if let Some(Err(error)) = again.map(|again| self.write(folder, controller, &again)) {
            debug!(path = %folder.display(), %error, "Cannot write the request limit to the cache");
        }
    }

    fn remember(&self, controller: ControllerId, known: &Arc<CachedRecords>) {
        let mut memory = self.memory.lock();
        if memory.known.insert(controller, Arc::clone(known)).is_none() {
            memory.order.push_back(controller);
        }
        while memory.order.len() > MOST_IN_MEMORY {
            if let Some(oldest) = memory.order.pop_front() {
                memory.known.remove(&oldest);
            }
        }
    }

    /// Writes a file atomically, because other processes may read it.
    fn write(&self, folder: &Path, controller: ControllerId, packed: &[u8]) -> io::Result<()> {
        let opened = private(folder)?;
        // Refers to the folder that was checked, even if its path is replaced meanwhile.
        let folder = Path::new("/proc/self/fd").join(opened.as_raw_fd().to_string());
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        file.write_all(packed)?;
        let path = folder.join(file_name(controller));
        let is_new = !path.exists();
        file.persist(path)?;
        if !is_new {
            return Ok(());
        }
        let mut memory = self.memory.lock();
        let files = match memory.files {
            Some(files) => files + 1,
            None => fs::read_dir(&folder)?.count(),
        };
        memory.files = Some(if files > MOST_FILES { forget_oldest(&folder)? } else { files });
        Ok(())
    }
}

/// Opens the folder, creating it if necessary. It is rejected if other users can write to it: otherwise a
/// process run by root with another user's home directory would use files placed there by that user.
fn private(folder: &Path) -> io::Result<File> {
    match fs::DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
    let (opened, _) = own(File::options().read(true).custom_flags(flags), folder)?;
    Ok(opened)
}

/// Opens a file or folder that belongs to this user and is not writable by others.
fn own(options: &fs::OpenOptions, path: &Path) -> io::Result<(File, fs::Metadata)> {
    let opened = options.open(path)?;
    let facts = opened.metadata()?;
    if facts.uid() != rustix::process::geteuid().as_raw() || facts.mode() & 0o022 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "other users can write it"));
    }
    Ok((opened, facts))
}

/// Deletes the oldest quarter of the cache files. Returns the number of files left.
fn forget_oldest(folder: &Path) -> io::Result<usize> {
    let mut files: Vec<(SystemTime, PathBuf)> = fs::read_dir(folder)?
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|suffix| suffix == SUFFIX))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    files.sort();
    let left = files.len() - files.len() / 4;
    for (_, path) in files.iter().take(files.len() / 4) {
        fs::remove_file(path)?;
    }
    Ok(left)
}

fn file_name(controller: ControllerId) -> String {
    match controller {
        ControllerId::Local => format!("here.{SUFFIX}"),
        ControllerId::Remote(address) => format!("{}_{}.{SUFFIX}", address.ip(), address.port()),
    }
}

const SUFFIX: &str = "sdr";

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // The path may have been replaced by a pipe or a symbolic link.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let (file, facts) = own(File::options().read(true).custom_flags(flags), path)?;
    if !facts.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    // Reads at most the length reported by the file system; the hash detects a truncated file.
    let length = facts.len().min(LONGEST_FILE + 1);
    let mut octets = vec![0; usize::try_from(length).unwrap_or_default()];
    let read = (&file).read(&mut octets)?;
    octets.truncate(read);
    Ok(octets)
}

/// Content of a cache file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed<'o> {
    key: &'o [u8],
    request_limit: u8,
    /// Bytes of all records, joined.
    pub records: &'o [u8],
    /// Hash of the records; the same for controllers of one model.
    model: [u8; 32],
}

impl<'o> Packed<'o> {
    fn new(key: &'o [u8], request_limit: u8, records: &'o [u8]) -> Self {
        Self { key, request_limit, records, model: Sha256::digest(records).into() }
    }
}

/// Encodes a file: format mark; address, key and request limit, each with its length; records, each with its length;
/// hash of the records; hash over everything except the records.
pub fn packed(controller: ControllerId, file: &Packed<'_>) -> Option<Vec<u8>> {
    let (controller, request_limit) = (controller.octets(), [file.request_limit]);
    let head = [MARK, &joined(&[&controller, file.key, &request_limit])?].concat();
    let octets = with_hashes(&head, file);
    (octets.len() as u64 <= LONGEST_FILE).then_some(octets)
}

/// Decodes a file; `None` if it is damaged or belongs to another address.
pub fn unpacked(octets: &[u8], controller: ControllerId) -> Option<Packed<'_>> {
    if octets.len() as u64 > LONGEST_FILE {
        return None;
    }
    let (content, hash) = octets.split_last_chunk::<32>()?;
    let (content, model) = content.split_last_chunk::<32>()?;
    let (head, of, file) = fields(content)?;
    let is_whole = file.model == *model && hash_of(head, model) == *hash;
    (is_whole && *of == controller.octets()).then_some(file)
}

/// Decodes the part before the hashes: the bytes before the records, the address in them, and the content.
pub fn fields(content: &[u8]) -> Option<(&[u8], &[u8], Packed<'_>)> {
    let (controller, rest) = part(content.strip_prefix(MARK)?)?;
    let (key, rest) = part(rest)?;
    let (request_limit, records) = part(rest)?;
    let (head, [request_limit]) = (content.strip_suffix(records)?, request_limit) else { return None };
    Some((head, controller, Packed::new(key, *request_limit, records)))
}

/// Encodes a file from the bytes before the records and its content.
pub fn with_hashes(head: &[u8], file: &Packed<'_>) -> Vec<u8> {
    [head, file.records, &file.model, &hash_of(head, &file.model)].concat()
}

fn hash_of(head: &[u8], model: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(head).chain_update(model).finalize().into()
}

/// Concatenates parts, each with a 16-bit length; `None` if a part is too long for that.
fn joined(parts: &[impl AsRef<[u8]>]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(parts.iter().map(|part| 2 + part.as_ref().len()).sum());
    for part in parts.iter().map(AsRef::as_ref) {
        octets.extend(u16::try_from(part.len()).ok()?.to_le_bytes());
        octets.extend(part);
    }
    Some(octets)
}

/// Returns the first part and the rest.
fn part(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<2>()?;
    rest.split_at_checked(u16::from_le_bytes(*length).into())
}

/// Returns all parts.
pub fn parts(octets: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut parts, mut rest) = (Vec::new(), octets);
    while !rest.is_empty() {
        let (one, after) = part(rest)?;
        parts.push(one);
        rest = after;
    }
    Some(parts)
}

impl ControllerId {
    fn octets(self) -> Vec<u8> {
        match self {
            Self::Local => Vec::new(),
            Self::Remote(address) => address.to_string().into_bytes(),
        }
    }
}

const MARK: &[u8] = b"telarch sdr 3\n";
const LONGEST_FILE: u64 = 4 << 20;
const MOST_FILES: usize = 4_096;
const MOST_IN_MEMORY: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn there() -> ControllerId {
        ControllerId::Remote(([127, 0, 0, 1], 623).into())
    }

    #[test]
    fn damaged_files_and_those_of_other_controllers_are_ignored() {
        let all = [vec![1, 2, 3], vec![], vec![4; 300]];
        let records = joined(&all).unwrap();
        assert_eq!(parts(&records), Some(all.iter().map(Vec::as_slice).collect()));
        let file = Packed::new(b"key", 7, &records);
        let packed = packed(there(), &file).unwrap();
        assert_eq!(unpacked(&packed, there()), Some(file));
        assert_eq!(unpacked(&packed, ControllerId::Local), None);
        for index in 0..packed.len() {
            let mut damaged = packed.clone();
            damaged[index] ^= 1;
            assert_eq!(unpacked(&damaged, there()), None, "{index}");
            assert_eq!(unpacked(&packed[..index], there()), None, "{index}");
        }
    }

    #[test]
    fn the_request_limit_is_stored_if_it_changes_much() {
        let home = tempfile::tempdir().unwrap();
        let open = || RecordCache::in_folder(home.path().to_owned());
        let known = CachedRecords { key: b"key".to_vec(), request_limit: 12, records: Arc::default() };
        open().keep(there(), known, &[vec![9]]);
        for (request_limit, stored) in
            [(0, 12), (7, 12), (6, 6), (11, 6), (12, 12), (1, 1), (20, 20), (31, 20), (32, 32), (20, 32)]
        {
            open().keep_request_limit(there(), request_limit);
            let known = open().known(there()).unwrap();
            assert_eq!((known.request_limit, &known.key[..]), (stored, &b"key"[..]));
        }
        open().keep_request_limit(ControllerId::Local, 3);
        assert!(open().known(ControllerId::Local).is_none());
    }

    #[test]
    fn controllers_with_equal_records_share_them() {
        let cache = RecordCache::in_memory();
        let octets = [vec![1, 2, 3], vec![4]];
        let first = cache.decoded(&octets);
        assert!(Arc::ptr_eq(&first, &cache.decoded(&octets)));
        assert!(!Arc::ptr_eq(&first, &cache.decoded(&[vec![1, 2], vec![3, 4]])));
    }

    #[test]
    fn the_folder_is_private_and_limited_in_size() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/b");
        let cache = RecordCache::in_folder(folder.clone());
        let known = || CachedRecords { key: b"key".to_vec(), request_limit: 0, records: Arc::default() };
        cache.keep(there(), known(), &[vec![9]]);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(RecordCache::in_folder(folder.clone()).known(there()).unwrap().key, b"key");
        for number in 0..7 {
            fs::write(folder.join(format!("{number}.sdr")), "").unwrap();
            fs::write(folder.join(format!("{number}.list")), "").unwrap();
        }
        assert_eq!(forget_oldest(&folder).unwrap(), 6);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 6 + 7, "what is not ours stays");
    }

    #[test]
    fn files_of_other_users_are_neither_read_nor_written() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let home = tempfile::tempdir().unwrap();
        let is_kept = |folder: &Path, mode: u32| {
            let cache = RecordCache::in_folder(folder.to_owned());
            let known = CachedRecords { key: b"key".to_vec(), request_limit: 0, records: Arc::default() };
            cache.keep(there(), known, &[vec![9]]);
            let path = folder.join(file_name(there()));
            if path.exists() {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            RecordCache::in_folder(folder.to_owned()).known(there()).is_some()
        };
        let folder = home.path().join("own");
        assert!(is_kept(&folder, 0o600) && !is_kept(&folder, 0o666));
        let open = home.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        let elsewhere = home.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, home.path().join("link")).unwrap();
        for folder in [open, home.path().join("link")] {
            assert!(!is_kept(&folder, 0o600));
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        }
        let pipes = home.path().join("pipes");
        fs::create_dir(&pipes).unwrap();
        mknodat(CWD, pipes.join(file_name(there())), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(RecordCache::in_folder(pipes).known(there()).is_none());
    }
}
