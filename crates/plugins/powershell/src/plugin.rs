//! Runspace pools as WS-Management resources (MS-PSRP 1.4 and MS-WSMV 3.1.4).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use config::{Config, EndpointName, PowerShell};
use locks::Mutex;
use psrp::{Guid, xpress};
use service::{Answer, BoxFuture, Call, OpenObjects, Plugin, Resource, ResourceKind};
use shells::{Registry, RemoteShell, Shells, snapshot};
use wsman::shell::{self as message, CommandState, Disconnect, OpenShell, Receive, Send, Signal, SignalCode};
use wsman::{
    Action, Compression, EndpointReference, Fault, OptionSet, ResourceUri, SelectorSet, ShellVerb, Uuid,
    namespace, write_resource_created,
};

use crate::endpoint::Endpoint;
use crate::error::PoolError;
use crate::fault;
use crate::handshake;
use crate::pool::{OpenContext, Pool};

/// The plug-in for PowerShell remoting.
pub struct PowerShellPlugin {
    shells: Shells,
    /// The only endpoint that is served; `None` for all.
    only: Option<RunAs>,
    /// Deleted pools whose processes may still be ending.
    ending: Mutex<Vec<std::sync::Weak<Pool>>>,
}

impl PowerShellPlugin {
    /// Resource URIs served by the plug-in: one below this URI for each endpoint.
    pub const RESOURCES: [Resource; 1] =
        [Resource { uri: namespace::POWERSHELL, with_children: true, kind: ResourceKind::Shells }];

    /// Creates a plug-in that runs PowerShell as the user of this process.
    #[must_use]
    pub fn new(shells: Shells) -> Self {
        Self { shells, only: None, ending: Mutex::default() }
    }

    /// Serves one endpoint only, whose process runs as another account than that of its caller.
    ///
    /// The caller has no other rights of that account, so that neither the settings of a request nor the client choose
    /// the program, its arguments, its environment or its directory.
    #[must_use]
    pub fn for_endpoint(self, endpoint: EndpointName, settings: PowerShell) -> Self {
        Self { only: Some(RunAs { endpoint, settings }), ..self }
    }

    fn registry(&self) -> &Arc<Registry> {
        self.shells.registry()
    }

