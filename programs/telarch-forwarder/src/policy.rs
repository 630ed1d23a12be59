//! Policy `SubscriptionManager`, which names the collectors and may change while the forwarder runs.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use config::{Policies, SubscriptionManager};
use readiness::FileChanges;
use tokio::signal::unix::Signal;
use tokio::sync::watch;

/// Collectors of the policies and of the command line.
pub(crate) struct ManagerPolicy {
    folder: PathBuf,
    /// Collectors of the command line, which do not change.
    options: Vec<SubscriptionManager>,
}

/// Collectors of one reading of the policies.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reading {
    managers: Vec<SubscriptionManager>,
    /// Reasons why values were ignored.
    errors: Vec<String>,
}

impl ManagerPolicy {
    pub(crate) fn new(folder: PathBuf, options: Vec<SubscriptionManager>) -> Self {
        Self { folder, options }
    }

    /// Returns the collectors at the start. Invalid values are logged.
    ///
    /// # Errors
    /// If the policies cannot be read, or if there is no collector.
    pub(crate) fn initial_managers(&self) -> Result<Vec<SubscriptionManager>, Box<dyn Error>> {
        let reading = self.read()?;
        reading.report_errors();
        if reading.managers.is_empty() {
            return Err("no collector is configured\n  \
                        set the policy SubscriptionManager, or use --manager Server=URL,Refresh=SECONDS"
                .into());
        }
        Ok(reading.managers)
    }

    /// Reads the policies again when their files change, at SIGHUP, and every minute, and sends the collectors if they
    /// are others. Policies that cannot be read change nothing. Never ends.
    pub(crate) async fn follow(&self, managers: watch::Sender<Vec<SubscriptionManager>>, mut hangup: Signal) {
        let mut reported = self.read().map(|reading| reading.errors).unwrap_or_default();
        loop {
            // The files are watched before they are read, so that no change is missed. The folder may be a new one.
            let mut changes = self.changes();
            self.update(&managers, &mut reported);
            let is_notified = tokio::select! {
                is_changed = next_change(&mut changes) => is_changed,
                _ = hangup.recv() => true,
                () = tokio::time::sleep(CHECK_INTERVAL) => false,
            };
            if is_notified {
                // An editor or a package writes several files.
                tokio::time::sleep(SETTLE_TIME).await;
            }
        }
    }

    /// Reads the policies, reports errors that were not reported before, and sends the collectors if they are others.
    fn update(&self, managers: &watch::Sender<Vec<SubscriptionManager>>, reported: &mut Vec<String>) {
        let reading = match self.read() {
            Ok(reading) => reading,
            Err(error) => Reading { managers: managers.borrow().clone(), errors: vec![error.to_string()] },
        };
        if reading.errors != *reported {
            reading.report_errors();
            reported.clone_from(&reading.errors);
        }
        managers.send_if_modified(|current| {
            let is_changed = *current != reading.managers;
            *current = reading.managers;
            is_changed
        });
    }

    /// Watches the files of the policies. Without the folder they are read every minute only.
    fn changes(&self) -> Option<FileChanges> {
        FileChanges::of_contents([&self.folder]).ok()
    }

    fn read(&self) -> Result<Reading, config::StoreError> {
        let mut reading = Reading { managers: self.options.clone(), errors: Vec::new() };
        for manager in Policies::of_folder(&self.folder)?.subscription_managers() {
            match manager {
                Ok(manager) => reading.managers.push(manager),
                Err(error) => reading.errors.push(error.to_string()),
            }
        }
        Ok(reading)
    }
}

impl Reading {
    fn report_errors(&self) {
        for error in &self.errors {
            tracing::error!(event_id = 107, error, "Ignored an invalid value of SubscriptionManager");
        }
    }
}

/// Waits until a file changes, or the folder is removed.
async fn next_change(changes: &mut Option<FileChanges>) -> bool {
    let Some(watched) = changes else { return std::future::pending().await };
    // An error means that the folder is gone, which is a change as well.
    let _ = watched.next().await;
    true
}

/// Interval in which the policies are read without a notification.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// Delay after a change, in which further ones are awaited.
const SETTLE_TIME: Duration = Duration::from_millis(100);
