//! Open transfers of all users of this process.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use locks::Mutex;
use sddl::Sid;
use tokio::time::sleep;

use crate::error::TransferError;
use crate::transfer::{Content, Transfer};

/// Open transfers by identifier.
#[derive(Default)]
pub(crate) struct Registry {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    transfers: HashMap<String, Arc<Transfer>>,
    /// Number of transfers of each user that are being opened.
    opening: HashMap<Sid, u32>,
}

/// Room for a transfer that is being opened; released when it is dropped.
pub(crate) struct Room {
    registry: Arc<Registry>,
    owner: Sid,
}

impl Registry {
    /// Reserves room for a transfer of a user.
    pub(crate) fn reserve(self: &Arc<Self>, owner: Sid, limit: u32) -> Result<Room, TransferError> {
        let mut state = self.state.lock();
        let open = state.transfers.values().filter(|transfer| transfer.owner() == owner).count();
        let opening = state.opening.entry(owner).or_default();
        if u32::try_from(open).unwrap_or(u32::MAX).saturating_add(*opening) >= limit {
            return Err(TransferError::TooMany(limit));
        }
        *opening += 1;
        Ok(Room { registry: Arc::clone(self), owner })
    }

    /// Returns a transfer of a user.
    pub(crate) fn find(&self, id: &str, owner: Sid) -> Result<Arc<Transfer>, TransferError> {
        let state = self.state.lock();
        let found = state.transfers.get(id).filter(|transfer| transfer.owner() == owner);
        found.cloned().ok_or(TransferError::Unknown)
    }

    /// Removes a transfer of a user and returns it.
    pub(crate) fn remove(&self, id: &str, owner: Sid) -> Result<Arc<Transfer>, TransferError> {
        let found = self.find(id, owner)?;
        self.state.lock().transfers.remove(id).map(|_| found).ok_or(TransferError::Unknown)
    }

    /// Removes the transfer of a user with this key and returns it: its client continues the copy with another one.
    pub(crate) fn remove_resumed(&self, key: &str, owner: Sid) -> Option<Arc<Transfer>> {
        let mut state = self.state.lock();
        let found =
            state.transfers.values().find(|other| other.owner() == owner && other.key() == Some(key))?;
        let id = found.id().to_owned();
        state.transfers.remove(&id)
    }

    pub(crate) fn count(&self) -> usize {
        self.state.lock().transfers.len()
    }

    /// Removes all transfers and returns them.
    pub(crate) fn take_all(&self) -> Vec<Arc<Transfer>> {
        self.state.lock().transfers.drain().map(|(_, transfer)| transfer).collect()
    }
}

impl Room {
    /// Registers the open transfer, which is abandoned when there were no requests for the time `idle`.
    pub(crate) fn fill(self, content: Content, key: Option<String>, idle: Duration) -> Arc<Transfer> {
        let transfer = Arc::new(Transfer::new(random::uuid().to_string(), self.owner, key, content));
        let mut state = self.registry.state.lock();
        state.transfers.insert(transfer.id().to_owned(), Arc::clone(&transfer));
        drop(state);
        tokio::spawn(expire(Arc::downgrade(&self.registry), Arc::downgrade(&transfer), idle));
        transfer
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut state = self.registry.state.lock();
        if let Some(opening) = state.opening.get_mut(&self.owner) {
            *opening = opening.saturating_sub(1);
            if *opening == 0 {
                state.opening.remove(&self.owner);
            }
        }
    }
}