    /// Handles a request. Each operation builds its reply before it changes anything, as far as possible, because a
    /// reply that exceeds the client's maximum size becomes a fault.
    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        let mut call = call;
        if let Some(run_as) = &self.only {
            call.config = run_as.settings_for(call.request.require_resource()?, &call.config)?;
        }
        let head = call.request.head();
        if head.fragment.is_some() {
            return Err(shells::fault::no_fragments());
        }
        head.options.require_known(&OPTIONS)?;
        match &head.action {
            Action::Create => self.create(&call).await,
            Action::Delete => self.delete(&call).await,
            Action::Get => self.get(&call).await,
            Action::Shell(verb) => self.operate(&call, *verb).await,
            other => Err(shells::fault::action_not_supported(other)),
        }
    }

    async fn operate(&self, call: &Call, verb: ShellVerb) -> Result<Answer, Fault> {
        let pool = self.find(call)?;
        let _operation = pool.begin_operation();
        if !matches!(verb, ShellVerb::Disconnect | ShellVerb::Reconnect | ShellVerb::Connect) {
            pool.require_connected()?;
        }
        match verb {
            ShellVerb::Command => command(call, &pool).await,
            ShellVerb::Send => send(call, &pool).await,
            ShellVerb::Receive => receive(call, &pool).await,
            ShellVerb::Signal => signal(call, &pool).await,
            ShellVerb::Disconnect => disconnect(call, &pool),
            ShellVerb::Reconnect => reconnect(call, &pool),
            ShellVerb::Connect => connect(call, &pool),
        }
    }

    /// Returns a pool of the caller.
    fn find(&self, call: &Call) -> Result<Arc<Pool>, Fault> {
        self.registry().find_as(shell_id(call)?, &call.caller)
    }

    /// Starts the process, registers the pool, and sends the first messages of the client.
    async fn create(&self, call: &Call) -> Result<Answer, Fault> {
        let head = call.request.head();
        let endpoint = Endpoint::of(call.request.require_resource()?, &call.config)?;
        require_version(&head.options)?;
        if !call.config.winrs.allow_remote_shell_access {
            return Err(shells::fault::shell_access_disabled());
        }
        let body = call.request.require_body("Shell")?;
        let creation = body.children().find(|child| child.name() == "creationXml").map(|child| child.text());
        let creation =
            creation.ok_or_else(|| fault::invalid_parameter("the element creationXml is missing; add it"))?;
        let opening = handshake::opening(&creation)?;
        let path = self.shells.environment().environment.iter().rfind(|(name, _)| name == "PATH");
        let program = endpoint.program(&call.config, path.map(|(_, value)| value.as_os_str()))?;
        let context = OpenContext {
            owner: call.caller.sid(),
            owner_name: &call.caller.identity().account().name,
            client: call.caller.address(),
            resource: call.request.require_resource()?.as_str(),
            program,
            configuration: endpoint.configuration,
            compression: head.compression,
            config: &call.config,
        };
        let mut open = OpenShell::parse(body)?;
        if self.only.is_some() && !(open.environment.is_empty() && open.working_directory.is_none()) {
            return Err(fault::fixed_environment());
        }
        let id = open.shell_id.get_or_insert_with(|| format!("{:#}", opening.pool)).clone();
        self.registry().require_room(context.owner, &id, &call.config)?;
        let pool = Pool::open(open, &opening, &context, &self.shells)?;
        let mut opened = Opened { registry: self.registry(), pool: Some(&pool) };
        let answer = created(call, &pool)?;
        self.registry().admit(Arc::clone(&pool) as _, &call.config)?;
        pool.watch_processes();
        // Starting PowerShell takes longer than any other request.
        pool.begin(&opening, acknowledgement_time(call).max(START_TIME)).await?;
        opened.pool = None;
        let after = call.config.shell.abandoned_command_timeoutms.duration();
        if !after.is_zero() {
            tokio::spawn(Pool::stop_abandoned(Arc::downgrade(&pool), after));
        }
        Ok(answer)
    }

    async fn delete(&self, call: &Call) -> Result<Answer, Fault> {
        let answer = call.finish(call.reply())?;
        let pool: Arc<Pool> = self.registry().remove(shell_id(call)?, &call.caller)?;
        {
            let mut ending = self.ending.lock();
            ending.retain(|pool| pool.strong_count() > 0);
            ending.push(Arc::downgrade(&pool));
        }
        pool.delete().await;
        Ok(answer)
    }

    async fn get(&self, call: &Call) -> Result<Answer, Fault> {
        let shell = self.registry().find(shell_id(call)?, &call.caller)?;
        let is_needed = shell.processes().needs_snapshot();
        let snapshot = if is_needed { snapshot().await } else { shells::Snapshot::default() };
        let mut reply = call.reply();
        shell.state_in(&snapshot).write(reply.body());
        call.finish(reply)
    }
}

impl Plugin for PowerShellPlugin {
    fn resources(&self) -> &[Resource] {
        &Self::RESOURCES
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(call))
    }

    fn in_use(&self) -> OpenObjects {
        let runspace_pools = u32::try_from(self.registry().count::<Pool>()).unwrap_or(u32::MAX);
        OpenObjects { runspace_pools, ..OpenObjects::default() }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.registry().close::<Pool>().await;
            let ending = std::mem::take(&mut *self.ending.lock());
            for pool in ending.into_iter().filter_map(|pool| pool.upgrade()) {
                pool.kill();
            }
            self.shells.finish().await;
        })
    }
}

/// Endpoint that runs as another account than its caller.
struct RunAs {
    endpoint: EndpointName,
    /// Settings of this machine, in place of those of a request.
    settings: PowerShell,
}

impl RunAs {
    /// Returns the settings for a request: those of the request, except for PowerShell.
    ///
    /// # Errors
    /// The fault for an unknown endpoint, if the request is for another one.
    fn settings_for(&self, uri: &ResourceUri, requested: &Arc<Config>) -> Result<Arc<Config>, Fault> {
        if EndpointName::of_uri(uri.as_str()).as_ref() != Some(&self.endpoint) {
            return Err(fault::unknown_endpoint(uri));
        }
        if requested.powershell == self.settings {
            return Ok(Arc::clone(requested));
        }
        let mut config = Config::clone(requested);
        config.powershell = self.settings.clone();
        Ok(Arc::new(config))
    }
}

