//! Shells as a WS-Management resource (MS-WSMV 3.1.4.5 and 3.1.4.10 onwards).

mod client_activity;
mod context;
mod fault;
mod listing;
mod shell;

use std::sync::Arc;
use std::time::Duration;

pub use self::listing::ShellListing;
use self::listing::{COMMANDS, SHELLS, shell_id};
use self::shell::{OpenContext, Shell};
use crate::{CommandState, CommitResult, Delivery, Stdin, Stream, StreamSet};
use config::Config;
use service::{Answer, BoxFuture, Call, OpenObjects, Plugin, Resource, ResourceKind};
use shells::{Registry, RemoteShell as _, Shells};
use wsman::shell::{self as message, OpenShell, Receive, Send, Signal, SignalCode, StreamData};
use wsman::{
    Action, EndpointReference, Fault, OptionSet, ResourceUri, SelectorSet, ShellVerb, namespace,
    write_resource_created,
};

/// The plug-in for command shells.
pub struct ShellPlugin {
    shells: Shells,
}

impl ShellPlugin {
    /// Resource URIs served by the plug-in.
    pub const RESOURCES: [Resource; 3] = [
        COMMANDS,
        Resource { uri: namespace::SHELL_CMD, with_children: false, kind: ResourceKind::Shells },
        SHELLS,
    ];

    /// Creates a plug-in that runs every command as the user of this process.
    #[must_use]
    pub fn new(shells: Shells) -> Self {
        Self { shells }
    }

    fn registry(&self) -> &Arc<Registry> {
        self.shells.registry()
    }

    /// Returns a command shell of the caller.
    fn find(&self, call: &Call) -> Result<Arc<Shell>, Fault> {
        self.registry().find_as(shell_id(call)?, &call.caller)
    }

    /// Handles a request. Each operation builds its reply before it changes anything, because a reply that exceeds the
    /// client's maximum size becomes a fault, after which nothing may have changed.
    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        if call.request.head().fragment.is_some() {
            return Err(fault::no_fragments());
        }
        let options = &call.request.head().options;
        options.require_known(&OPTIONS)?;
        if options.contains(OptionSet::VALIDATE_ONLY) {
            return self.validate(&call).await;
        }
        match &call.request.head().action {
            Action::Create => self.create(&call),
            Action::Delete => self.delete(&call).await,
            Action::Get => listing::get(self.registry(), &call).await,
            Action::Enumerate => listing::enumerate(self.registry(), &call).await,
            Action::Shell(ShellVerb::Command) => self.command(&call).await,
            Action::Shell(ShellVerb::Send) => self.send(&call).await,
            Action::Shell(ShellVerb::Receive) => self.receive(&call).await,
            Action::Shell(ShellVerb::Signal) => self.signal(&call).await,
            other => Err(fault::action_not_supported(other)),
        }
    }

    /// Checks whether a shell can be created or deleted, without doing it.
    async fn validate(&self, call: &Call) -> Result<Answer, Fault> {
        match &call.request.head().action {
            Action::Create => {
                let shell = self.open(call)?;
                let checked = self.registry().require_room(shell.owner(), shell.id(), &call.config);
                let answer = checked.and_then(|()| created(call, &shell));
                shell.close().await;
                answer
            }
            Action::Delete => {
                self.find(call)?;
                call.finish(call.reply())
            }
            _ => Err(fault::cannot_validate()),
        }
    }

    /// Creates a shell that is not registered yet.
    fn open(&self, call: &Call) -> Result<Arc<Shell>, Fault> {
        let head = call.request.head();
        require_cmd(head.resource.as_ref())?;
        if !call.config.winrs.allow_remote_shell_access {
            return Err(fault::shell_access_disabled());
        }
        let open = OpenShell::parse(call.request.require_body("Shell")?)?;
        let open_context = OpenContext {
            owner: call.caller.sid(),
            owner_name: &call.caller.identity().account().name,
            client: call.caller.address(),
            options: &head.options,
            config: &call.config,
        };
        Shell::open(open, open_context, &self.shells)
    }

    fn create(&self, call: &Call) -> Result<Answer, Fault> {
        let shell = self.open(call)?;
        let answer = created(call, &shell)?;
        self.registry().admit(shell, &call.config)?;
        Ok(answer)
    }

    async fn delete(&self, call: &Call) -> Result<Answer, Fault> {
        let answer = call.finish(call.reply())?;
        let shell = self.registry().remove::<Shell>(shell_id(call)?, &call.caller)?;
        shell.close().await;
        Ok(answer)
    }

    async fn command(&self, call: &Call) -> Result<Answer, Fault> {
        let shell = self.find(call)?;
        let _operation = shell.begin_operation();
        let mut line = message::CommandLine::parse(call.request.require_body("CommandLine")?)?;
        let id = line.command_id.get_or_insert_with(|| random::uuid().to_string()).clone();
        let directly = call.request.head().options.is_set(message::option::SKIP_CMD_SHELL);
        let mut reply = call.reply();
        message::write_command_response(reply.body(), &id);
        let answer = call.finish(reply)?;
        shell.processes().require_room(&shell.groups()).await?;
        shell.start(id, line, directly, abandoned_after(&call.config))?;
        Ok(answer)
    }

    async fn send(&self, call: &Call) -> Result<Answer, Fault> {
        let shell = self.find(call)?;
        let _operation = shell.begin_operation();
        let send = Send::parse(call.request.require_body("Send")?)?;
        let mut reply = call.reply();
        message::write_send_response(reply.body());
        let answer = call.finish(reply)?;
        for piece in send.streams {
            shell.require_input(&piece.name)?;
            let command = shell.use_command(piece.command_id.as_deref())?;
            let stdin = if piece.end { Stdin::Closes } else { Stdin::StaysOpen };
            command.send(piece.octets, stdin).await.map_err(fault::from_command_error)?;
        }
        Ok(answer)
    }

    async fn receive(&self, call: &Call) -> Result<Answer, Fault> {
        let shell = self.find(call)?;
        let operation = shell.begin_operation();
        let receive = Receive::parse(call.request.require_body("Receive")?)?;
        shell.require_output(&receive.streams)?;
        let wanted = stream_set(&receive.streams)?;
        let command = shell.use_command(receive.command_id.as_deref())?;
        let id = receive.command_id.unwrap_or_default();
        let names: Vec<&str> = STREAMS.into_iter().filter(|s| wanted.contains(*s)).map(name).collect();
        let limit = message::received_capacity(call.request.head(), &id, &names, call.reply_limit)
            .ok_or_else(|| fault::no_room_for_output(call.reply_limit))?;
        let delivery =
            command.receive(limit.get(), wanted, call.timeout).await.map_err(fault::from_command_error)?;
        drop((operation, command));
        let mut reply = call.reply();
        write_delivery(&mut reply, &delivery, &names, &id);
        let delivered = move || {
            if delivery.commit() == CommitResult::Released {
                shell.forget(&id);
            }
        };
        Ok(call.finish(reply)?.when_delivered(Box::new(delivered)))
    }

    async fn signal(&self, call: &Call) -> Result<Answer, Fault> {
        let shell = self.find(call)?;
        let _operation = shell.begin_operation();
        let signal = Signal::parse(call.request.require_body("Signal")?)?;
        let mut reply = call.reply();
        reply.body().start("rsp:SignalResponse").end_empty();
        let answer = call.finish(reply)?;
        let id = signal.command_id.as_deref();
        match signal.code {
            SignalCode::Terminate => shell.terminate(id).await?,
            SignalCode::CtrlC | SignalCode::PowerShellStop => shell.interrupt(id, crate::Signal::CtrlC)?,
            SignalCode::CtrlBreak => shell.interrupt(id, crate::Signal::CtrlBreak)?,
        }
        Ok(answer)
    }
}

