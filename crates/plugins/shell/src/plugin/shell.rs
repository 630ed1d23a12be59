//! One shell: what its commands have in common, and the commands.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use config::Config;
use sddl::Sid;
use service::{Call, fresh_uuid};
use tokio::sync::watch;
use tokio::time::Instant;
use wsman::shell::{CommandLine as Line, CommandListing, OpenShell, ShellState, option};
use wsman::{Fault, duration, namespace};

use super::registry::key;
use super::{Surroundings, fault};
use crate::limits::{Enclosure, Limits, delegated};
use crate::{CodePage, Command, CommandLine, CommandSpec, Signal};

/// An open shell.
pub(super) struct Shell {
    id: String,
    name: Option<String>,
    owner: Sid,
    owner_name: String,
    client: IpAddr,
    login_shell: PathBuf,
    directory: PathBuf,
    asked_directory: Option<String>,
    environment: Vec<(OsString, OsString)>,
    code_page: CodePage,
    input_streams: String,
    output_streams: String,
    lifetime: Option<Duration>,
    idle_timeout: Duration,
    idle_timeout_text: String,
    opened: Instant,
    activity: watch::Sender<Activity>,
    /// By identifier in upper case; `None` once the shell is closed.
    commands: Mutex<Option<HashMap<String, Entry>>>,
    enclosure: Arc<Enclosure>,
}

/// A command of the shell, with what is told of it.
#[derive(Clone)]
struct Entry {
    id: String,
    line: String,
    command: Arc<Command>,
}

/// Requests that are being answered, and when the last one ended.
#[derive(Clone, Copy, Debug)]
struct Activity {
    operations: usize,
    last: Instant,
    closed: bool,
}

/// A request that keeps the shell from being idle, until it is dropped.
pub(super) struct Operation(Arc<Shell>);

