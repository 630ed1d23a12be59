//! Files that instances are read from, which change when the instances do (inotify(7)).

use std::sync::Arc;

use cim::Status;
use readiness::FileChanges;
use wmi::{BoxFuture, EventSource, Happening, ProviderError};

use crate::Machine;

/// When to look at accounts and groups of the machine itself.
const ACCOUNTS: [&str; 3] = ["etc/passwd", "etc/group", "etc/shadow"];

/// When to look at what is read from some files.
struct Files(FileChanges);

/// Says when accounts or groups may have changed; `None` where the kernel does not tell, and they are looked at.
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
