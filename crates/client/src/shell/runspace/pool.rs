//! Runspace pools: opening, disconnection, connection and closing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use psrp::clixml::{SecureString, Value, Version};
use psrp::{
    Availability, ClientPool, CreatePipeline, ExchangeKey, Guid, PoolState, PsrpError, RunspaceCount,
    RunspaceRequest, Stream,
};
use tokio::time::timeout;
use wsman::enumeration::Filter;
use wsman::shell::{
    Disconnect, OpenShell, ShellState, option, parse_compression, parse_connected, parse_created,
    write_connect, write_creation, write_reconnect,
};
use wsman::{Action, Compression, OptionSet, ResourceUri, SelectorSet, ShellVerb, namespace};

use super::keeper::{self, Progress};
use super::options::PoolOptions;
use super::pipeline::Pipeline;
use super::shared::Shared;
use crate::enumeration::EnumerateOptions;
use crate::error::{Error, Waiting};
use crate::session::Retry;
use crate::shell::Channel;
use crate::shell::command::receive;
use crate::{Locator, Session};

/// Open runspace pool on the service, in which PowerShell pipelines run. Clones share the pool.
///
/// When the last clone and the last pipeline are dropped, the pool is closed in the background if a tokio runtime is
/// running. A task receives the messages of the pool as long as it is open, which keeps the pool alive.
///
/// ```no_run
/// use psrp::CreatePipeline;
/// use telarch_client::{PipelineEvent, PoolOptions, Session};
///
/// # async fn example(session: Session) -> Result<(), telarch_client::Error> {
/// let pool = session.runspace_pool(PoolOptions::default()).await?;
/// let mut pipeline = pool.start(CreatePipeline::script("Get-Process")).await?;
/// while let Some(event) = pipeline.next().await? {
///     if let PipelineEvent::Output(value) = event {
///         println!("{value:?}");
///     }
/// }
/// pipeline.finish().await?;
/// pool.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RunspacePool(Arc<Shared>);

/// Runspace pool on the service that has no client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisconnectedPool {
    /// Identifier.
    pub id: Guid,
    /// Display name.
    pub name: Option<String>,
    /// Name of the PowerShell endpoint.
    pub configuration: String,
    /// Name of the owner.
    pub owner: String,
}

impl Session {
    /// Opens a runspace pool.
    ///
    /// # Errors
    /// [`Error`] if a request fails, the service has no such endpoint, or the pool is not open in time.
    pub async fn runspace_pool(&self, options: PoolOptions) -> Result<RunspacePool, Error> {
        let id = new_id();
        let mut core = ClientPool::new(id, options.client());
        core.open()?;
        let shared = self.shared(id, core, &options)?;
        let opening = async {
            create(self, &shared, &options).await?;
            wait_until_open(&shared).await
        };
        let opened = timeout(options.open_timeout, opening).await;
        opened.unwrap_or(Err(Error::TimedOut { what: Waiting::Total, after: options.open_timeout }))?;
        keeper::start(&shared);
        Ok(RunspacePool(shared))
    }

    /// Connects to a runspace pool that its client has disconnected from.
    ///
    /// # Errors
    /// [`Error`] if a request fails, the pool does not exist, or another client is connected.
    pub async fn connect_runspace_pool(&self, id: Guid, options: PoolOptions) -> Result<RunspacePool, Error> {
        let mut core = ClientPool::new(id, options.client());
        core.connect()?;
        let shared = self.shared(id, core, &options)?;
        let connected = connect(&shared, options.compression).await;
        if let Err(error) = connected {
            // The pool belongs to another client.
            shared.release();
            return Err(error);
        }
        keeper::start(&shared);
        Ok(RunspacePool(shared))
    }