impl Shell {
    pub(super) fn open(
        open: OpenShell,
        call: &Call,
        surroundings: &Surroundings,
    ) -> Result<Arc<Self>, Fault> {
        let id = open.shell_id.unwrap_or_else(|| fresh_uuid().to_string());
        let code_page = code_page(call)?;
        let directory = match &open.working_directory {
            Some(path) => surroundings.home.join(path),
            None => surroundings.home.clone(),
        };
        crate::command::admit_directory(&directory).map_err(fault::of_command)?;
        let mut environment = surroundings.environment.clone();
        for (name, value) in open.environment {
            environment.retain(|(known, _)| *known != *name);
            environment.push((name.into(), value.into()));
        }
        let (idle_timeout, idle_timeout_text) = match open.idle_timeout {
            // Below a minute Windows raises it; the text is repeated as asked (MS-WSMV 3.1.4.5).
            Some(asked) => (asked.duration.max(SHORTEST_IDLE), asked.text),
            None => {
                let default = call.config.winrs.effective_idle_timeout();
                (default, duration::write(default))
            }
        };
        let or_usual = |names: Vec<String>, usual: &str| {
            if names.is_empty() { usual.to_owned() } else { names.join(" ") }
        };
        let now = Instant::now();
        Ok(Arc::new(Self {
            enclosure: Arc::new(enclosure(&id, &call.config)),
            id,
            name: open.name,
            owner: call.caller.sid(),
            owner_name: call.caller.identity().account().name.clone(),
            client: call.caller.address(),
            login_shell: surroundings.login_shell.clone(),
            directory,
            asked_directory: open.working_directory,
            environment,
            code_page,
            input_streams: or_usual(open.input_streams, "stdin"),
            output_streams: or_usual(open.output_streams, "stdout stderr"),
            lifetime: open.lifetime,
            idle_timeout,
            idle_timeout_text,
            opened: now,
            activity: watch::Sender::new(Activity { operations: 0, last: now, closed: false }),
            commands: Mutex::new(Some(HashMap::new())),
        }))
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn owner(&self) -> Sid {
        self.owner
    }

    /// What clients are told of it.
    pub(super) fn state(&self) -> ShellState {
        let activity = *self.activity.borrow();
        let running: Vec<String> = self.running().into_iter().map(|entry| entry.line).collect();
        let inactivity = if activity.operations > 0 { Duration::ZERO } else { activity.last.elapsed() };
        ShellState {
            shell_id: self.id.clone(),
            name: self.name.clone(),
            resource_uri: namespace::SHELL_CMD.to_owned(),
            owner: self.owner_name.clone(),
            client_ip: self.client.to_string(),
            working_directory: self.asked_directory.clone(),
            lifetime: self.lifetime,
            idle_timeout: self.idle_timeout_text.clone(),
            input_streams: self.input_streams.clone(),
            output_streams: self.output_streams.clone(),
            run_time: self.opened.elapsed(),
            inactivity,
            command_line: running.first().cloned(),
            child_processes: Some(u32::try_from(running.len()).unwrap_or(u32::MAX)),
            ..ShellState::default()
        }
    }

    /// The same as the answer to Create tells it, without what only Get and Enumerate tell.
    pub(super) fn state_at_creation(&self) -> ShellState {
        ShellState { command_line: None, child_processes: None, ..self.state() }
    }

    /// What is told of the commands that were not let go.
    pub(super) fn command_states(&self) -> Vec<CommandListing> {
        let commands = self.commands();
        let listing = |entry: &Entry| CommandListing {
            command_id: entry.id.clone(),
            command_line: entry.line.clone(),
            state: if entry.command.is_reported() { "Done" } else { "Running" },
        };
        commands.iter().flat_map(|commands| commands.values()).map(listing).collect()
    }

    fn running(&self) -> Vec<Entry> {
        let commands = self.commands();
        let entries = commands.iter().flat_map(|commands| commands.values());
        entries.filter(|entry| !entry.command.is_reported()).cloned().collect()
    }

    /// Keeps the shell from being idle while a request is answered.
    pub(super) fn begin_operation(self: &Arc<Self>) -> Operation {
        self.activity.send_modify(|activity| activity.operations += 1);
        Operation(Arc::clone(self))
    }

    /// Starts a command and returns its identifier.
    pub(super) fn start(&self, line: Line, directly: bool) -> Result<String, Fault> {
        let mut commands = self.commands();
        let commands = commands.as_mut().ok_or_else(fault::unknown_shell)?;
        if commands.len() >= MOST_COMMANDS {
            return Err(fault::too_many_commands(MOST_COMMANDS));
        }
        let id = line.command_id.clone().unwrap_or_else(|| fresh_uuid().to_string());
        if commands.contains_key(&key(&id)) {
            return Err(fault::invalid_parameter(format!("the shell has a command {id} already")));
        }
        let text = line.line();
        let line = if directly {
            CommandLine::Direct {
                program: line.command.into(),
                arguments: line.arguments.into_iter().map(OsString::from).collect(),
            }
        } else {
            CommandLine::Shell { program: self.login_shell.clone(), line: text.clone().into() }
        };
        let command = Command::spawn(&CommandSpec {
            line,
            environment: self.environment.clone(),
            directory: self.directory.clone(),
            code_page: self.code_page,
            enclosure: Arc::clone(&self.enclosure),
        })
        .map_err(fault::of_command)?;
        tracing::debug!(shell = %self.id, command = %id, process = command.process_id(), "Command started");
        let entry = Entry { id: id.clone(), line: text, command: Arc::new(command) };
        commands.insert(key(&id), entry);
        Ok(id)
    }

    /// The command of this identifier.
    pub(super) fn find(&self, id: Option<&str>) -> Result<Arc<Command>, Fault> {
        let id =
            id.ok_or_else(|| fault::invalid_parameter("the request names no command: give its CommandId"))?;
        let commands = self.commands();
        commands
            .as_ref()
            .and_then(|commands| commands.get(&key(id)))
            .map(|entry| Arc::clone(&entry.command))
            .ok_or_else(fault::unknown_command)
    }

    /// Refuses input for a stream the shell was not opened with.
    pub(super) fn require_input(&self, name: &str) -> Result<(), Fault> {
        let declared = self.input_streams.split(' ').any(|stream| stream.eq_ignore_ascii_case(name));
        if declared { Ok(()) } else { Err(fault::undeclared_stream(name)) }
    }

    pub(super) fn interrupt(&self, id: Option<&str>, signal: Signal) -> Result<(), Fault> {
        self.find(id)?.signal(signal).map_err(fault::of_command)
    }

    /// Lets go of a command whose end was told, or has another one end; that one's last output and its exit
    /// code can still be received.
    pub(super) async fn terminate(&self, id: Option<&str>) -> Result<(), Fault> {
        let command = self.find(id)?;
        if !command.is_reported() {
            return command.signal(Signal::Terminate).map_err(fault::of_command);
        }
        if let (Some(commands), Some(id)) = (self.commands().as_mut(), id) {
            commands.remove(&key(id));
        }
        command.close().await;
        Ok(())
    }

    /// Ends every command; operations that wait for one are told.
    pub(super) async fn close(&self) {
        let commands = self.commands().take().unwrap_or_default();
        self.activity.send_modify(|activity| activity.closed = true);
        for entry in commands.into_values() {
            entry.command.close().await;
        }
        self.enclosure.close().await;
        tracing::debug!(shell = %self.id, "Shell closed");
    }

    /// Waits until nobody has asked anything for too long or the lifetime is over, and says which; `None` if
    /// the shell was closed before.
    pub(super) async fn expired(&self) -> Option<&'static str> {
        let mut changes = self.activity.subscribe();
        let end = self.lifetime.map(|lifetime| self.opened + lifetime);
        loop {
            let activity = *changes.borrow_and_update();
            if activity.closed {
                return None;
            }
            let idle_end = (activity.operations == 0).then(|| activity.last + self.idle_timeout);
            let deadline = [end, idle_end].into_iter().flatten().min();
            let now = Instant::now();
            if let Some(deadline) = deadline
                && deadline <= now
            {
                return Some(if end.is_some_and(|end| end <= now) { "lifetime" } else { "idle" });
            }
            let sleep = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => {}
                changed = changes.changed() => changed.ok()?,
            }
        }
    }

    fn commands(&self) -> MutexGuard<'_, Option<HashMap<String, Entry>>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.0.activity.send_modify(|activity| {
            activity.operations = activity.operations.saturating_sub(1);
            activity.last = Instant::now();
        });
    }
}

