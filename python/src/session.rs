//! Sessions and their operations.

use std::path::PathBuf;
use std::time::Duration;

use locks::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use telarch::remoting::DisconnectedPool;
use telarch::{EnumerationFlags, Filter, Wsman};

use crate::arguments::{Keywords, LocatorArgument, body};
use crate::enumerator::Enumerator;
use crate::operation::Operation;
use crate::raise::raise;
use crate::remoting::{Runspaces, configured, identifier};
use crate::resource::Resource;
use crate::runtime::{Owner, runtime};
use crate::shell::{Finished, Shell, shell_options};
use crate::subscription::Subscription;

/// The native session of `Session` and `AsyncSession`.
#[pyclass(frozen, module = "telarch._telarch")]
pub(crate) struct Client {
    /// The session; None once the object is dropped.
    session: Mutex<Option<telarch::Session>>,
    owner: Owner,
}

impl Client {
    fn session(&self) -> PyResult<telarch::Session> {
        self.owner.require()?;
        let session = self.session.lock().clone();
        session.ok_or_else(|| PyRuntimeError::new_err("the session is closed"))
    }

    fn change(
        &self,
        change: impl FnOnce(&mut telarch::Session) -> Result<(), telarch::Error>,
    ) -> PyResult<()> {
        self.owner.require()?;
        match self.session.lock().as_mut() {
            Some(session) => change(session).map_err(|error| raise(&error)),
            None => Ok(()),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let session = self.session.get_mut().take();
        if self.owner != Owner::current() {
            // Closing a connection here would remove it from the epoll set of the parent: after a fork both processes
            // share that set (epoll(7)).
            std::mem::forget(session);
        }
    }
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (target, **settings))]
    fn new(target: &str, settings: Option<&Bound<'_, PyDict>>, py: Python<'_>) -> PyResult<Self> {
        let empty = PyDict::new(py);
        let keywords = Keywords(settings.unwrap_or(&empty));
        let wsman = match keywords.take::<bool>("machine_settings")? {
            Some(true) => Wsman::of_this_process().map_err(|error| raise(&error))?,
            _ => Wsman::new(),
        };
        let (flags, options) = (keywords.flags()?, keywords.options()?);
        keywords.finish()?;
        let session = wsman.create_session(target, flags, options).map_err(|error| raise(&error))?;
        Ok(Self { session: Mutex::new(Some(session)), owner: Owner::current() })
    }

    #[getter]
    fn host(&self) -> PyResult<String> {
        Ok(self.session()?.host().to_owned())
    }

    #[getter]
    fn scheme(&self) -> PyResult<Option<String>> {
        Ok(self.session()?.scheme().map(|scheme| scheme.to_string()))
    }

    #[getter]
    fn timeout(&self) -> PyResult<f64> {
        Ok(self.session()?.timeout().as_secs_f64())
    }

    #[setter]
    fn set_timeout(&self, seconds: f64) -> PyResult<()> {
        let timeout = Duration::try_from_secs_f64(seconds)
            .map_err(|error| PyValueError::new_err(format!("timeout: {error}")))?;
        // Dropping connections requires the context of their runtime.
        let _inside = runtime()?.enter();
        self.change(|session| session.set_timeout(timeout))
    }

    #[getter]
    fn batch_items(&self) -> PyResult<Option<u32>> {
        Ok(self.session()?.batch_items())
    }

    #[setter]
    fn set_batch_items(&self, items: Option<u32>) -> PyResult<()> {
        self.change(|session| session.set_batch_items(items))
    }

    fn identify(&self) -> PyResult<Operation> {
        let session = self.session()?;
        Ok(Operation::new(async move { session.identify().await.map(Resource::from) }))
    }

    fn get(&self, locator: LocatorArgument) -> PyResult<Operation> {
        let (session, locator) = (self.session()?, locator.locator()?);
        Ok(Operation::new(async move { session.get(locator).await.map(Resource::from) }))
    }

    fn put(&self, locator: LocatorArgument, given: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (session, locator) = (self.session()?, locator.locator()?);
        let xml = body(Some(given), last_segment(locator.resource_uri()), locator.resource_uri())?;
        Ok(Operation::new(async move { Ok(session.put(locator, &xml).await?.map(Resource::from)) }))
    }

    fn create(&self, locator: LocatorArgument, given: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (session, locator) = (self.session()?, locator.locator()?);
        let xml = body(Some(given), last_segment(locator.resource_uri()), locator.resource_uri())?;
        Ok(Operation::new(async move { session.create(locator, &xml).await.map(Resource::from) }))
    }

    fn delete(&self, locator: LocatorArgument) -> PyResult<Operation> {
        let (session, locator) = (self.session()?, locator.locator()?);
        Ok(Operation::new(async move { session.delete(locator).await }))
    }

    #[pyo3(signature = (action, locator, given=None))]
    fn invoke(
        &self,
        action: String,
        locator: LocatorArgument,
        given: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (session, locator) = (self.session()?, locator.locator()?);
        let input = format!("{}_INPUT", last_segment(&action));
        let xml = body(given, &input, locator.resource_uri())?;
        Ok(Operation::new(
            async move { Ok(session.invoke(&action, locator, &xml).await?.map(Resource::from)) },
        ))
    }

    #[pyo3(signature = (locator, filter=None, dialect=None, flags=0))]
    fn enumerate(
        &self,
        locator: LocatorArgument,
        filter: Option<String>,
        dialect: Option<&str>,
        flags: u32,
    ) -> PyResult<Operation> {
        let (session, locator) = (self.session()?, locator.locator()?);
        let filter = filter.filter(|text| !text.is_empty()).map(|text| Filter::new(text, dialect));
        let flags = EnumerationFlags::from_bits_retain(flags);
        Ok(Operation::new(
            async move { session.enumerate(locator, filter, flags).await.map(Enumerator::new) },
        ))
    }

    #[pyo3(signature = (locator, filter, dialect=None))]
    fn subscribe(
        &self,
        locator: LocatorArgument,
        filter: String,
        dialect: Option<&str>,
    ) -> PyResult<Operation> {
        let (session, locator) = (self.session()?, locator.locator()?);
        let filter = Filter::new(filter, dialect);
        Ok(Operation::new(async move { session.subscribe(locator, filter).await.map(Subscription::new) }))
    }

    #[pyo3(signature = (command, arguments, **options))]
    fn run(
        &self,
        command: String,
        arguments: Vec<String>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Operation> {
        let (session, options) = (self.session()?, shell_options(options)?);
        Ok(Operation::new(
            async move { session.run(&command, &arguments, options).await.map(Finished::from) },
        ))
    }

    #[pyo3(signature = (script, **options))]
    fn run_ps(&self, script: String, options: Option<&Bound<'_, PyDict>>) -> PyResult<Operation> {
        let (session, options) = (self.session()?, shell_options(options)?);
        Ok(Operation::new(async move { session.run_ps(&script, options).await.map(Finished::from) }))
    }

    #[pyo3(signature = (**options))]
    fn shell(&self, options: Option<&Bound<'_, PyDict>>) -> PyResult<Operation> {
        let (session, options) = (self.session()?, shell_options(options)?);
        Ok(Operation::new(async move { session.shell(options).await.map(Shell::new) }))
    }

    #[pyo3(signature = (**options))]
    fn runspace_pool(&self, options: Option<&Bound<'_, PyDict>>) -> PyResult<Operation> {
        let builder = configured(self.session()?.runspace_pool(), options)?;
        Ok(Operation::new(async move { builder.open().await.map(Runspaces::new) }))
    }

    /// Connects to a disconnected pool.
    #[pyo3(signature = (id, **options))]
    fn connect_runspace_pool(&self, id: &str, options: Option<&Bound<'_, PyDict>>) -> PyResult<Operation> {
        let (id, builder) = (identifier(id)?, configured(self.session()?.runspace_pool(), options)?);
        Ok(Operation::new(async move { builder.connect(id).await.map(Runspaces::new) }))
    }

    /// Lists the disconnected pools, each `(id, name, configuration, owner)`.
    fn disconnected_pools(&self) -> PyResult<Operation> {
        let session = self.session()?;
        Ok(Operation::new(async move {
            let pools = session.disconnected_pools().await?;
            let described = pools.into_iter().map(|pool| {
                let DisconnectedPool { id, name, configuration, owner } = pool;
                (id.to_string(), name, configuration, owner)
            });
            Ok(described.collect::<Vec<_>>())
        }))
    }

    /// Lists the identifiers of the pipelines of a disconnected pool.
    fn pipelines_of(&self, pool: &str) -> PyResult<Operation> {
        let (session, pool) = (self.session()?, identifier(pool)?);
        Ok(Operation::new(async move {
            let pipelines = session.pipelines_of(pool).await?;
            Ok(pipelines.iter().map(ToString::to_string).collect::<Vec<_>>())
        }))
    }

    fn copy(&self, local: PathBuf, remote: String) -> PyResult<Operation> {
        let session = self.session()?;
        Ok(Operation::new(async move { session.copy(local, &remote).await }))
    }

    fn fetch(&self, remote: String, local: PathBuf) -> PyResult<Operation> {
        let session = self.session()?;
        Ok(Operation::new(async move { session.fetch(&remote, local).await }))
    }

    fn post(&self, envelope: String) -> PyResult<Operation> {
        let session = self.session()?;
        Ok(Operation::new(async move { session.post(&envelope).await }))
    }
}

/// Returns the text for an error number.
#[pyfunction]
pub(crate) fn error_message(code: i64) -> String {
    // Scripts use negative numbers for the same codes.
    let unsigned = u32::try_from(code).or_else(|_| i32::try_from(code).map(i32::cast_unsigned));
    Wsman::new().error_message(unsigned.unwrap_or(u32::MAX))
}

/// Returns the messages in CLIXML output of PowerShell; None for other output.
#[pyfunction]
pub(crate) fn clean_clixml(octets: &[u8]) -> Option<String> {
    telarch::clean_clixml(octets)
}

fn last_segment(uri: &str) -> &str {
    uri.rsplit('/').next().unwrap_or_default()
}