    /// Lists the disconnected runspace pools of the service; without other rights, only those of the user.
    ///
    /// # Errors
    /// [`Error`] if a request or a response fails.
    pub async fn disconnected_pools(&self) -> Result<Vec<DisconnectedPool>, Error> {
        let locator = Locator::new(ResourceUri::parse(namespace::SHELL)?);
        let mut shells = self.enumerate(&locator, EnumerateOptions::default()).await?;
        let mut pools = Vec::new();
        while let Some(item) = shells.next().await {
            let item = item?;
            let shell = ShellState::parse(item.element());
            let is_disconnected = shell.connection.is_some_and(|connection| connection.is_disconnected);
            let prefix = shell.resource_uri.get(..namespace::POWERSHELL.len());
            if !is_disconnected
                || !prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(namespace::POWERSHELL))
            {
                continue;
            }
            let configuration = shell.resource_uri.rsplit('/').next().unwrap_or_default().to_owned();
            let Ok(id) = Guid::parse(&shell.shell_id) else { continue };
            pools.push(DisconnectedPool { id, name: shell.name, configuration, owner: shell.owner });
        }
        Ok(pools)
    }

    /// Lists the pipelines of a disconnected runspace pool that were not released.
    ///
    /// # Errors
    /// [`Error`] if a request or a response fails, or the pool does not exist.
    pub async fn pipelines_of(&self, pool: Guid) -> Result<Vec<Guid>, Error> {
        let locator = Locator::new(ResourceUri::parse(COMMANDS)?);
        let filter = Filter {
            dialect: namespace::DIALECT_SELECTOR.to_owned(),
            selectors: SelectorSet::new().with(option::SHELL_ID, format!("{pool:#}")),
            ..Filter::default()
        };
        let options = EnumerateOptions { filter: Some(filter), ..EnumerateOptions::default() };
        let mut commands = self.enumerate(&locator, options).await?;
        let mut pipelines = Vec::new();
        while let Some(item) = commands.next().await {
            let item = item?;
            let id = item.element().children().find(|child| child.name() == "CommandId");
            pipelines.extend(id.and_then(|id| Guid::parse(id.text().trim()).ok()));
        }
        Ok(pipelines)
    }

    fn shared(&self, id: Guid, core: ClientPool, options: &PoolOptions) -> Result<Arc<Shared>, Error> {
        let selectors = SelectorSet::new().with(option::SHELL_ID, format!("{id:#}"));
        let locator = Locator::new(options.resource()?).with_selectors(selectors);
        let channel = Channel { session: self.clone(), locator, command_id: None };
        Ok(Arc::new(Shared::new(channel, core, !options.host.is_host_null)))
    }
}

/// Resource URI of the commands of shells.
const COMMANDS: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command";

/// Creates the shell of a pool with its first messages, and sends the rest.
async fn create(session: &Session, shared: &Shared, options: &PoolOptions) -> Result<(), Error> {
    let id = format!("{:#}", shared.core.lock().id());
    let open = OpenShell {
        shell_id: Some(id.clone()),
        name: options.name.clone(),
        idle_timeout: options.idle_timeout.map(Into::into),
        input_streams: vec!["stdin".to_owned(), "pr".to_owned()],
        output_streams: vec!["stdout".to_owned()],
        ..OpenShell::default()
    };
    let fragments = shared.take(None, Stream::Default).unwrap_or_default();
    let locator = Locator::new(shared.channel.locator.resource.clone()).with_options(options.switches());
    let mut head = session.head(Action::Create, &locator);
    head.compression = options.compression;
    let timeouts = session.timeouts();
    let request = session.exchange(&head, Retry::Unsafe, &timeouts, |body| {
        open.write_with(body, |body| write_creation(body, &fragments));
    });
    let answer = match request.await {
        Ok(answer) => answer,
        Err(error) => {
            // The service created no shell, unless its response was lost.
            if !error.is_operation_timeout() && matches!(error, Error::Fault(_)) {
                shared.release();
            }
            return Err(error);
        }
    };
    match answer.body().and_then(parse_created) {
        Some(created) if created.eq_ignore_ascii_case(&id) => {
            if options.compression != Compression::None {
                shared.set_compression(answer.body().map(parse_compression).unwrap_or_default());
            }
            shared.flush().await
        }
        _ => Err(session.missing("the identifier of the runspace pool", &answer)),
    }
}

/// Receives messages until the pool is open.
async fn wait_until_open(shared: &Shared) -> Result<(), Error> {
    while shared.state() != PoolState::Opened {
        let received = receive(shared.channel.clone(), vec!["stdout".to_owned()], shared.timeouts()).await?;
        if keeper::apply(shared, received)? == Progress::Ended {
            shared.fail("the service closed it while it was opened".to_owned());
        }
        if let Some(error) = shared.unusable() {
            return Err(error);
        }
        shared.flush().await?;
    }
    Ok(())
}

