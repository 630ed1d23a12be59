//! What records controllers have, kept so that they need not be read again as long as they stay the same.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use ipmi_proto::sdr::Record;
use sha2::{Digest as _, Sha256};
use tracing::debug;

use crate::repository::decoded;

/// Records of controllers, in memory and, if wanted, in a folder. Clones share them.
///
/// Records are found only under where the controller is, and what it says of itself and of when they have changed, so
/// what is found is what the controller has now, and no other can say what it is. A folder is for one user: whoever may write there decides what sensors are called.
#[derive(Clone, Debug, Default)]
pub struct RecordCache {
    memory: Arc<Mutex<Memory>>,
    folder: Option<Arc<PathBuf>>,
}

#[derive(Debug, Default)]
struct Memory {
    records: HashMap<Vec<u8>, Arc<Vec<Record>>>,
    /// The same by a hash of what they were read from: machines of one model share theirs.
    models: HashMap<[u8; 32], Weak<Vec<Record>>>,
    /// Their keys, oldest first.
    order: VecDeque<Vec<u8>>,
    /// How many files the folder has, once they were counted.
    files: Option<usize>,
}

impl RecordCache {
    /// One that is gone when the process ends.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// One that is kept in files of this folder, which is made when it is needed, for its owner only.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder: Some(Arc::new(folder)), ..Self::default() }
    }

    /// What is kept under a key.
    pub(crate) fn find(&self, key: &[u8]) -> Option<Arc<Vec<Record>>> {
        if let Some(found) = self.memory().records.get(key) {
            return Some(Arc::clone(found));
        }
        // It is a few kilobytes of this machine: handing that to another thread takes longer than reading it.
        let path = self.folder.as_ref()?.join(file_name(key));
        let octets = match read(&path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                debug!(path = %path.display(), %error, "Records not read from the cache");
                return None;
            }
        };
        let Some(records) = unpacked(&octets, key) else {
            debug!(path = %path.display(), "Records of the cache are damaged");
            return None;
        };
        let records = self.decoded(&records);
        self.remember(key, &records);
        Some(records)
    }

    /// What these octets say, worked out once for all controllers that have the same.
    pub(crate) fn decoded(&self, octets: &[impl AsRef<[u8]>]) -> Arc<Vec<Record>> {
        let mut hash = Sha256::new();
        for record in octets.iter().map(AsRef::as_ref) {
            hash.update(record.len().to_le_bytes());
            hash.update(record);
        }
        let model = hash.finalize().into();
        if let Some(known) = self.memory().models.get(&model).and_then(Weak::upgrade) {
            return known;
        }
        let records = Arc::new(decoded(octets));
        let mut memory = self.memory();
        if memory.models.len() >= MOST_IN_MEMORY {
            memory.models.retain(|_, records| records.strong_count() > 0);
        }
        memory.models.insert(model, Arc::downgrade(&records));
        records
    }

    /// Keeps records under a key; that this fails is no reason to fail.
    pub(crate) fn keep(&self, key: &[u8], octets: &[impl AsRef<[u8]>], records: &Arc<Vec<Record>>) {
        self.remember(key, records);
        let (Some(folder), Some(packed)) = (&self.folder, packed(key, octets)) else { return };
        if let Err(error) = self.write(folder, key, &packed) {
            debug!(path = %folder.display(), %error, "Records not written to the cache");
        }
    }

    fn remember(&self, key: &[u8], records: &Arc<Vec<Record>>) {
        let mut memory = self.memory();
        if memory.records.insert(key.to_vec(), Arc::clone(records)).is_none() {
            memory.order.push_back(key.to_vec());
        }
        while memory.order.len() > MOST_IN_MEMORY {
            let oldest = memory.order.pop_front().unwrap_or_default();
            memory.records.remove(&oldest);
        }
    }

    /// Whole or not at all: another process may read the same file.
    fn write(&self, folder: &Path, key: &[u8], packed: &[u8]) -> io::Result<()> {
        make_private(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(packed)?;
        file.persist(folder.join(file_name(key)))?;
        let mut memory = self.memory();
        let files = match memory.files {
            Some(files) => files + 1,
            None => fs::read_dir(folder)?.count(),
        };
        memory.files = Some(if files > MOST_FILES { forget_oldest(folder)? } else { files });
        Ok(())
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    match fs::DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Removes a quarter of the files, those that were written first; how many are left.
fn forget_oldest(folder: &Path) -> io::Result<usize> {
    let mut files: Vec<(SystemTime, PathBuf)> = fs::read_dir(folder)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    files.sort();
    let left = files.len() - files.len() / 4;
    for (_, path) in files.iter().take(files.len() / 4) {
        fs::remove_file(path)?;
    }
    Ok(left)
}

fn file_name(key: &[u8]) -> String {
    let digest = Sha256::digest(key);
    let name: String = digest.iter().take(16).map(|octet| format!("{octet:02x}")).collect();
    format!("{name}.sdr")
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    // As long as it says it is; it is a hash that tells whether it is whole.
    let length = file.metadata()?.len().min(LONGEST_FILE + 1);
    let mut octets = vec![0; usize::try_from(length).unwrap_or_default()];
    let read = (&file).read(&mut octets)?;
    octets.truncate(read);
    Ok(octets)
}

/// The mark of the format, the key, each record with its length, and a hash over all that.
pub(crate) fn packed(key: &[u8], records: &[impl AsRef<[u8]>]) -> Option<Vec<u8>> {
    let mut octets = MARK.to_vec();
    for part in std::iter::once(key).chain(records.iter().map(AsRef::as_ref)) {
        octets.extend(u16::try_from(part.len()).ok()?.to_le_bytes());
        octets.extend(part);
    }
    let octets = with_hash(octets);
    (octets.len() as u64 <= LONGEST_FILE).then_some(octets)
}

pub(crate) fn with_hash(mut octets: Vec<u8>) -> Vec<u8> {
    octets.extend(Sha256::digest(&octets));
    octets
}

/// The records of a file, if it is whole and of this key.
pub(crate) fn unpacked<'o>(octets: &'o [u8], key: &[u8]) -> Option<Vec<&'o [u8]>> {
    if octets.len() as u64 > LONGEST_FILE {
        return None;
    }
    let (content, hash) = octets.split_last_chunk::<32>()?;
    if Sha256::digest(content)[..] != hash[..] {
        return None;
    }
    let mut rest = content.strip_prefix(MARK)?;
    let mut parts = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (part, after) = after.split_at_checked(u16::from_le_bytes(*length).into())?;
        parts.push(part);
        rest = after;
    }
    if !rest.is_empty() || parts.is_empty() {
        return None;
    }
    let records = parts.split_off(1);
    (parts.first() == Some(&key)).then_some(records)
}

