//! Registry of open shells.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use config::Config;
use locks::Mutex;
use sddl::Sid;
use service::Caller;
use wsman::Fault;

use crate::fault;
use crate::remote_shell::RemoteShell;

/// Open shells of all kinds by identifier in upper case. The quotas apply to all kinds together.
#[derive(Default)]
pub struct Registry {
    shells: Mutex<HashMap<String, Arc<dyn RemoteShell>>>,
}

impl Registry {
    /// Adds a shell if the quotas allow it, and starts a task that closes it when it expires.
    ///
    /// # Errors
    /// `w:QuotaLimit` if a quota is exceeded, `w:AlreadyExists` if the identifier is in use.
    pub fn admit(self: &Arc<Self>, shell: Arc<dyn RemoteShell>, config: &Config) -> Result<(), Fault> {
        {
            let mut shells = self.shells.lock();
            check(&shells, shell.owner(), shell.id(), config)?;
            shells.insert(key(shell.id()), Arc::clone(&shell));
        }
        let registry = Arc::clone(self);
        tokio::spawn(async move {
            let Some(reason) = shell.lifetime().expired().await else { return };
            // The shell may have been deleted and replaced by one with the same identifier.
            if registry.take_exactly(&shell) {
                tracing::debug!(shell = shell.id(), reason, "Shell expired");
                shell.close().await;
            }
        });
        Ok(())
    }

    /// Checks whether a new shell would be admitted now.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub fn require_room(&self, owner: Sid, id: &str, config: &Config) -> Result<(), Fault> {
        check(&self.shells.lock(), owner, id, config)
    }

    /// Returns a shell of the caller. Shells of other users are reported as unknown.
    ///
    /// # Errors
    /// `w:InvalidSelectors`.
    pub fn find(&self, id: &str, caller: &Caller) -> Result<Arc<dyn RemoteShell>, Fault> {
        let shells = self.shells.lock();
        let shell = shells.get(&key(id)).filter(|shell| shell.owner() == caller.sid());
        shell.cloned().ok_or_else(fault::unknown_shell)
    }

    /// Returns a shell of the caller and of this kind. Others are reported as unknown.
    ///
    /// # Errors
    /// `w:InvalidSelectors`.
    pub fn find_as<S: RemoteShell>(&self, id: &str, caller: &Caller) -> Result<Arc<S>, Fault> {
        let shell: Arc<dyn Any + Send + Sync> = self.find(id, caller)?;
        shell.downcast().map_err(|_| fault::unknown_shell())
    }

    /// Returns all shells of the caller.
    #[must_use]
    pub fn of(&self, caller: &Caller) -> Vec<Arc<dyn RemoteShell>> {
        self.shells.lock().values().filter(|shell| shell.owner() == caller.sid()).cloned().collect()
    }

    /// Removes a shell of the caller and returns it.
    ///
    /// # Errors
    /// `w:InvalidSelectors` if there is no such shell.
    pub fn remove<S: RemoteShell>(&self, id: &str, caller: &Caller) -> Result<Arc<S>, Fault> {
        let shell = self.find_as::<S>(id, caller)?;
        let any: Arc<dyn RemoteShell> = Arc::clone(&shell) as _;
        if self.take_exactly(&any) { Ok(shell) } else { Err(fault::unknown_shell()) }
    }

    /// Removes a shell without closing it, but not another one with the same identifier.
    pub fn forget(&self, shell: &Arc<dyn RemoteShell>) {
        self.take_exactly(shell);
    }

    /// Returns the number of open shells of this kind.
    #[must_use]
    pub fn count<S: RemoteShell>(&self) -> usize {
        self.shells.lock().values().filter(|shell| is::<S>(shell)).count()
    }

    /// Closes all shells of this kind concurrently.
    pub async fn close<S: RemoteShell>(&self) {
        let shells: Vec<_> =
            self.shells.lock().extract_if(|_, shell| is::<S>(shell)).map(|(_, shell)| shell).collect();
        let closing: Vec<_> =
            shells.into_iter().map(|shell| tokio::spawn(async move { shell.close().await })).collect();
        for shell in closing {
            // A panic while a shell closes needs no further handling.
            let _ = shell.await;
        }
    }

    fn take_exactly(&self, shell: &Arc<dyn RemoteShell>) -> bool {
        let mut shells = self.shells.lock();
        let is_same = shells
            .get(&key(shell.id()))
            .is_some_and(|found| std::ptr::addr_eq(Arc::as_ptr(found), Arc::as_ptr(shell)));
        is_same && shells.remove(&key(shell.id())).is_some()
    }
}

/// Returns whether a shell is of this kind.
fn is<S: RemoteShell>(shell: &Arc<dyn RemoteShell>) -> bool {
    let shell: &dyn Any = &**shell;
    shell.is::<S>()
}

/// Returns the registry key of an identifier, which ignores case.
#[must_use]
pub fn key(id: &str) -> String {
    id.trim().to_ascii_uppercase()
}

/// Returns the fault with which a new shell exceeds a quota or repeats an identifier.
fn check(
    shells: &HashMap<String, Arc<dyn RemoteShell>>,
    owner: Sid,
    id: &str,
    config: &Config,
) -> Result<(), Fault> {
    let winrs = &config.winrs;
    let own = shells.values().filter(|other| other.owner() == owner).count();
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
    match shells.contains_key(&key(id)) {
        true => Err(fault::shell_exists(id)),
        false => Ok(()),
    }
}
