//! Operations over a session of the client.

use std::io;
use std::sync::Arc;

use client::{EnumerateOptions, Error, Locator, Session};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use webserver::{CimCall, CimFailure, CimObject, CimOperation, MAX_INSTANCES, WebAdministration};
use wsman::{Fault, ResourceUri, SelectorSet, code};

use crate::instance::{class_uri, read, write, write_input};

/// Number of requests at the same time. Windows permits a user 1,500 operations and 25 connections by default.
const PARALLEL: usize = 8;

/// Codes of WMI for denied access (MS-WSMV 3.1.4.2.30): by the service, the provider, and the connection.
const WMI_ACCESS_DENIED: [u32; 3] = [2_150_859_012, 2_150_859_013, 2_150_859_014];

/// Maximum length of a message of the machine in characters.
const MAX_MESSAGE: usize = 1_000;

/// The IIS of a machine.
pub struct WindowsIis {
    session: Session,
    machine: String,
    explain: Box<dyn Fn(Error) -> String + Send + Sync>,
    runtime: Handle,
    /// Runtime of this connection, which must outlive its requests.
    _own: Option<Runtime>,
}

impl std::fmt::Debug for WindowsIis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WindowsIis").field("machine", &self.machine).finish_non_exhaustive()
    }
}

impl WindowsIis {
    /// Uses a session with a machine, in a runtime of its own. Nothing is sent. `explain` returns the message for an error
    /// of the client, with advice.
    ///
    /// # Errors
    /// If the operating system has no resources for the runtime.
    pub fn new(
        session: Session,
        machine: &str,
        explain: impl Fn(Error) -> String + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let connection = Self::on(runtime.handle().clone(), session, machine, explain);
        Ok(Self { _own: Some(runtime), ..connection })
    }

    /// Uses a session with a machine in the runtime of the session.
    #[must_use]
    pub fn on(
        runtime: Handle,
        session: Session,
        machine: &str,
        explain: impl Fn(Error) -> String + Send + Sync + 'static,
    ) -> Self {
        Self { session, machine: machine.to_owned(), explain: Box::new(explain), runtime, _own: None }
    }

    fn failure(&self, failed: Failed) -> CimFailure {
        match failed {
            Failed::Invalid(reason) => CimFailure::Invalid(reason),
            Failed::Client(Error::Fault(fault)) if is_missing(&fault) => CimFailure::NotFound,
            Failed::Client(Error::Fault(fault)) if is_denied(&fault) => {
                CimFailure::AccessDenied { reason: message(&fault) }
            }
            Failed::Client(error) => {
                let reason = if let Error::Fault(fault) = &error { message(fault) } else { String::new() };
                let explained = (self.explain)(error);
                // The message of the machine is not part of every explanation.
                if reason.is_empty() || explained.contains(&reason) {
                    return CimFailure::Failed(explained);
                }
                CimFailure::Failed(format!("{reason}\n  {explained}"))
            }
        }
    }
}

/// Error of a request or of its response.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Client(#[from] Error),
    #[error("{0}")]
    Invalid(String),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Invalid(fault.to_string())
    }
}

/// Returns whether an object, its class or its namespace does not exist.
fn is_missing(fault: &Fault) -> bool {
    fault.code() == code::INVALID_RESOURCE_URI
}

fn is_denied(fault: &Fault) -> bool {
    fault.code() == code::ACCESS_DENIED || WMI_ACCESS_DENIED.contains(&fault.code())
}

/// Returns the message of the provider, or else of the service, without control characters.
fn message(fault: &Fault) -> String {
    let provider = fault.provider().map(|provider| provider.text.trim()).filter(|text| !text.is_empty());
    let text = provider.unwrap_or_else(|| fault.reason()).trim();
    text.chars().take(MAX_MESSAGE).map(|found| if found.is_control() { ' ' } else { found }).collect()
}

impl WebAdministration for WindowsIis {
    fn machine(&self) -> &str {
        &self.machine
    }

    fn enumerate(&self, class: &str) -> Result<Vec<CimObject>, CimFailure> {
        self.runtime.block_on(enumerate(&self.session, class)).map_err(|failed| self.failure(failed))
    }

    fn call(&self, calls: &[CimCall]) -> Vec<Result<CimObject, CimFailure>> {
        let results = self.runtime.block_on(perform_all(&self.session, calls));
        results.into_iter().map(|result| result.map_err(|failed| self.failure(failed))).collect()
    }
}

async fn enumerate(session: &Session, class: &str) -> Result<Vec<CimObject>, Failed> {
    let locator = locator(class, &[])?;
    let mut items = session.enumerate(&locator, EnumerateOptions::default()).await?;
    let mut instances = Vec::new();
    while let Some(item) = items.next().await {
        if instances.len() >= MAX_INSTANCES {
            return Err(Failed::Invalid(format!("{class} has more than {MAX_INSTANCES} instances")));
        }
        let item = item?;
        let object =
            item.object().ok_or_else(|| Failed::Invalid(format!("an item of {class} has no instance")))?;
        instances.push(read(object).map_err(Failed::Invalid)?);
    }
    Ok(instances)
}

/// Performs calls, some of them at the same time. Returns the results in the order of the calls.
async fn perform_all(session: &Session, calls: &[CimCall]) -> Vec<Result<CimObject, Failed>> {
    let slots = Arc::new(Semaphore::new(PARALLEL));
    let mut tasks = JoinSet::new();
    for (number, call) in calls.iter().cloned().enumerate() {
        let (session, slots) = (session.clone(), Arc::clone(&slots));
        tasks.spawn(async move {
            // The semaphore is never closed.
            let _slot = slots.acquire_owned().await;
            (number, perform(&session, &call).await)
        });
    }
    let mut results: Vec<Result<CimObject, Failed>> =
        calls.iter().map(|_| Err(Failed::Invalid("the request was not completed".to_owned()))).collect();
    while let Some(finished) = tasks.join_next().await {
        let Ok((number, result)) = finished else { continue };
        if let Some(place) = results.get_mut(number) {
            *place = result;
        }
    }
    results
}

async fn perform(session: &Session, call: &CimCall) -> Result<CimObject, Failed> {
    let locator = locator(&call.class, &call.keys)?;
    let response = match &call.operation {
        CimOperation::Get => session.get(&locator).await?,
        CimOperation::Put(instance) => {
            session.put(&locator, &write(instance).map_err(Failed::Invalid)?).await?
        }
        CimOperation::Delete => {
            session.delete(&locator).await?;
            return Ok(CimObject::default());
        }
        CimOperation::Invoke { method, input } => {
            let input = write_input(&call.class, method, input).map_err(Failed::Invalid)?;
            session.invoke(&locator, method, Some(&input)).await?
        }
    };
    // Put and methods without output may have an empty response.
    response
        .content()
        .map_or_else(|| Ok(CimObject::default()), |content| read(content).map_err(Failed::Invalid))
}

fn locator(class: &str, keys: &[(String, String)]) -> Result<Locator, Failed> {
    let resource = ResourceUri::parse(&class_uri(class))?;
    let selectors = keys.iter().fold(SelectorSet::new(), |set, (name, value)| set.with(name, value));
    Ok(Locator::new(resource).with_selectors(selectors))
}