async fn connect(shared: &Shared, compression: Compression) -> Result<(), Error> {
    let fragments = shared.take(None, Stream::Default).unwrap_or_default();
    let session = &shared.channel.session;
    let mut head = session.head(Action::Shell(ShellVerb::Connect), &shared.channel.locator);
    head.compression = compression;
    let timeouts = shared.timeouts();
    let request = session.exchange(&head, Retry::Unsafe, &timeouts, |body| {
        write_connect(body, None, Some(&fragments));
    });
    let answer = request.await?;
    shared.set_compression(chosen_compression(shared).await?);
    let Some(response) = answer.content_named("ConnectResponse") else {
        return Err(session.missing("a ConnectResponse", &answer));
    };
    let fragments = parse_connected(response).map_err(|fault| session.unreadable(response, &fault))?;
    if !fragments.is_empty() {
        shared.receive(&fragments)?;
    }
    wait_until_open(shared).await
}

/// Returns the compression of a pool that was connected to, which another client may have chosen. A service that does
/// not describe its pools has none.
async fn chosen_compression(shared: &Shared) -> Result<Compression, Error> {
    let session = &shared.channel.session;
    let head = session.head(Action::Get, &shared.channel.locator);
    match session.exchange(&head, Retry::Safe, &shared.timeouts(), |_| {}).await {
        Ok(answer) => Ok(answer.body().map(parse_compression).unwrap_or_default()),
        Err(Error::Fault(fault)) => {
            tracing::debug!(reason = fault.reason(), "The service does not describe the pool");
            Ok(Compression::None)
        }
        Err(error) => Err(error),
    }
}

impl RunspacePool {
    /// Identifier of the pool, chosen by the client that opened it.
    #[must_use]
    pub fn id(&self) -> Guid {
        self.0.core.lock().id()
    }

    /// State of the pool.
    #[must_use]
    pub fn state(&self) -> PoolState {
        self.0.state()
    }

    /// Version of the protocol in use.
    #[must_use]
    pub fn protocol(&self) -> Option<Version> {
        self.0.core.lock().protocol()
    }

    /// Number of runspaces, as last agreed with the service.
    #[must_use]
    pub fn runspaces(&self) -> RunspaceCount {
        self.0.core.lock().runspaces()
    }

    /// Data with which the service describes itself, such as `PSVersionTable`; `None` until it arrives.
    #[must_use]
    pub fn private_data(&self) -> Option<Value> {
        self.0.private_data()
    }

    /// Starts a pipeline.
    ///
    /// # Errors
    /// [`Error`] if the request fails or the pool cannot be used.
    pub async fn start(&self, pipeline: CreatePipeline) -> Result<Pipeline, Error> {
        self.0.unusable().map_or(Ok(()), Err)?;
        let id = new_id();
        let takes_input = !pipeline.has_no_input;
        self.0.core.lock().create_pipeline(id, pipeline)?;
        match self.0.start(id).await {
            Ok(channel) => {
                let pipeline = Pipeline::new(Arc::clone(&self.0), id, channel, takes_input);
                // The rest of a script that does not fit into the first request.
                pipeline.controls().flush().await?;
                tracing::trace!(%id, takes_input, "Started a pipeline");
                Ok(pipeline)
            }
            Err(error) => {
                self.0.core.lock().forget_pipeline(id);
                Err(error)
            }
        }
    }

    /// Connects to a pipeline of a pool that was connected to, and returns it with its remaining output.
    ///
    /// # Errors
    /// [`Error`] if the request fails or the pool cannot be used.
    pub async fn connect_pipeline(&self, id: Guid) -> Result<Pipeline, Error> {
        self.0.unusable().map_or(Ok(()), Err)?;
        let channel = Channel { command_id: Some(format!("{id:#}")), ..self.0.channel.clone() };
        let timeouts = self.0.timeouts();
        let request = channel.ask(ShellVerb::Connect, OptionSet::new(), Retry::Unsafe, &timeouts, |body| {
            write_connect(body, channel.command_id.as_deref(), None);
        });
        request.await?;
        self.0.core.lock().adopt_pipeline(id)?;
        Ok(Pipeline::new(Arc::clone(&self.0), id, channel, false))
    }

