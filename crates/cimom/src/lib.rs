//! The object manager of CIM (CIMOM) for this machine: the engine of WMI with what Linux tells, what management
//! controllers tell, and what was added to the repository.
//!
//! The service and the programs of this machine put it together in this one place, so that both know the same
//! namespaces and classes. It leaves out who may ask over the network: that is the plug-in's.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use accounts::MachineSid;
use cim::{Namespace, Schema};
use consumers::FailureLog;
use hardware::{Hardware, HostFile, OwnController};
use linux::Machine;
use repository::{ReloadingEngine, Repository};
use tokio::runtime::Handle;
use wmi::{Engine, EngineBuilder};

/// What WMI of this machine is made of, and the engine once somebody has asked for it.
pub struct ObjectManager {
    machine: Arc<Machine>,
    hardware: Hardware,
    repository: Arc<Repository>,
    failures: FailureLog,
    engine: Mutex<Option<ReloadingEngine>>,
}

impl ObjectManager {
    /// `state` is the directory of what the service keeps; `of_user` that of the user of this process, where what is
    /// nobody else's is kept. Sessions with the controllers that `hosts` knows live in `runtime`.
    #[must_use]
    pub fn new(
        state: &Path,
        of_user: Option<PathBuf>,
        hosts: HostFile,
        repository: Repository,
        runtime: Handle,
    ) -> Self {
        let mut machine = Machine::this().keeping(state, of_user);
        match MachineSid::load(state) {
            Ok(Some(sid)) => machine = machine.with_sid(sid.domain()),
            Ok(None) => {}
            // Shells do without it, and so does nearly all of WMI.
            Err(error) => {
                tracing::warn!(%error, "The SID of the machine cannot be read: those of accounts are not told");
            }
        }
        let hardware = Hardware::new(machine.host_name(), hosts, OwnController::Asked, runtime);
        let (machine, repository) = (Arc::new(machine), Arc::new(repository));
        let failures = FailureLog::of_state(state);
        Self { machine, hardware, repository, failures, engine: Mutex::default() }
    }

    /// The hardware the engine tells of, which is told by events as well.
    #[must_use]
    pub fn hardware(&self) -> &Hardware {
        &self.hardware
    }

    /// What was added to the classes of the system.
    #[must_use]
    pub fn repository(&self) -> &Arc<Repository> {
        &self.repository
    }

    /// Where events are told of that did not get to their permanent consumers.
    #[must_use]
    pub fn failures(&self) -> &FailureLog {
        &self.failures
    }

    /// The engine, which changes with the repository.
    ///
    /// It is put together when it is asked for the first time: a service that nobody asks for instances is smaller
    /// without, and begins sooner. Who asks meanwhile waits for it, so the first time it is asked for on a thread that
    /// may wait.
    ///
    /// # Errors
    /// As [`wmi::EngineBuilder::build`], if the repository does not fit to what there is.
    pub fn engine(&self) -> Result<ReloadingEngine, wmi::Error> {
        let mut made = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = &*made {
            return Ok(engine.clone());
        }
        let machine = Arc::clone(&self.machine);
        let mut providers = linux::providers(&machine);
        providers.push(Arc::new(self.hardware.clone()));
        providers.extend(self.failures.providers(&self.repository));
        let others = NAMESPACES.into_iter().map(Namespace::parse).collect::<Result<Vec<_>, _>>()?;
        let begin = move || {
            let engine =
                Engine::builder(machine.host_name(), machine.offset()).providers(providers.iter().cloned());
            others.iter().cloned().map(Schema::of).fold(engine, EngineBuilder::namespace)
        };
        let engine = ReloadingEngine::new(Arc::clone(&self.repository), begin)?;
        *made = Some(engine.clone());
        Ok(engine)
    }
}

/// The namespaces there are besides those of providers.
const NAMESPACES: [&str; 1] = ["root/interop"];
