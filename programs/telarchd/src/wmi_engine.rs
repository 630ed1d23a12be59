//! The engine of WMI, with the classes of this machine and those who serve them.

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use accounts::MachineSid;
use cim::{Namespace, Schema};
use config::Paths;
use hardware::{EventLogs, Hardware, HostFile, OwnController};
use linux::Machine;
use plugin_wmi::WmiPlugin;
use repository::{LivingEngine, Repository};
use service::Plugin;
use tokio::runtime::Handle;
use wmi::Engine;

/// The plug-ins for the instances of this machine, of the controllers that a directory of state knows, and of what
/// was added there.
pub(crate) fn plugins(state: &Path) -> Result<[Arc<dyn Plugin>; 2], Box<dyn Error>> {
    let of_user = Paths::of_user(|name| std::env::var_os(name)).map(|paths| paths.state);
    let of_machine = Paths::of_machine();
    // A service that keeps nothing for the machine keeps nothing in anybody's home either.
    let of_user = if state == of_machine.state { of_user } else { Some(state.to_owned()) };
    let mut machine = Machine::this().keeping(state, of_user);
    match MachineSid::load(state) {
        Ok(Some(sid)) => machine = machine.with_sid(sid.domain()),
        Ok(None) => {}
        // Shells do without it, and so does nearly all of WMI.
        Err(error) => {
            tracing::warn!(%error, "The SID of the machine cannot be read: those of accounts are not told");
        }
    }
    let machine = Arc::new(machine);
    let hardware = Hardware::new(
        machine.host_name(),
        HostFile::of_state(state),
        OwnController::Asked,
        Handle::current(),
    );
    let others = NAMESPACES.into_iter().map(Namespace::parse).collect::<Result<Vec<_>, _>>()?;
    let own_hardware = Arc::new(hardware.clone());
    let added = Paths::new(&of_machine.config, state).repository;
    let (repository, wrong) = Repository::open_or_closed(&added);
    if let Some(error) = wrong {
        tracing::error!(%error, "The repository of WMI cannot be read: nobody may use WMI until it can");
    }
    // Put together at the first request: a service that nobody asks for instances is smaller without, and begins
    // sooner.
    let living = LazyLock::new(move || {
        let mut providers = linux::providers(&machine);
        providers.push(own_hardware);
        let begin = move || {
            let engine =
                Engine::builder(machine.host_name(), machine.offset()).providers(providers.iter().cloned());
            others.iter().cloned().map(Schema::of).fold(engine, wmi::EngineBuilder::namespace)
        };
        LivingEngine::new(Arc::new(repository), begin)
            .inspect_err(|error| tracing::error!(%error, "The engine of WMI cannot be put together"))
            .ok()
    });
    let engine = move || (*living).as_ref().map(LivingEngine::engine);
    Ok([Arc::new(WmiPlugin::living(engine)), Arc::new(EventLogs::new(hardware))])
}

/// The namespaces there are besides those of providers.
const NAMESPACES: [&str; 1] = ["root/interop"];
