//! A shell and its commands.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use locks::Mutex;
use sddl::Sid;
use service::BoxFuture;
use shells::{Lifetime, MonitoredShell, Operation, RemoteShell, ShellProcesses, Shells, key};
use wsman::shell::{CommandLine as Line, CommandListing, OpenShell, ShellState};
use wsman::{Fault, OptionSet, duration, namespace};

use super::client_activity::{ActiveCommand, ClientActivity, end_if_abandoned};
use super::context::{code_page, startup};
use super::fault;
use crate::{CodePage, Command, CommandLine, CommandSpec, Release, Signal, Startup};

/// An open shell.
pub(super) struct Shell {
    id: String,
    name: Option<String>,
    owner: Sid,
    owner_name: String,
    client: IpAddr,
    login_shell: PathBuf,
    startup: Startup,
    directory: PathBuf,
    requested_directory: Option<String>,
    environment: Vec<(OsString, OsString)>,
    requested_environment: Vec<(String, String)>,
    code_page: CodePage,
    input_streams: String,
    output_streams: String,
    lifetime: Lifetime,
    /// Commands by identifier in upper case; `None` once the shell is closed.
    commands: Mutex<Option<HashMap<String, Entry>>>,
    processes: ShellProcesses,
}

/// Owner, options and settings of a shell that is opened.
pub(super) struct OpenContext<'a> {
    pub(super) owner: Sid,
    pub(super) owner_name: &'a str,
    pub(super) client: IpAddr,
    pub(super) options: &'a OptionSet,
    pub(super) config: &'a Config,
}

/// A command of the shell and its description in listings.
#[derive(Clone)]
struct Entry {
    id: String,
    line: String,
    command: Arc<Command>,
    client_activity: ClientActivity,
}

impl Shell {
    pub(super) fn open(
        open: OpenShell,
        open_context: OpenContext<'_>,
        shells: &Shells,
    ) -> Result<Arc<Self>, Fault> {
        let OpenContext { owner, owner_name, client, options, config } = open_context;
        let (winrs, own) = (&config.winrs, &config.shell);
        let id = open.shell_id.unwrap_or_else(|| random::uuid().to_string());
        let code_page = code_page(options)?;
        let surroundings = shells.environment();
        let directory = match &open.working_directory {
            Some(path) => surroundings.home.join(path),
            None => surroundings.home.clone(),
        };
        crate::command::check_directory(&directory).map_err(fault::from_command_error)?;
        let mut environment = surroundings.environment.clone();
        for (name, value) in &open.environment {
            environment.retain(|(known, _)| *known != **name);
            environment.push((name.into(), value.into()));
        }
        let idle_timeout = open.idle_timeout.as_ref().map(|requested| requested.duration);
        let lifetime = Lifetime::new(open.lifetime, idle_timeout, winrs);
        Ok(Arc::new(Self {
            processes: shells.processes_of(&id, winrs),
            id,
            name: open.name,
            owner,
            owner_name: owner_name.to_owned(),
            client,
            login_shell: own.login_shell.path().unwrap_or(&surroundings.login_shell).to_owned(),
            startup: startup(own.profiles, options),
            directory,
            requested_directory: open.working_directory,
            environment,
            requested_environment: open.environment,
            code_page,
            input_streams: names_or_default(open.input_streams, "stdin"),
            output_streams: names_or_default(open.output_streams, "stdout stderr"),
            lifetime,
            commands: Mutex::new(Some(HashMap::new())),
        }))
    }

    fn running(&self) -> Vec<Entry> {
        let commands = self.commands.lock();
        let entries = commands.iter().flat_map(|commands| commands.values());
        entries.filter(|entry| !entry.command.is_reported()).cloned().collect()
    }

    /// Marks the shell as active until the returned guard is dropped.
    pub(super) fn begin_operation(&self) -> Operation {
        self.lifetime.begin_operation()
    }

    /// Starts a command under the given identifier. It is terminated when its client sends no request for the time
    /// `abandoned_after`.
    pub(super) fn start(
        self: &Arc<Self>,
        id: String,
        line: Line,
        directly: bool,
        abandoned_after: Option<Duration>,
    ) -> Result<(), Fault> {
        let mut commands = self.commands.lock();
        let commands = commands.as_mut().ok_or_else(fault::unknown_shell)?;
        if commands.len() >= MAX_COMMANDS {
            return Err(fault::too_many_commands(MAX_COMMANDS));
        }
        if commands.contains_key(&key(&id)) {
            return Err(fault::invalid_parameter(format!(
                "command {id} already exists in the shell; omit CommandId, or choose another one"
            )));
        }
        let text = line.line();
        let line = if directly {
            CommandLine::Direct {
                program: line.command.into(),
                arguments: line.arguments.into_iter().map(OsString::from).collect(),
            }
        } else {
            let program = self.login_shell.clone();
            CommandLine::Shell { program, startup: self.startup, line: text.clone().into() }
        };
        let command = Command::spawn(&CommandSpec {
            line,
            environment: self.environment.clone(),
            directory: self.directory.clone(),
            code_page: self.code_page,
            limiter: Arc::clone(self.processes.limiter()),
        })
        .map_err(fault::from_command_error)?;
        tracing::debug!(shell = %self.id, command = %id, process = command.process_id(), "Command started");
        let (command, client_activity) = (Arc::new(command), ClientActivity::new());
        if let Some(after) = abandoned_after {
            let (shell, weak) = (self.id.clone(), Arc::downgrade(&command));
            tokio::spawn(end_if_abandoned(shell, id.clone(), weak, client_activity.clone(), after));
        }
        commands.insert(key(&id), Entry { id, line: text, command, client_activity });
        let shell: Arc<dyn MonitoredShell> = Arc::clone(self) as _;
        self.processes.mark_started(&shell);
        Ok(())
    }