/// A pool that is being opened. Dropping it removes the pool unless it was opened.
struct Opened<'a> {
    registry: &'a Arc<Registry>,
    pool: Option<&'a Arc<Pool>>,
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if let Some(pool) = self.pool {
            self.registry.forget(&(Arc::clone(pool) as Arc<dyn RemoteShell>));
            pool.kill();
        }
    }
}

async fn command(call: &Call, pool: &Arc<Pool>) -> Result<Answer, Fault> {
    let line = message::CommandLine::parse(call.request.require_body("CommandLine")?)?;
    let [argument] = line.arguments.as_slice() else {
        return Err(fault::invalid_parameter("Command must have exactly one element Arguments"));
    };
    let start = handshake::pipeline(argument)?;
    let id = line.command_id.unwrap_or_else(|| format!("{:#}", start.pipeline));
    let mut reply = call.reply();
    message::write_command_response(reply.body(), &id);
    let answer = call.finish(reply)?;
    pool.start(start.pipeline, id, start.fragments, acknowledgement_time(call)).await?;
    Ok(answer)
}

async fn send(call: &Call, pool: &Arc<Pool>) -> Result<Answer, Fault> {
    let send = Send::parse(call.request.require_body("Send")?)?;
    let mut reply = call.reply();
    message::write_send_response(reply.body());
    let answer = call.finish(reply)?;
    for piece in send.streams {
        let stream = pool.input_stream(&piece.name)?;
        let target = pool.target(piece.command_id.as_deref())?;
        let data = pool.decompress(piece.octets)?;
        pool.send(target, stream, data, acknowledgement_time(call)).await?;
    }
    Ok(answer)
}

async fn receive(call: &Call, pool: &Arc<Pool>) -> Result<Answer, Fault> {
    let receive = Receive::parse(call.request.require_body("Receive")?)?;
    pool.require_output(&receive.streams)?;
    let target = pool.target(receive.command_id.as_deref())?;
    let command_id = receive.command_id.as_deref();
    let mut room = Room::of(call, command_id)?;
    let limit = call.reply_limit;
    let delivery = pool.receive(target, call.timeout, |length| room.take(length)).await;
    let delivery = match delivery {
        Err(PoolError::Terminated) => return terminated(call, command_id),
        Err(PoolError::NoRoom { .. }) => return Err(PoolError::NoRoom { limit }.into()),
        delivery => delivery?,
    };
    let batch = &delivery.batch;
    let state = if batch.is_last {
        Some(CommandState::Done { exit_code: 0 })
    } else {
        batch.is_host_call.then_some(CommandState::Pending)
    };
    let mut reply = call.reply();
    let pieces = batch.pieces.iter().map(|piece| &*piece.bytes);
    let pieces: Vec<Cow<'_, [u8]>> = match pool.compression() {
        Compression::None => pieces.map(Cow::Borrowed).collect(),
        Compression::Xpress => pieces.map(|piece| Cow::Owned(xpress::compress_chunks(piece))).collect(),
    };
    let fragments = pieces.iter().map(|piece| &**piece);
    message::write_fragments(reply.body(), STDOUT, command_id, fragments, state);
    let pool = Arc::clone(pool);
    let delivered = move || {
        let target = delivery.target;
        if delivery.commit() {
            pool.finish(target);
        }
    };
    Ok(call.finish(reply)?.when_delivered(Box::new(delivered)))
}

/// Returns the response to a Receive whose pipeline another request has terminated.
fn terminated(call: &Call, command_id: Option<&str>) -> Result<Answer, Fault> {
    let mut reply = call.reply();
    let state = Some(CommandState::Done { exit_code: 0 });
    message::write_fragments(reply.body(), STDOUT, command_id, [], state);
    call.finish(reply)
}

