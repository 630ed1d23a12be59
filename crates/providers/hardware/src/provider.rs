//! The provider: selects the controllers of a query, and queries them in parallel.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cim::{ColumnSet, Instance, Name, Namespace, Status, Value};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tracing::debug;
use wmi::{Context, MethodCall, Provider, ProviderError, Scan, Sink, Target};

use crate::controller::Controller;
use crate::controllers::Controllers;
use crate::query::{self, Query};
use crate::rows::{self, SupportedClass};
use crate::{HardwareError, HostFile, OwnController, methods, names, results};

/// Provider for the classes of management controllers. Clones share their sessions.
#[derive(Clone, Debug)]
pub struct Hardware(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Name of this machine.
    machine: String,
    controllers: Controllers,
    runtime: Handle,
}

impl Hardware {
    /// Creates a provider for the controllers of a file and that of this machine. The runtime must have
    /// sockets and timers enabled.
    #[must_use]
    pub fn new(machine: impl Into<String>, hosts: HostFile, own: OwnController, runtime: Handle) -> Self {
        let machine = machine.into();
        let controllers = Controllers::new(&machine, hosts, own);
        Self(Arc::new(Shared { machine, controllers, runtime }))
    }

    /// Closes all sessions, and waits for confirmation by the controllers.
    pub async fn close(&self) {
        let mut closing = JoinSet::new();
        for controller in self.0.controllers.loaded() {
            closing.spawn(async move { controller.close().await });
        }
        while closing.join_next().await.is_some() {}
    }

    /// Closes all sessions and drops all controllers with their passwords. They are loaded again at the next
    /// request.
    pub async fn forget(&self) {
        let mut closing = JoinSet::new();
        for controller in self.0.controllers.forget() {
            closing.spawn(async move { controller.close().await });
        }
        while closing.join_next().await.is_some() {}
    }

    /// Returns the name of this machine.
    pub(crate) fn machine(&self) -> &str {
        &self.0.machine
    }

    /// Returns all controllers known now.
    pub(crate) fn controllers(&self) -> Result<Vec<Arc<Controller>>, HardwareError> {
        self.0.controllers.all()
    }

    /// Returns the controllers whose rows may match the query.
    fn selected(&self, scan: &Scan) -> Result<Vec<Arc<Controller>>, HardwareError> {
        let mut all = self.0.controllers.all()?;
        if let Some(wanted) = query::controllers(scan) {
            all.retain(|controller| wanted.iter().any(|name| cim::wql::equal(name, controller.name())));
        }
        Ok(all)
    }

    /// Returns the controller that an instance with these keys belongs to.
    fn controller(&self, keys: &[Value], class: &cim::Class) -> Result<Arc<Controller>, ProviderError> {
        let naming = ["SystemName", "InstanceID", "InstanceName", "Name"];
        let name = naming.into_iter().find_map(|property| names::key(class, keys, property));
        let name = names::controller_of(name.unwrap_or_default());
        let all = self.0.controllers.all()?;
        let found = all.into_iter().find(|controller| cim::wql::equal(name, controller.name()));
        found.ok_or_else(|| {
            let problem =
                format!("unknown controller {name}\n  telarch ipmi host list shows all controllers");
            ProviderError::failed(Status::NotFound, problem)
        })
    }

    /// Waits for a controller, up to a time limit.
    fn wait<T>(
        &self,
        controller: &Arc<Controller>,
        work: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let limited = async {
            match tokio::time::timeout(LIMIT, work).await {
                Ok(outcome) => outcome,
                Err(_) => Err(HardwareError::Slow(controller.name().clone(), LIMIT.as_secs()).into()),
            }
        };
        self.0.runtime.block_on(limited)
    }
}