    /// Returns a command, whose client counts as active until the returned guard is dropped.
    pub(super) fn use_command(&self, id: Option<&str>) -> Result<ActiveCommand, Fault> {
        let id =
            id.ok_or_else(|| fault::invalid_parameter("the request names no command; add its CommandId"))?;
        let commands = self.commands.lock();
        commands
            .as_ref()
            .and_then(|commands| commands.get(&key(id)))
            .map(|entry| entry.client_activity.begin(Arc::clone(&entry.command)))
            .ok_or_else(fault::unknown_command)
    }

    /// Refuses input for a stream that the shell was not opened with.
    pub(super) fn require_input(&self, name: &str) -> Result<(), Fault> {
        let declared = self.input_streams.split(' ').any(|stream| stream.eq_ignore_ascii_case(name));
        if declared { Ok(()) } else { Err(fault::undeclared_stream(name)) }
    }

    /// Refuses to return output of a stream that the shell was not opened with.
    pub(super) fn require_output(&self, names: &[String]) -> Result<(), Fault> {
        let is_declared =
            |name: &str| self.output_streams.split(' ').any(|stream| stream.eq_ignore_ascii_case(name));
        match names.iter().find(|name| !is_declared(name)) {
            Some(unknown) => Err(fault::no_such_stream(unknown)),
            None => Ok(()),
        }
    }

    pub(super) fn interrupt(&self, id: Option<&str>, signal: Signal) -> Result<(), Fault> {
        self.use_command(id)?.signal(signal).map_err(fault::from_command_error)
    }

    /// Releases a command whose end was reported, or terminates a running one. Output and exit code of the latter can
    /// still be received.
    pub(super) async fn terminate(&self, id: Option<&str>) -> Result<(), Fault> {
        let command = self.use_command(id)?;
        match command.release() {
            Release::Now => {
                self.forget(id.unwrap_or_default());
                command.close().await;
                Ok(())
            }
            Release::WithDelivery => Ok(()),
            Release::NotYet => command.signal(Signal::Terminate).map_err(fault::from_command_error),
        }
    }

    /// Drops a command, which kills its remaining processes.
    pub(super) fn forget(&self, id: &str) {
        let entry = self.commands.lock().as_mut().and_then(|commands| commands.remove(&key(id)));
        // Dropped after the lock is released.
        drop(entry);
    }

    async fn close_commands(&self) {
        let commands = self.commands.lock().take().unwrap_or_default();
        self.lifetime.mark_closed();
        // Before the first await, because the caller may drop the future.
        self.processes.begin_close();
        for entry in commands.into_values() {
            entry.command.close().await;
        }
        self.processes.close().await;
        tracing::debug!(shell = %self.id, "Shell closed");
    }
}

impl RemoteShell for Shell {
    fn id(&self) -> &str {
        &self.id
    }

    fn owner(&self) -> Sid {
        self.owner
    }

    fn resource(&self) -> &str {
        namespace::SHELL_CMD
    }

    /// Returns the description of the shell in the reply to Create. Like Windows, it omits the lifetime.
    fn state(&self) -> ShellState {
        ShellState {
            shell_id: self.id.clone(),
            name: self.name.clone(),
            resource_uri: namespace::SHELL_CMD.to_owned(),
            owner: self.owner_name.clone(),
            client_ip: self.client.to_string(),
            environment: self.requested_environment.clone(),
            working_directory: self.requested_directory.clone(),
            idle_timeout: duration::write(self.lifetime.idle_timeout()),
            input_streams: self.input_streams.clone(),
            output_streams: self.output_streams.clone(),
            run_time: self.lifetime.age(),
            inactivity: self.lifetime.inactivity(),
            ..ShellState::default()
        }
    }

    fn running_command(&self) -> Option<String> {
        self.running().into_iter().next().map(|entry| entry.line)
    }

    fn command_states(&self) -> Vec<CommandListing> {
        let commands = self.commands.lock();
        let entries = commands.iter().flat_map(|commands| commands.values());
        entries
            .map(|entry| CommandListing {
                command_id: entry.id.clone(),
                command_line: entry.line.clone(),
                state: if entry.command.is_reported() { "Done" } else { "Running" },
            })
            .collect()
    }

