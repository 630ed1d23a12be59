//! The plug-ins that the engine of WMI is behind.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use cimom::ObjectManager;
use config::{Paths, State};
use consumers::{CommandPolicy, Creators, SubscriptionRunner};
use hardware::{EventLogs, HardwareKeeper, HostFile};
use plugin_wmi::WmiPlugin;
use repository::Repository;
use service::Plugin;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// WMI of this machine.
pub(crate) struct Wmi(Arc<ObjectManager>);

impl Wmi {
    /// That of a directory of state, with what was added there. Where somebody else keeps the controllers it knows, a
    /// process without the rights of root asks for them.
    pub(crate) fn open(state: &Path, keeper: Option<Arc<dyn HardwareKeeper>>) -> Self {
        let of_user = Paths::of_user(|name| std::env::var_os(name)).map(|paths| paths.state);
        let of_machine = Paths::of_machine();
        // A service that keeps nothing for the machine keeps nothing in anybody's home either.
        let of_user = if state == of_machine.state { of_user } else { Some(state.to_owned()) };
        let added = Paths::new(&of_machine.config, state).repository;
        let (repository, wrong) = Repository::open_or_closed(&added);
        if let Some(error) = wrong {
            tracing::error!(%error, "The repository of WMI cannot be read: nobody may use WMI until it can");
        }
        let hosts = HostFile::of_state(state);
        let hosts = match keeper {
            Some(keeper) => hosts.kept_by(keeper),
            None => hosts,
        };
        Self(Arc::new(ObjectManager::new(state, of_user, hosts, repository, Handle::current())))
    }

    /// The plug-ins for its instances and the logs of controllers.
    pub(crate) fn plugins(&self) -> [Arc<dyn Plugin>; 2] {
        let manager = Arc::clone(&self.0);
        let engine = move || match manager.engine() {
            Ok(engine) => Some(engine.engine()),
            Err(error) => {
                tracing::error!(%error, "The engine of WMI cannot be put together");
                None
            }
        };
        [Arc::new(WmiPlugin::with_current(engine)), Arc::new(EventLogs::new(self.0.hardware().clone()))]
    }

    /// Ends the sessions with controllers and forgets what was handed over for them: whoever needs it asks again.
    pub(crate) async fn forget_hardware(&self) {
        self.0.hardware().forget().await;
    }

    /// Carries out permanent subscriptions while the settings say so.
    pub(crate) async fn carry_out(self, mut states: watch::Receiver<Arc<State>>) {
        loop {
            let wmi = states.borrow_and_update().config.wmi.clone();
            let carried = async {
                if wmi.permanent_subscriptions {
                    match self.subscription_runner(Creators::All, commands(&wmi)) {
                        Ok(runner) => runner.run().await,
                        Err(error) => tracing::error!(%error, "Permanent subscriptions are not carried out"),
                    }
                }
                std::future::pending::<()>().await;
            };
            let other = async {
                while states.changed().await.is_ok() {
                    if states.borrow_and_update().config.wmi != wmi {
                        return;
                    }
                }
                // They stay as they are.
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = carried => {}
                () = other => {}
            }
        }
    }

    /// Carries out permanent subscriptions.
    ///
    /// # Errors
    /// As [`ObjectManager::engine`].
    pub(crate) fn subscription_runner(
        &self,
        creators: Creators,
        commands: CommandPolicy,
    ) -> Result<SubscriptionRunner, wmi::Error> {
        let failures = self.0.failures().clone();
        Ok(SubscriptionRunner { engine: self.0.engine()?, creators, commands, words: linux::words, failures })
    }
}

/// What the settings say about programs.
pub(crate) fn commands(wmi: &config::Wmi) -> CommandPolicy {
    if wmi.command_line_consumers { CommandPolicy::Allow } else { CommandPolicy::Deny }
}

/// What WMI of a service with a directory of state serves: namespaces with the number of their classes and their
/// descriptors, in the order of their names.
///
/// # Errors
/// What is wrong with the repository, or with what is in it.
pub(crate) fn served(repository: &Path, state: &Path) -> Result<Vec<Served>, Box<dyn Error>> {
    // Where there is no directory yet there is nothing in it.
    let is_new = repository.parent().is_some_and(|folder| !folder.exists());
    let repository = if is_new { Repository::in_memory() } else { Repository::open(repository)? };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let manager =
        ObjectManager::new(state, None, HostFile::of_state(state), repository, runtime.handle().clone());
    let engine = manager.engine()?.engine();
    let contents = manager.repository().contents();
    let served = |namespace: &cim::Namespace| {
        let classes = engine.schema(namespace)?.names().count();
        let is_own = contents.namespace(namespace).is_ok_and(|stored| stored.descriptor().is_some());
        let sddl = (is_own || namespace.parent().is_none()).then(|| engine.descriptor(namespace).to_string());
        Ok(Served { namespace: namespace.clone(), classes, sddl })
    };
    engine.namespaces().into_iter().map(served).collect()
}

/// One namespace.
pub(crate) struct Served {
    pub(crate) namespace: cim::Namespace,
    pub(crate) classes: usize,
    /// Who may do what in it; none if that is what the namespace above says.
    pub(crate) sddl: Option<String>,
}