    /// Sends a request about runspaces and returns the answer of the service.
    ///
    /// # Errors
    /// [`Error`] if the request fails, the pool cannot be used, or no answer arrives within a minute.
    pub async fn request(&self, request: RunspaceRequest) -> Result<Availability, Error> {
        self.0.unusable().map_or(Ok(()), Err)?;
        self.0.request(request).await
    }

    /// Returns text in the form in which a secret travels; the first call exchanges keys with the service.
    ///
    /// # Errors
    /// [`Error`] if the exchange fails.
    pub async fn protect(&self, text: &str) -> Result<SecureString, Error> {
        exchange_keys(&self.0).await?;
        Ok(self.0.core.lock().protect(text)?)
    }

    /// Disconnects from the pool, whose pipelines continue. `idle_timeout` is the time after which the service may
    /// close it.
    ///
    /// # Errors
    /// [`Error`] if the request fails; services before Windows 8 cannot do it.
    pub async fn disconnect(&self, idle_timeout: Option<Duration>) -> Result<(), Error> {
        self.0.unusable().map_or(Ok(()), Err)?;
        let timeouts = self.0.timeouts();
        let request =
            self.0.channel.ask(ShellVerb::Disconnect, OptionSet::new(), Retry::Unsafe, &timeouts, |body| {
                Disconnect { idle_timeout, buffer_mode: None }.write(body);
            });
        // The service ends the outstanding Receive, which must not make the pool unusable.
        self.0.set_keeper(None);
        self.0.note_disconnection();
        if let Err(error) = request.await {
            keeper::start(&self.0);
            return Err(error);
        }
        Ok(self.0.core.lock().mark_disconnected()?)
    }

    /// Reconnects to the pool after [`Self::disconnect`], with its pipelines.
    ///
    /// # Errors
    /// [`Error`] if a request fails; [`Error::PowerShell`] if the pool is not disconnected.
    pub async fn reconnect(&self) -> Result<(), Error> {
        if self.state() != PoolState::Disconnected {
            let state = self.state().name();
            return Err(PsrpError::State { operation: "reconnect the pool", state }.into());
        }
        let timeouts = self.0.timeouts();
        let request =
            self.0.channel.ask(ShellVerb::Reconnect, OptionSet::new(), Retry::Unsafe, &timeouts, |body| {
                write_reconnect(body, None);
            });
        request.await?;
        self.0.core.lock().mark_reconnected()?;
        self.0.retain();
        keeper::start(&self.0);
        Ok(())
    }

    /// Leaves a disconnected pool to another client: dropping it does not close it on the service, unless
    /// [`Self::reconnect`] has succeeded in between.
    pub fn leave(&self) {
        self.0.release();
    }

    /// Closes the pool and ends its pipelines; succeeds if it no longer exists.
    ///
    /// # Errors
    /// [`Error`] if the request fails.
    pub async fn close(self) -> Result<(), Error> {
        self.0.release();
        let closed = self.0.channel.clone().delete().await;
        self.0.core.lock().mark_closed();
        self.0.fail("it is closed".to_owned());
        closed
    }
}

impl fmt::Debug for RunspacePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunspacePool").field("id", &self.id()).field("state", &self.state()).finish()
    }
}

/// Exchanges keys with the service, unless this was done before or the protocol needs none.
async fn exchange_keys(shared: &Shared) -> Result<(), Error> {
    if shared.core.lock().protection().is_some() {
        return Ok(());
    }
    let failed = || Error::PowerShell(PsrpError::Key("no key for the exchange can be generated"));
    let generated = tokio::task::spawn_blocking(|| {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).ok()?;
        let der: Pkcs8V1Der<'_> = key.as_der().ok()?;
        ExchangeKey::from_pkcs8(der.as_ref()).ok()
    });
    let key = generated.await.ok().flatten().ok_or_else(failed)?;
    shared.core.lock().exchange_key(key)?;
    shared.flush().await?;
    shared.wait_for(|| shared.core.lock().protection().map(drop)).await
}

fn new_id() -> Guid {
    Guid::from_bytes(crate::random::random())
}