fn code_page(call: &Call) -> Result<CodePage, Fault> {
    let Some(text) = call.request.head().options.value(option::CODE_PAGE) else {
        return Ok(CodePage::UTF_8);
    };
    let number = text.trim().parse().map_err(|_| {
        fault::invalid_parameter(format!("{} is not the number of a code page", option::CODE_PAGE))
    })?;
    CodePage::from_number(number).map_err(fault::of_command)
}

/// The boundary around the shell's processes, as tight as this machine lets it be.
fn enclosure(id: &str, config: &Config) -> Enclosure {
    let limits = Limits {
        memory: config.winrs.max_memory_per_shell_mb.limit().and_then(NonZeroU64::new),
        processes: config.winrs.max_processes_per_shell.limit().and_then(NonZeroU32::new),
    };
    let Some(parent) = delegated() else { return Enclosure::per_process(limits) };
    let name: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    Enclosure::in_cgroup(&parent, &format!("shell-{name}"), limits).unwrap_or_else(|error| {
        tracing::warn!(%error, shell = id, "No control group for the shell: limits hold for each process alone");
        Enclosure::per_process(limits)
    })
}

/// MS-WSMV 3.1.4.5: a shorter time is raised to this.
const SHORTEST_IDLE: Duration = Duration::from_secs(60);
/// Commands of one shell that were not let go; Windows' own limit for PowerShell is the same.
const MOST_COMMANDS: usize = 1_000;
