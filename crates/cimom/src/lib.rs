//! The CIM object manager (CIMOM) of this machine: the WMI engine with the Linux and hardware providers and the
//! repository.
//!
//! The service and the programs of this machine create it here, so that all have the same namespaces and classes.
//! Access over the network is checked by the WMI plug-in, not here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use accounts::MachineSid;
use cim::{Namespace, Schema};
use consumers::{Activity, FailureLog};
use hardware::{Hardware, HostFile, OwnController};
use locks::Mutex;
use provider_linux::Machine;
use repository::{ReloadingEngine, Repository};
use tokio::runtime::Handle;
use wmi::{Engine, EngineBuilder};

/// The parts of WMI on this machine, and the engine, which is created on first use.
pub struct ObjectManager {
    machine: Arc<Machine>,
    hardware: Hardware,
    repository: Arc<Repository>,
    failures: FailureLog,
    activity: Activity,
    engine: Mutex<Option<ReloadingEngine>>,
}

impl ObjectManager {
    /// Creates an object manager without an engine.
    ///
    /// `state` is the state directory of the service, and `of_user` the directory for private files of the user of this
    /// process. Sessions with the management controllers in `hosts` run in `runtime`.
    #[must_use]
    pub fn new(
        state: &Path,
        of_user: Option<PathBuf>,
        hosts: HostFile,
        repository: Repository,
        runtime: Handle,
    ) -> Self {
        let mut machine = Machine::this().keeping(state, of_user);
        match MachineSid::find(state) {
            Ok(Some(sid)) => machine = machine.with_sid(sid.domain()),
            Ok(None) => {}
            // Shells and almost all WMI classes work without the SID.
            Err(error) => {
                tracing::warn!(%error, "Cannot read the machine SID: accounts have no SIDs");
            }
        }
        let hardware = Hardware::new(machine.host_name(), hosts, OwnController::Used, runtime);
        let (machine, repository) = (Arc::new(machine), Arc::new(repository));
        let (failures, activity) = (FailureLog::of_state(state), Activity::of_state(state));
        Self { machine, hardware, repository, failures, activity, engine: Mutex::default() }
    }

    /// Returns the hardware provider, which is also a source of events.
    #[must_use]
    pub fn hardware(&self) -> &Hardware {
        &self.hardware
    }

    /// Returns the repository with the classes and instances that were added to those of the providers.
    #[must_use]
    pub fn repository(&self) -> &Arc<Repository> {
        &self.repository
    }

    /// Returns the record of the process that carries out permanent subscriptions.
    #[must_use]
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Returns the log of events that could not be delivered to permanent consumers.
    #[must_use]
    pub fn failures(&self) -> &FailureLog {
        &self.failures
    }

    /// Returns the engine, which follows changes of the repository.
    ///
    /// The engine is created by the first call, so that a service without WMI requests starts faster and needs less
    /// memory. That call blocks, and concurrent calls wait for it, so it must run on a thread that may block.
    ///
    /// # Errors
    /// As [`wmi::EngineBuilder::build`], if the repository contradicts the classes of the providers.
    pub fn engine(&self) -> Result<ReloadingEngine, wmi::Error> {
        let mut cached = self.engine.lock();
        if let Some(engine) = &*cached {
            return Ok(engine.clone());
        }
        let machine = Arc::clone(&self.machine);
        let mut providers = provider_linux::providers(&machine);
        providers.push(Arc::new(self.hardware.clone()));
        providers.extend(self.failures.providers(&self.repository));
        let others = NAMESPACES.into_iter().map(Namespace::parse).collect::<Result<Vec<_>, _>>()?;
        let engine = ReloadingEngine::new(Arc::clone(&self.repository), move || {
            let builder = Engine::builder(machine.host_name(), machine.offset());
            let builder = builder.providers(providers.iter().cloned());
            others.iter().cloned().map(Schema::of).fold(builder, EngineBuilder::namespace)
        })?;
        *cached = Some(engine.clone());
        Ok(engine)
    }
}

/// Namespaces without a provider.
const NAMESPACES: [&str; 1] = ["root/interop"];
