//! The plug-ins that the engine of WMI is behind.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use cimom::ObjectManager;
use config::Paths;
use hardware::EventLogs;
use plugin_wmi::WmiPlugin;
use repository::Repository;
use service::Plugin;
use tokio::runtime::Handle;

/// The plug-ins for the instances of this machine, of the controllers that a directory of state knows, and of what
/// was added there.
pub(crate) fn plugins(state: &Path) -> Result<[Arc<dyn Plugin>; 2], Box<dyn Error>> {
    let of_user = Paths::of_user(|name| std::env::var_os(name)).map(|paths| paths.state);
    let of_machine = Paths::of_machine();
    // A service that keeps nothing for the machine keeps nothing in anybody's home either.
    let of_user = if state == of_machine.state { of_user } else { Some(state.to_owned()) };
    let added = Paths::new(&of_machine.config, state).repository;
    let (repository, wrong) = Repository::open_or_closed(&added);
    if let Some(error) = wrong {
        tracing::error!(%error, "The repository of WMI cannot be read: nobody may use WMI until it can");
    }
    let ObjectManager { engine, hardware } =
        ObjectManager::assemble(state, of_user, repository, Handle::current())?;
    Ok([Arc::new(WmiPlugin::living(move || engine.engine())), Arc::new(EventLogs::new(hardware))])
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
    let manager = ObjectManager::assemble(state, None, repository, runtime.handle().clone())?;
    let engine = manager.engine.engine();
    let contents = manager.engine.repository().contents();
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