impl Provider for Hardware {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        SupportedClass::classes()
    }

    fn missing_source(&self, _: &Namespace, class: &Name) -> Option<&'static str> {
        let is_of_controllers = SupportedClass::of(class).is_some_and(|class| !class.is_machine_wide());
        let has_none = || self.controllers().is_ok_and(|controllers| controllers.is_empty());
        (is_of_controllers && has_none()).then_some("controller")
    }

    fn enumerate(&self, scan: &Scan, sink: &mut Sink<'_>) -> Result<(), ProviderError> {
        let Some(subject) = SupportedClass::of(scan.class().name()) else {
            return Err(ProviderError::NotCapable);
        };
        let query = Arc::new(Query::new(scan));
        if subject.is_machine_wide() {
            let rows = subject.machine_rows(&self.0.machine, &query)?;
            return rows.into_iter().try_for_each(|row| sink.push(row));
        }
        let mut waiting: VecDeque<_> = self.selected(scan)?.into();
        let (mut running, mut answered, mut failed) = (JoinSet::new(), 0_usize, None);
        loop {
            while running.len() < MAX_PARALLEL
                && let Some(controller) = waiting.pop_front()
            {
                let query = query.clone();
                running.spawn_on(async move { read(subject, controller, &query).await }, &self.0.runtime);
            }
            // In order of completion: a slow controller does not delay the rows of others.
            let Some(done) = self.0.runtime.block_on(running.join_next()) else { break };
            let (controller, rows) =
                done.map_err(|_| ProviderError::failed(Status::ProviderFailure, "the provider panicked"))?;
            match rows {
                Ok(rows) => {
                    answered += 1;
                    rows.into_iter().try_for_each(|row| sink.push(row))?;
                }
                Err(error) => {
                    debug!(controller = %controller.name(), class = %scan.class().name(), %error, "Cannot read the controller");
                    match subject.unreachable(&controller, &query, &error)? {
                        Some(row) => {
                            answered += 1;
                            sink.push(row)?;
                        }
                        None => failed = Some(error),
                    }
                }
            }
        }
        match failed {
            // If no controller responded, an empty result would be misleading.
            Some(error) if answered == 0 => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn invoke(&self, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let subject = SupportedClass::of(call.class.name()).ok_or(ProviderError::NotCapable)?;
        let Target::Instance(keys) = call.target else { return Err(ProviderError::NotCapable) };
        if subject.is_machine_wide() {
            return methods::returns(call, results::NOT_SUPPORTED);
        }
        let controller = self.controller(keys, call.class)?;
        let name = call.operation.method.name.as_str();
        debug!(peer = %controller.name(), identity = call.context.caller(), operation = name, "Method call");
        self.wait(&controller, methods::call(&self.0.controllers, &controller, subject, keys, call))
    }

    fn close(&self) {
        self.0.runtime.block_on(Self::close(self));
    }

    fn put(&self, _context: &Context, instance: &Instance, changed: &ColumnSet) -> Result<(), ProviderError> {
        let class = instance.class();
        if SupportedClass::of(class.name()) != Some(SupportedClass::NumericSensor) {
            let problem = "read-only instance: only thresholds of NumericSensor can be changed";
            return Err(ProviderError::failed(Status::NotSupported, problem));
        }
        let keys: Vec<Value> = class.keys().iter().map(|key| instance.at(*key).clone()).collect();
        let controller = self.controller(&keys, class)?;
        self.wait(&controller, rows::set_thresholds(&controller, instance, changed))
    }
}

/// Returns a controller and its rows.
async fn read(
    subject: SupportedClass,
    controller: Arc<Controller>,
    query: &Query,
) -> (Arc<Controller>, Result<Vec<Instance>, HardwareError>) {
    let rows = match tokio::time::timeout(LIMIT, subject.read(&controller, query)).await {
        Ok(rows) => rows,
        Err(_) => Err(HardwareError::Slow(controller.name().clone(), LIMIT.as_secs())),
    };
    (controller, rows)
}

/// Time limit for all requests to one controller; the engine waits for a minute.
const LIMIT: Duration = Duration::from_secs(30);
/// Maximum number of controllers queried in parallel.
const MAX_PARALLEL: usize = 64;
