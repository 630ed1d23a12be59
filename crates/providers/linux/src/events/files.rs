//! Files from which instances are read, watched for changes (inotify(7)).

use std::path::Path;
use std::sync::Arc;

use cim::Status;
use limits::{Capacity, KeyedLimit, Permit};
use readiness::FileChanges;
use wmi::{BoxFuture, EventSource, Happening, ProviderError, Watch};

use crate::Machine;

/// Files of the accounts of the machine itself.
const ACCOUNTS: [&str; 3] = ["etc/passwd", "etc/group", "etc/shadow"];

/// Event source that reports changes of files.
struct Files {
    changes: FileChanges,
    /// Counts watched folders of a subscriber.
    _permit: Option<Permit<String>>,
}

/// Returns a source that reports possible changes of accounts and groups; `None` if the kernel does not
/// report them, so that polling is used.
pub(crate) fn of_accounts(machine: &Arc<Machine>) -> Option<Box<dyn EventSource>> {
    let files = FileChanges::of(ACCOUNTS.map(|file| machine.path(file)));
    files.ok().map(|changes| Box::new(Files { changes, _permit: None }) as Box<dyn EventSource>)
}

impl EventSource for Files {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            let change = self.changes.next().await;
            change.map_err(|error| ProviderError::failed(Status::Failed, error.to_string()))?;
            Ok(Happening::Changed)
        })
    }
}

/// Folders that are watched for subscribers.
#[derive(Default)]
pub(crate) struct WatchedFolders(KeyedLimit<String>);

/// Maximum numbers of watched folders: of all users, and of one.
const MOST_FOLDERS: Capacity = Capacity { total: 4_096, per_key: 64 };

impl WatchedFolders {
    /// Returns a source that reports possible changes of the files in the folders that a query names in `Path`. `None`
    /// if it names none, or one that does not exist or cannot be watched, so that polling is used.
    ///
    /// # Errors
    /// [`Status::QuotaViolation`] if the subscriber watches too many folders.
    pub(crate) fn watch(
        &self,
        machine: &Machine,
        watch: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        let Some(named) = watch.pinned(&["Path"]) else { return Ok(None) };
        let named = named.iter().filter_map(|values| values.first()?.as_str());
        let folders: Vec<_> = named.filter_map(|folder| folder.strip_prefix('/')).map(Path::new).collect();
        let permit = self.0.acquire_many(watch.context.caller().to_owned(), folders.len(), MOST_FOLDERS);
        let permit = permit.map_err(|_| {
            let most = MOST_FOLDERS.per_key;
            let message = format!("more than {most} folders are watched\n  end other subscriptions first");
            ProviderError::failed(Status::QuotaViolation, message)
        })?;
        let files = FileChanges::of_contents(folders.iter().map(|folder| machine.path(folder)));
        let files = files.inspect_err(|error| tracing::debug!(%error, "Folder is polled, not watched"));
        Ok(files
            .ok()
            .map(|changes| Box::new(Files { changes, _permit: Some(permit) }) as Box<dyn EventSource>))
    }
}
