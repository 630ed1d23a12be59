//! Registry of open shells.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use config::Config;
use locks::Mutex;
use service::Caller;
use wsman::Fault;

use super::fault;
use super::shell::Shell;

/// Open shells by identifier in upper case.
#[derive(Default)]
pub(super) struct Registry {
    shells: Mutex<HashMap<String, Arc<Shell>>>,
}

impl Registry {
    /// Adds a shell if the quotas allow it, and starts a task that closes it when it expires.
    pub(super) fn admit(self: &Arc<Self>, shell: Arc<Shell>, config: &Config) -> Result<(), Fault> {
        {
            let mut shells = self.shells.lock();
            check(&shells, &shell, config)?;
            shells.insert(key(shell.id()), Arc::clone(&shell));
        }
        let registry = Arc::clone(self);
        tokio::spawn(async move {
            let Some(reason) = shell.expired().await else { return };
            // The shell may have been deleted and replaced by one with the same identifier.
            if registry.take_exactly(&shell) {
                tracing::debug!(shell = shell.id(), reason, "Shell expired");
                shell.close().await;
            }
        });
        Ok(())
    }

    /// Returns the fault with which a new shell would be refused now.
    pub(super) fn require_room(&self, shell: &Shell, config: &Config) -> Result<(), Fault> {
        check(&self.shells.lock(), shell, config)
    }

    /// Returns a shell of the caller. Shells of other users are reported as unknown.
    pub(super) fn find(&self, id: &str, caller: &Caller) -> Result<Arc<Shell>, Fault> {
        let shells = self.shells.lock();
        let shell = shells.get(&key(id)).filter(|shell| shell.owner() == caller.sid());
        shell.cloned().ok_or_else(fault::unknown_shell)
    }

    /// Returns all shells of the caller.
    pub(super) fn of(&self, caller: &Caller) -> Vec<Arc<Shell>> {
        self.shells.lock().values().filter(|shell| shell.owner() == caller.sid()).cloned().collect()
    }

    /// Removes a shell of the caller and returns it.
    pub(super) fn remove(&self, id: &str, caller: &Caller) -> Result<Arc<Shell>, Fault> {
        let shell = self.find(id, caller)?;
        if self.take_exactly(&shell) { Ok(shell) } else { Err(fault::unknown_shell()) }
    }

    /// Returns the number of open shells.
    pub(super) fn count(&self) -> usize {
        self.shells.lock().len()
    }

    /// Closes all shells concurrently.
    pub(super) async fn close(&self) {
        let shells: Vec<_> = self.shells.lock().drain().map(|(_, shell)| shell).collect();
        let closing: Vec<_> =
            shells.into_iter().map(|shell| tokio::spawn(async move { shell.close().await })).collect();
        for shell in closing {
            // A panic while a shell closes needs no further handling.
            let _ = shell.await;
        }
    }

    fn take_exactly(&self, shell: &Arc<Shell>) -> bool {
        let mut shells = self.shells.lock();
        let is_same = shells.get(&key(shell.id())).is_some_and(|found| Arc::ptr_eq(found, shell));
        is_same && shells.remove(&key(shell.id())).is_some()
    }
}

/// Returns the registry key of an identifier, which ignores case.
pub(super) fn key(id: &str) -> String {
    id.trim().to_ascii_uppercase()
}

/// Returns the fault with which a new shell exceeds a quota or repeats an identifier.
fn check(shells: &HashMap<String, Arc<Shell>>, shell: &Shell, config: &Config) -> Result<(), Fault> {
    let winrs = &config.winrs;
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
    match shells.contains_key(&key(shell.id())) {
        true => Err(fault::shell_exists(shell.id())),
        false => Ok(()),
    }
}
