//! Which shells there are.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use config::Config;
use service::Caller;
use wsman::Fault;

use super::fault;
use super::shell::Shell;

/// Every open shell, by its identifier in upper case.
#[derive(Default)]
pub(super) struct Registry {
    shells: Mutex<HashMap<String, Arc<Shell>>>,
}

impl Registry {
    /// Takes a new shell in, if the quotas allow one more, and sees to its end in time.
    pub(super) fn admit(self: &Arc<Self>, shell: Arc<Shell>, config: &Config) -> Result<(), Fault> {
        let winrs = &config.winrs;
        {
            let mut shells = self.locked();
            let own = shells.values().filter(|other| other.owner() == shell.owner()).count();
            if let Some(limit) = winrs.max_shells_per_user.limit()
                && own >= usize::try_from(limit).unwrap_or(usize::MAX)
            {
                return Err(fault::too_many_shells(limit));
            }
            let users: HashSet<_> = shells.values().map(|shell| shell.owner()).collect();
            let limit = winrs.max_concurrent_users.get();
            if own == 0 && users.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
                return Err(fault::too_many_users(limit));
            }
            if shells.contains_key(&key(shell.id())) {
                return Err(fault::shell_exists(shell.id()));
            }
            shells.insert(key(shell.id()), Arc::clone(&shell));
        }
        let registry = Arc::clone(self);
        tokio::spawn(async move {
            let Some(reason) = shell.expired().await else { return };
            // Deleted and replaced by one of the same name meanwhile? Then it is not this one's turn.
            if registry.take_exactly(&shell) {
                tracing::debug!(shell = shell.id(), reason, "Shell expired");
                shell.close().await;
            }
        });
        Ok(())
    }

    /// The caller's shell of this identifier; those of others do not exist for the caller.
    pub(super) fn find(&self, id: &str, caller: &Caller) -> Result<Arc<Shell>, Fault> {
        let shells = self.locked();
        let shell = shells.get(&key(id)).filter(|shell| shell.owner() == caller.sid());
        shell.cloned().ok_or_else(fault::unknown_shell)
    }

    /// Every shell of the caller.
    pub(super) fn of(&self, caller: &Caller) -> Vec<Arc<Shell>> {
        self.locked().values().filter(|shell| shell.owner() == caller.sid()).cloned().collect()
    }

    /// The caller's shell of this identifier, which is in the registry no more.
    pub(super) fn remove(&self, id: &str, caller: &Caller) -> Result<Arc<Shell>, Fault> {
        let shell = self.find(id, caller)?;
        if self.take_exactly(&shell) { Ok(shell) } else { Err(fault::unknown_shell()) }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.locked().len()
    }

    /// Closes every shell.
    pub(super) async fn close(&self) {
        let shells: Vec<_> = self.locked().drain().map(|(_, shell)| shell).collect();
        let closing: Vec<_> =
            shells.into_iter().map(|shell| tokio::spawn(async move { shell.close().await })).collect();
        for shell in closing {
            // A shell that panics while it closes has nothing left to be waited for.
            let _ = shell.await;
        }
    }

    fn take_exactly(&self, shell: &Arc<Shell>) -> bool {
        let mut shells = self.locked();
        let is_it = shells.get(&key(shell.id())).is_some_and(|found| Arc::ptr_eq(found, shell));
        is_it && shells.remove(&key(shell.id())).is_some()
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Arc<Shell>>> {
        self.shells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Identifiers are compared without regard to case.
pub(super) fn key(id: &str) -> String {
    id.trim().to_ascii_uppercase()
}