async fn signal(call: &Call, pool: &Arc<Pool>) -> Result<Answer, Fault> {
    let signal = Signal::parse(call.request.require_body("Signal")?)?;
    let mut reply = call.reply();
    reply.body().start("rsp:SignalResponse").end_empty();
    let answer = call.finish(reply)?;
    // PowerShell releases pipelines whose end it has received, and which are therefore gone.
    let pipeline = match pool.target(signal.command_id.as_deref()) {
        Err(PoolError::UnknownPipeline) => return Ok(answer),
        target => target?,
    };
    if pipeline == Guid::ZERO {
        return Err(fault::invalid_parameter("the request names no command; add its CommandId"));
    }
    let time = acknowledgement_time(call);
    let signalled = match signal.code {
        SignalCode::PowerShellStop | SignalCode::CtrlC => pool.stop(pipeline, time).await,
        SignalCode::Terminate | SignalCode::CtrlBreak => pool.terminate(pipeline, time).await,
    };
    match signalled {
        Err(PoolError::UnknownPipeline) => Ok(answer),
        signalled => signalled.map(|()| answer).map_err(Fault::from),
    }
}

fn disconnect(call: &Call, pool: &Arc<Pool>) -> Result<Answer, Fault> {
    let disconnect = Disconnect::parse(call.request.require_body("Disconnect")?)?;
    let mut reply = call.reply();
    reply.body().start("rsp:DisconnectResponse").end_empty();
    let answer = call.finish(reply)?;
    pool.disconnect(disconnect);
    Ok(answer)
}

/// Connects the client to the pool again, or confirms that a pipeline of the pool exists.
fn reconnect(call: &Call, pool: &Arc<Pool>) -> Result<Answer, Fault> {
    // The body is empty when the pool itself is meant.
    let command = match call.request.body() {
        Some(body) => message::parse_reconnected(body, "Reconnect")?,
        None => None,
    };
    let mut reply = call.reply();
    reply.body().start("rsp:ReconnectResponse").end_empty();
    let answer = call.finish(reply)?;
    match command {
        Some(command) => _ = pool.target(Some(&command))?,
        None => pool.reconnect(),
    }
    Ok(answer)
}

/// Connects a new client to the pool, or confirms that a pipeline of the pool exists.
fn connect(call: &Call, pool: &Arc<Pool>) -> Result<Answer, Fault> {
    let body = call.request.require_body("Connect")?;
    let command = message::parse_reconnected(body, "Connect")?;
    let mut reply = call.reply();
    if let Some(command) = command {
        pool.target(Some(&command))?;
        reply.body().start("rsp:ConnectResponse").end_empty();
        return call.finish(reply);
    }
    let text = body.children().find(|child| child.name() == "connectXml").map(|child| child.text());
    let text = text.ok_or_else(|| fault::invalid_parameter("the element connectXml is missing; add it"))?;
    let response = pool.connect(&handshake::decode(&text, "connectXml")?, call.request.head().compression)?;
    let state = pool.state();
    let writer = reply.body().start("rsp:ConnectResponse");
    writer.element("rsp:InputStreams", &state.input_streams);
    writer.element("rsp:OutputStreams", &state.output_streams);
    writer.start("connectResponseXml").namespace("", namespace::POWERSHELL);
    writer.text(&handshake::encode(&response)).end().end();
    call.finish(reply)
}

/// Returns the response to the creation of a pool.
fn created(call: &Call, pool: &Pool) -> Result<Answer, Fault> {
    let mut reply = call.reply();
    let resource = ResourceUri::parse(pool.resource())?;
    let selectors = SelectorSet::new().with(message::option::SHELL_ID, pool.id());
    let address = call.request.head().to.clone().unwrap_or_else(|| namespace::ANONYMOUS.to_owned());
    write_resource_created(reply.body(), &EndpointReference { address, resource, selectors });
    pool.state().write(reply.body());
    call.finish(reply)
}

/// Returns the shell identifier in the selectors.
fn shell_id(call: &Call) -> Result<&str, Fault> {
    let selectors = &call.request.head().selectors;
    selectors.text(message::option::SHELL_ID).ok_or_else(shells::fault::no_shell_selected)
}

