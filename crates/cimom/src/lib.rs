//! The object manager of CIM (CIMOM) for this machine: the engine of WMI with what Linux tells, what management
//! controllers tell, and what was added to the repository.
//!
//! The service and the programs of this machine put it together in this one place, so that both know the same
//! namespaces and classes. It leaves out who may ask over the network: that is the plug-in's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use accounts::MachineSid;
use cim::{Namespace, Schema};
use hardware::{Hardware, HostFile, OwnController};
use linux::Machine;
use repository::{LivingEngine, Repository};
use tokio::runtime::Handle;
use wmi::{Engine, EngineBuilder};

/// The namespaces there are besides those of providers.
const NAMESPACES: [&str; 1] = ["root/interop"];

/// The engine of this machine, and what of it others have a use for.
pub struct ObjectManager {
    /// The engine, which changes with the repository.
    pub engine: LivingEngine,
    /// The hardware it tells of, which is told by events as well.
    pub hardware: Hardware,
}

impl ObjectManager {
    /// Puts it together.
    ///
    /// `state` is the directory of what the service keeps; `of_user` that of the user of this process, where what is
    /// nobody else's is kept. Sessions with controllers live in `runtime`.
    ///
    /// # Errors
    /// As [`wmi::EngineBuilder::build`], if the repository does not fit to what there is.
    pub fn assemble(
        state: &Path,
        of_user: Option<PathBuf>,
        repository: Repository,
        runtime: Handle,
    ) -> Result<Self, wmi::Error> {
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
        let mut providers = linux::providers(&machine);
        let hosts = HostFile::of_state(state);
        let hardware = Hardware::new(machine.host_name(), hosts, OwnController::Asked, runtime);
        providers.push(Arc::new(hardware.clone()));
        let others = NAMESPACES.into_iter().map(Namespace::parse).collect::<Result<Vec<_>, _>>()?;
        let begin = move || {
            let engine =
                Engine::builder(machine.host_name(), machine.offset()).providers(providers.iter().cloned());
            others.iter().cloned().map(Schema::of).fold(engine, EngineBuilder::namespace)
        };
        Ok(Self { engine: LivingEngine::new(Arc::new(repository), begin)?, hardware })
    }
}