/// Abandons a transfer without requests.
async fn expire(registry: Weak<Registry>, transfer: Weak<Transfer>, idle: Duration) {
    loop {
        let Some(open) = transfer.upgrade() else { return };
        let left = idle.saturating_sub(open.idle_time());
        if left.is_zero() {
            let removed = registry.upgrade().map(|registry| registry.remove(open.id(), open.owner()));
            if let Some(Ok(open)) = removed {
                tracing::debug!(transfer = open.id(), "Abandoned transfer closed");
                open.abandon().await;
            }
            return;
        }
        drop(open);
        sleep(left).await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;
    use std::time::Instant;

    use copy_proto::{ContentDigest, Upload};

    use super::*;
    use crate::upload::UploadFile;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn upload(folder: &Path, size: u64) -> Content {
        let path = folder.join("file").as_os_str().as_bytes().to_vec();
        let upload = Upload {
            path,
            name: None,
            below: None,
            size,
            mode: 0o644,
            is_exact: false,
            modified: None,
            key: None,
        };
        Content::Upload(UploadFile::open(upload, folder, Instant::now() + HOUR).unwrap().0)
    }

    fn user(id: u32) -> Sid {
        Sid::new(5, &[21, 1, 2, 3, id]).unwrap()
    }

    fn count(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[tokio::test]
    async fn transfers_are_limited_and_belong_to_their_user() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Arc::new(Registry::default());
        let [ada, ben] = [1_001, 1_002].map(user);
        let (first, second) = (registry.reserve(ada, 2).unwrap(), registry.reserve(ada, 2).unwrap());
        assert!(matches!(registry.reserve(ada, 2), Err(TransferError::TooMany(2))));
        drop(second);
        let transfer = first.fill(upload(folder.path(), 0), None, HOUR);
        let second = registry.reserve(ada, 2).unwrap();
        assert!(registry.reserve(ada, 2).is_err() && registry.reserve(ben, 2).is_ok());
        drop(second);
        assert!(matches!(registry.find(transfer.id(), ben), Err(TransferError::Unknown)));
        assert!(registry.remove(transfer.id(), ben).is_err() && registry.count() == 1);
        registry.remove(transfer.id(), ada).unwrap().abandon().await;
        assert_eq!((registry.count(), count(folder.path())), (0, 0));
        assert!(transfer.finish(None).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_without_requests_is_abandoned() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Arc::new(Registry::default());
        let owner = user(1_001);
        let idle = Duration::from_secs(60);
        let transfer = registry.reserve(owner, 1).unwrap().fill(upload(folder.path(), 9), None, idle);
        for offset in 0..3 {
            sleep(Duration::from_secs(50)).await;
            transfer.write(offset, vec![7], idle).await.unwrap();
        }
        assert_eq!(registry.count(), 1);
        sleep(Duration::from_secs(70)).await;
        assert_eq!(registry.count(), 0);
        // The file is removed by another thread.
        assert!(matches!(transfer.finish(None).await, Err(TransferError::Failed)));
    }

    #[tokio::test]
    async fn pieces_are_written_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Arc::new(Registry::default());
        let owner = user(1_001);
        let transfer = registry.reserve(owner, 1).unwrap().fill(upload(folder.path(), 6), None, HOUR);
        let (later, earlier) =
            tokio::join!(transfer.write(3, b"def".to_vec(), HOUR), transfer.write(0, b"abc".to_vec(), HOUR));
        assert!(later.is_ok() && earlier.is_ok());
        transfer.write(3, b"def".to_vec(), HOUR).await.unwrap();
        let digest = ContentDigest::of(&b"abcdef"[..], 6).unwrap();
        transfer.finish(Some(digest)).await.unwrap();
        assert_eq!(std::fs::read(folder.path().join("file")).unwrap(), b"abcdef");

        let transfer = registry.reserve(owner, 2).unwrap().fill(upload(folder.path(), 6), None, HOUR);
        let beyond = transfer.write(0, b"abcdefg".to_vec(), HOUR).await;
        assert!(matches!(beyond, Err(TransferError::Piece(_))));
        assert!(matches!(transfer.write(0, b"abc".to_vec(), HOUR).await, Err(TransferError::Failed)));
        assert_eq!(std::fs::read(folder.path().join("file")).unwrap(), b"abcdef");
        assert_eq!(count(folder.path()), 1);
    }
}