/// Rejects clients that do not require version 2 of the protocol.
fn require_version(options: &OptionSet) -> Result<(), Fault> {
    let version = options.value(message::option::PROTOCOL_VERSION);
    let is_supported = version.is_some_and(|version| {
        let mut parts = version.trim().split('.').map(str::parse::<u32>);
        parts.next() == Some(Ok(2)) && matches!(parts.next(), Some(Ok(_)))
    });
    if is_supported { Ok(()) } else { Err(fault::unsupported_version(version)) }
}

/// Returns the time that the process has for an acknowledgement.
fn acknowledgement_time(call: &Call) -> Duration {
    call.timeout.min(LONGEST_ACKNOWLEDGEMENT)
}

/// Room for fragments in a response.
struct Room {
    left: usize,
    around: usize,
}

impl Room {
    /// Returns the room of the response to a Receive.
    fn of(call: &Call, command_id: Option<&str>) -> Result<Self, Fault> {
        let mut longest = wsman::Reply::to(call.request.head(), Uuid::from_random([0; 16]));
        let state = Some(CommandState::Done { exit_code: 0 });
        message::write_fragments(longest.body(), STDOUT, command_id, [], state);
        let rest = longest.finish(u32::MAX)?.len();
        let limit = usize::try_from(call.reply_limit).unwrap_or(usize::MAX);
        let around = ELEMENT + command_id.map_or(0, str::len);
        Ok(Self { left: limit.saturating_sub(rest), around })
    }

    /// Takes the room of a fragment; returns `false` if it does not fit.
    fn take(&mut self, length: usize) -> bool {
        // Compression makes a fragment shorter, except for the headers of its chunks.
        let longest = length.saturating_add(length / 8_192).saturating_add(4);
        let needed = longest.div_ceil(3).saturating_mul(4).saturating_add(self.around);
        match self.left.checked_sub(needed) {
            Some(left) => {
                self.left = left;
                true
            }
            // Nothing fits behind a fragment that did not fit.
            None => {
                self.left = 0;
                false
            }
        }
    }
}

/// Supported options of pools and pipelines.
const OPTIONS: [&str; 5] = [
    message::option::PROTOCOL_VERSION,
    message::option::NO_PROFILE,
    message::option::SKIP_CMD_SHELL,
    message::option::KEEP_ALIVE,
    message::option::CONSOLE_MODE_STDIN,
];
const STDOUT: &str = "stdout";
/// Length of the tags around a fragment in bytes, without the identifier of the command.
const ELEMENT: usize = 80;
/// Minimum time for the process to start.
const START_TIME: Duration = Duration::from_secs(20);
/// Maximum time for an acknowledgement of the process.
const LONGEST_ACKNOWLEDGEMENT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_another_account_serves_its_endpoint_with_its_own_settings_only() {
        let mut own = Config::default();
        own.set("PowerShell.Program", "/opt/pwsh").unwrap();
        own.set("PowerShell.Configurations", "/etc/endpoints").unwrap();
        let endpoint = EndpointName::parse("backup").unwrap();
        let run_as = RunAs { endpoint, settings: own.powershell.clone() };
        let mut forged = Config::default();
        forged.set("PowerShell.Program", "/tmp/evil").unwrap();
        forged.set("Winrs.MaxShellsPerUser", "7").unwrap();
        let forged = Arc::new(forged);
        let uri = |name: &str| ResourceUri::parse(&format!("{}/{name}", namespace::POWERSHELL)).unwrap();
        let used = run_as.settings_for(&uri("Backup"), &forged).unwrap();
        assert_eq!(used.powershell, own.powershell);
        assert_eq!(used.winrs, forged.winrs);
        for other in ["PowerShell.7", "Microsoft.PowerShell", "Backup2", "Backup/x"] {
            assert!(run_as.settings_for(&uri(other), &forged).is_err(), "{other}");
        }
    }

    #[test]
    fn clients_must_require_version_2() {
        for (version, is_supported) in [
            (Some("2.3"), true),
            (Some("2.0"), true),
            (Some(" 2.4 "), true),
            (Some("3.0"), false),
            (Some("2"), false),
            (Some("x.1"), false),
            (None, false),
        ] {
            let options = version.map(|version| OptionSet::new().with("protocolversion", version));
            let checked = require_version(&options.unwrap_or_default());
            assert_eq!(checked.is_ok(), is_supported, "{version:?}");
        }
    }
}
