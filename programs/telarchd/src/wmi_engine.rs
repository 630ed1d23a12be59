//! The engine of WMI, with the classes of this machine and those who serve them.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use cim::{Namespace, Schema};
use linux::Machine;
use plugin_wmi::WmiPlugin;
use repository::{LivingEngine, Repository};
use wmi::Engine;

/// The plug-in for the instances of this machine, and for what was added to it: without a file, nothing, and what is
/// added is gone with the process.
pub(crate) fn plugin(added: Option<&Path>) -> Result<WmiPlugin, Box<dyn Error>> {
    let machine = Arc::new(Machine::this());
    let providers = linux::providers(&machine);
    let others = NAMESPACES.into_iter().map(Namespace::parse).collect::<Result<Vec<_>, _>>()?;
    let (repository, wrong) =
        added.map_or_else(|| (Repository::in_memory(), None), Repository::open_or_closed);
    if let Some(error) = wrong {
        tracing::error!(%error, "The repository of WMI cannot be read: nobody may use WMI until it can");
    }
    let begin = move || {
        let engine =
            Engine::builder(machine.host_name(), machine.offset()).providers(providers.iter().cloned());
        let others = others.iter().cloned().map(Schema::of);
        others.fold(engine, wmi::EngineBuilder::namespace)
    };
    let living = LivingEngine::new(Arc::new(repository), begin)?;
    Ok(WmiPlugin::living(move || living.engine()))
}

/// The namespaces there are besides those of providers.
const NAMESPACES: [&str; 1] = ["root/interop"];
