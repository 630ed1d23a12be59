//! WMI engine of the service and its plug-ins.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use cimom::ObjectManager;
use config::{Paths, State};
use consumers::{CommandPolicy, Creators, SubscriptionRunner};
use hardware::{ControllerSource, HostFile};
use plugin_hardware::EventLogs;
use plugin_wmi::WmiPlugin;
use repository::Repository;
use service::Plugin;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// WMI of this machine.
pub(crate) struct Wmi(Arc<ObjectManager>);

impl Wmi {
    /// Opens the engine with the repository in a state directory. `keeper` provides the management controllers for
    /// a process without root's rights.
    pub(crate) fn open(state: &Path, keeper: Option<Arc<dyn ControllerSource>>) -> Self {
        let of_user = Paths::of_user(|name| std::env::var_os(name)).map(|paths| paths.state);
        let of_machine = Paths::of_machine();
        // A service with its own state directory does not use the state of the user's home.
        let of_user = if state == of_machine.state { of_user } else { Some(state.to_owned()) };
        let added = Paths::new(&of_machine.config, state).repository;
        let (repository, wrong) = Repository::open_or_closed(&added);
        if let Some(error) = wrong {
            tracing::error!(%error, "Cannot read the WMI repository; WMI refuses all requests");
        }
        let hosts = HostFile::of_state(state);
        let hosts = match keeper {
            Some(keeper) => hosts.with_source(keeper),
            None => hosts,
        };
        Self(Arc::new(ObjectManager::new(state, of_user, hosts, repository, Handle::current())))
    }

    /// Returns the plug-ins for WMI instances and for event logs of controllers.
    pub(crate) fn plugins(&self) -> [Arc<dyn Plugin>; 2] {
        let manager = Arc::clone(&self.0);
        [
            Arc::new(WmiPlugin::with_current(move || current_engine(&manager))),
            Arc::new(EventLogs::new(self.0.hardware().clone())),
        ]
    }

    /// Closes sessions with controllers and forgets their list, which is requested again when needed.
    pub(crate) async fn forget_hardware(&self) {
        self.0.hardware().forget().await;
    }

    /// Carries out permanent subscriptions whenever the settings enable them.
    pub(crate) async fn carry_out(self, mut states: watch::Receiver<Arc<State>>) {
        loop {
            let wmi = states.borrow_and_update().config.wmi.clone();
            let carrying = async {
                if wmi.permanent_subscriptions {
                    match self.subscription_runner(Creators::All, commands(&wmi)) {
                        Ok(runner) => runner.run().await,
                        Err(error) => tracing::error!(%error, "Cannot carry out permanent subscriptions"),
                    }
                }
                std::future::pending::<()>().await;
            };
            let changed = async {
                while states.changed().await.is_ok() {
                    if states.borrow_and_update().config.wmi != wmi {
                        return;
                    }
                }
                // The settings can no longer change.
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = carrying => {}
                () = changed => {}
            }
        }
    }

    /// Creates the carrier of permanent subscriptions.
    ///
    /// # Errors
    /// Those of [`ObjectManager::engine`].
    pub(crate) fn subscription_runner(
        &self,
        creators: Creators,
        commands: CommandPolicy,
    ) -> Result<SubscriptionRunner, wmi::Error> {
        let failures = self.0.failures().clone();
        Ok(SubscriptionRunner {
            engine: self.0.engine()?,
            creators,
            commands,
            words: linux::command_line::words,
            failures,
            activity: self.0.activity().clone(),
        })
    }
}

/// Returns whether consumers may run programs, according to the settings.
pub(crate) fn commands(wmi: &config::Wmi) -> CommandPolicy {
    if wmi.command_line_consumers { CommandPolicy::Allow } else { CommandPolicy::Deny }
}

/// Counts the WMI namespaces and classes of a service, which shows that all of them can be loaded.
///
/// # Errors
/// Errors of the repository and of its content.
pub(crate) fn count(repository: &Path, state: &Path) -> Result<WmiCounts, Box<dyn Error>> {
    // A missing directory is equivalent to an empty repository.
    let is_new = repository.parent().is_some_and(|folder| !folder.exists());
    let repository = if is_new { Repository::in_memory() } else { Repository::open(repository)? };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let manager =
        ObjectManager::new(state, None, HostFile::of_state(state), repository, runtime.handle().clone());
    let engine = manager.engine()?.engine();
    let mut counts = WmiCounts::default();
    for namespace in engine.namespaces() {
        counts.namespaces += 1;
        counts.classes += engine.schema(namespace)?.names().count();
    }
    Ok(counts)
}

/// Returns the current engine. Logs an error if it cannot be created.
fn current_engine(manager: &ObjectManager) -> Option<wmi::Engine> {
    match manager.engine() {
        Ok(engine) => Some(engine.engine()),
        Err(error) => {
            tracing::error!(%error, "Cannot create the WMI engine");
            None
        }
    }
}

/// Size of the schema of a service.
#[derive(Default)]
pub(crate) struct WmiCounts {
    pub(crate) namespaces: usize,
    /// Classes of all namespaces.
    pub(crate) classes: usize,
}