impl Plugin for ShellPlugin {
    fn resources(&self) -> &[Resource] {
        &Self::RESOURCES
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(call))
    }

    fn in_use(&self) -> OpenObjects {
        let shells = u32::try_from(self.registry().count::<Shell>()).unwrap_or(u32::MAX);
        OpenObjects { shells, ..OpenObjects::default() }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.registry().close::<Shell>().await;
            self.shells.finish().await;
        })
    }
}

fn write_delivery(reply: &mut wsman::Reply, delivery: &Delivery, wanted: &[&str], command_id: &str) {
    let pieces: Vec<StreamData<'_>> =
        delivery.chunks().map(|(stream, octets)| StreamData { name: name(stream), octets }).collect();
    let (ended, state) = match delivery.state() {
        CommandState::Running => (&[][..], message::CommandState::Running),
        CommandState::Done { exit_code } => (wanted, message::CommandState::Done { exit_code }),
    };
    message::write_received(reply.body(), command_id, &pieces, ended, state);
}

fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => STDOUT,
        Stream::Stderr => STDERR,
    }
}

fn stream_set(names: &[String]) -> Result<StreamSet, Fault> {
    if let Some(unknown) =
        names.iter().find(|name| !name.eq_ignore_ascii_case(STDOUT) && !name.eq_ignore_ascii_case(STDERR))
    {
        return Err(fault::no_such_stream(unknown));
    }
    let [stdout, stderr] =
        [STDOUT, STDERR].map(|name| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)));
    match (stdout, stderr) {
        (true, true) => Ok(StreamSet::Both),
        (true, false) => Ok(StreamSet::Stdout),
        (false, true) => Ok(StreamSet::Stderr),
        (false, false) => {
            Err(fault::invalid_parameter("Receive requests no stream; request stdout, stderr or both"))
        }
    }
}

/// Supported options of shells and commands.
const OPTIONS: [&str; 6] = [
    OptionSet::VALIDATE_ONLY,
    message::option::NO_PROFILE,
    message::option::CODE_PAGE,
    message::option::CONSOLE_MODE_STDIN,
    message::option::SKIP_CMD_SHELL,
    message::option::KEEP_ALIVE,
];

const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];
const STDOUT: &str = "stdout";
const STDERR: &str = "stderr";

/// Returns the response to the creation of a shell.
fn created(call: &Call, shell: &Shell) -> Result<Answer, Fault> {
    let state = shell.state();
    let head = call.request.head();
    let mut reply = call.reply();
    let resource = ResourceUri::parse(namespace::SHELL_CMD)?;
    let selectors = SelectorSet::new().with(message::option::SHELL_ID, state.shell_id.as_str());
    let address = head.to.clone().unwrap_or_else(|| namespace::ANONYMOUS.to_owned());
    write_resource_created(reply.body(), &EndpointReference { address, resource, selectors });
    state.write(reply.body());
    call.finish(reply)
}

/// Returns how long a command may run without a request of its client; `None` for no limit.
fn abandoned_after(config: &Config) -> Option<Duration> {
    let time = config.shell.abandoned_command_timeoutms.duration();
    (time > Duration::ZERO).then_some(time)
}

fn require_cmd(resource: Option<&ResourceUri>) -> Result<(), Fault> {
    if resource.is_some_and(|uri| *uri == *namespace::SHELL_CMD) {
        return Ok(());
    }
    Err(fault::action_not_supported(&Action::Create))
}
