//! Files from which instances are read, watched for changes (inotify(7)).

use std::sync::Arc;

use cim::Status;
use readiness::FileChanges;
use wmi::{BoxFuture, EventSource, Happening, ProviderError};

use crate::Machine;

/// Files of the accounts of the machine itself.
const ACCOUNTS: [&str; 3] = ["etc/passwd", "etc/group", "etc/shadow"];

/// Event source that reports changes of files.
struct Files(FileChanges);

/// Returns a source that reports possible changes of accounts and groups; `None` if the kernel does not
/// report them, so that polling is used.
pub(crate) fn of_accounts(machine: &Arc<Machine>) -> Option<Box<dyn EventSource>> {
    let files = FileChanges::of(ACCOUNTS.map(|file| machine.path(file)));
    files.ok().map(|files| Box::new(Files(files)) as Box<dyn EventSource>)
}

impl EventSource for Files {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            let told = self.0.next().await;
            told.map_err(|error| ProviderError::failed(Status::Failed, error.to_string()))?;
            Ok(Happening::Changed)
        })
    }
}