    fn groups(&self) -> Vec<u32> {
        let commands = self.commands.lock();
        commands
            .iter()
            .flat_map(|commands| commands.values())
            .map(|entry| entry.command.process_id())
            .collect()
    }

    fn processes(&self) -> &ShellProcesses {
        &self.processes
    }

    fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }

    /// Closes all commands, which fails their pending operations.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.close_commands())
    }
}

fn names_or_default(names: Vec<String>, default: &str) -> String {
    if names.is_empty() { default.to_owned() } else { names.join(" ") }
}

/// Maximum number of commands per shell that are not released; Windows has the same limit for PowerShell.
const MAX_COMMANDS: usize = 1_000;

#[cfg(test)]
mod tests {
    use shells::ShellEnvironment;
    use tokio::time::{Instant, timeout};

    use super::*;

    fn opened(open: OpenShell, config: &Config) -> Arc<Shell> {
        let environment = vec![("PATH".into(), "/usr/bin:/bin".into())];
        let surroundings = ShellEnvironment { login_shell: "/bin/sh".into(), home: "/".into(), environment };
        let (owner, client) = (sddl::well_known::LOCAL_SYSTEM, IpAddr::from([127, 0, 0, 1]));
        let open_context =
            OpenContext { owner, owner_name: "ada", client, options: &OptionSet::new(), config };
        Shell::open(open, open_context, &Shells::new(surroundings)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn max_shell_run_time_limits_the_lifetime_of_every_shell() {
        let mut config = Config::default();
        // Only policy can change this setting, as in Windows.
        config.enforce("Winrs.MaxShellRunTime", "30000").unwrap();
        for (requested_value, seconds) in [(None, 30), (Some(3_600), 30), (Some(20), 20)] {
            let open =
                OpenShell { lifetime: requested_value.map(Duration::from_secs), ..OpenShell::default() };
            let shell = opened(open, &config);
            // A pending request does not extend the lifetime.
            let _operation = shell.begin_operation();
            let begin = Instant::now();
            assert_eq!(shell.lifetime.expired().await, Some("lifetime"), "{requested_value:?}");
            assert_eq!(begin.elapsed().as_secs(), seconds, "{requested_value:?}");
        }
        for unlimited in ["0", "2147483647"] {
            config.enforce("Winrs.MaxShellRunTime", unlimited).unwrap();
            let shell = opened(OpenShell::default(), &config);
            let _operation = shell.begin_operation();
            let a_year = Duration::from_secs(365 * 24 * 60 * 60);
            assert!(timeout(a_year, shell.lifetime.expired()).await.is_err(), "{unlimited}");
        }
    }

    fn command(line: &str) -> Line {
        Line { command: line.to_owned(), ..Line::default() }
    }

    /// Returns settings without process limits: with a paused clock the counting task would run without pause.
    fn without_counting() -> Config {
        let mut config = Config::default();
        for name in ["Winrs.MaxProcessesPerShell", "Winrs.MaxMemoryPerShellMB"] {
            config.set(name, "0").unwrap();
        }
        config
    }

    const AFTER: Duration = Duration::from_secs(600);

    /// Returns whether the abandonment timeout has passed, and at most the grace period of termination.
    fn is_after(begin: Instant) -> bool {
        (AFTER..AFTER + Duration::from_secs(60)).contains(&begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_without_client_requests_is_terminated() {
        let shell = opened(OpenShell::default(), &without_counting());
        shell.start("one".to_owned(), command("exec sleep 100000"), false, Some(AFTER)).unwrap();
        let begin = Instant::now();
        let sleeping = shell.use_command(Some("one")).unwrap().command();
        sleeping.ended().await;
        assert!(is_after(begin), "{:?}", begin.elapsed());
        // Output and exit code can still be received.
        let delivery = shell.use_command(Some("one")).unwrap();
        let delivery = delivery.receive(1_000, crate::StreamSet::Both, AFTER).await.unwrap();
        // The paused clock advances while the process ends, so that SIGKILL may be sent as well.
        let ended = [143, 137].map(|exit_code| crate::CommandState::Done { exit_code });
        assert!(ended.contains(&delivery.state()), "{:?}", delivery.state());
        drop(delivery);
        shell.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_with_a_pending_receive_is_not_abandoned() {
        let shell = opened(OpenShell::default(), &without_counting());
        shell.start("one".to_owned(), command("exec sleep 100000"), false, Some(AFTER)).unwrap();
        let receiving = shell.use_command(Some("one")).unwrap();
        assert!(timeout(AFTER * 10, receiving.ended()).await.is_err(), "a Receive is in progress");
        drop(receiving);
        let sleeping = shell.use_command(Some("one")).unwrap().command();
        let begin = Instant::now();
        sleeping.ended().await;
        assert!(is_after(begin), "the timeout starts at the end of the Receive: {:?}", begin.elapsed());
        shell.close().await;
    }
}