const MARK: &[u8] = b"telarch sdr 1\n";
const LONGEST_FILE: u64 = 4 << 20;
const MOST_FILES: usize = 4_096;
const MOST_IN_MEMORY: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_or_of_another_key_is_not_found() {
        let records = vec![vec![1, 2, 3], Vec::new(), vec![4; 300]];
        let packed = packed(b"key", &records).unwrap();
        assert_eq!(unpacked(&packed, b"key"), Some(records.iter().map(Vec::as_slice).collect()));
        assert_eq!(unpacked(&packed, b"kez"), None);
        for place in 0..packed.len() {
            let mut damaged = packed.clone();
            damaged[place] ^= 1;
            assert_eq!(unpacked(&damaged, b"key"), None, "{place}");
            assert_eq!(unpacked(&packed[..place], b"key"), None, "{place}");
        }
    }

    #[test]
    fn controllers_that_have_the_same_records_share_them() {
        let cache = RecordCache::in_memory();
        let octets = [vec![1, 2, 3], vec![4]];
        let first = cache.decoded(&octets);
        assert!(Arc::ptr_eq(&first, &cache.decoded(&octets)));
        assert!(!Arc::ptr_eq(&first, &cache.decoded(&[vec![1, 2], vec![3, 4]])));
    }

    #[test]
    fn the_folder_is_private_and_does_not_grow_for_ever() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/b");
        let cache = RecordCache::in_folder(folder.clone());
        cache.keep(b"key", &[vec![9]], &Arc::default());
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(RecordCache::in_folder(folder.clone()).find(b"key"), Some(Arc::default()));
        for number in 0..7 {
            fs::write(folder.join(number.to_string()), "").unwrap();
        }
        assert_eq!(forget_oldest(&folder).unwrap(), 6);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 6);
    }
}
