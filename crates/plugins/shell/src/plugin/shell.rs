//! One shell: what its commands have in common, and the commands.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use config::Config;
use sddl::Sid;
use service::fresh_uuid;
use tokio::sync::watch;
use tokio::time::Instant;
use wsman::shell::{CommandLine as Line, CommandListing, OpenShell, ShellState};
use wsman::{Fault, OptionSet, duration, namespace};

use super::attendance::{Attendance, Attended, end_if_abandoned};
use super::fault;
use super::registry::key;
use super::terms::{LONGEST_TIME, Terms, code_page, longest_run, startup};
use super::watch::{Watch, snapshot};
use crate::limits::Enclosure;
use crate::processes::Snapshot;
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
    asked_directory: Option<String>,
    environment: Vec<(OsString, OsString)>,
    asked_environment: Vec<(String, String)>,
    code_page: CodePage,
    input_streams: String,
    output_streams: String,
    lifetime: Option<Duration>,
    idle_timeout: Duration,
    opened: Instant,
    activity: watch::Sender<Activity>,
    /// By identifier in upper case; `None` once the shell is closed.
    commands: Mutex<Option<HashMap<String, Entry>>>,
    enclosure: Arc<Enclosure>,
    /// How many processes there were at the last count.
    counted: AtomicUsize,
    /// A command was started, and may have left something behind.
    has_run: AtomicBool,
    watch: Arc<Watch>,
}

/// Who opens a shell, and under which options and settings.
pub(super) struct Opener<'a> {
    pub(super) owner: Sid,
    pub(super) owner_name: &'a str,
    pub(super) client: IpAddr,
    pub(super) options: &'a OptionSet,
    pub(super) config: &'a Config,
}

/// A command of the shell, with what is told of it.
#[derive(Clone)]
struct Entry {
    id: String,
    line: String,
    command: Arc<Command>,
    attendance: Attendance,
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
    pub(super) fn open(open: OpenShell, opener: Opener<'_>, terms: &Terms) -> Result<Arc<Self>, Fault> {
        let Opener { owner, owner_name, client, options, config } = opener;
        let (winrs, own) = (&config.winrs, &config.shell);
        let id = open.shell_id.unwrap_or_else(|| fresh_uuid().to_string());
        let code_page = code_page(options)?;
        let surroundings = &terms.surroundings;
        let directory = match &open.working_directory {
            Some(path) => surroundings.home.join(path),
            None => surroundings.home.clone(),
        };
        crate::command::admit_directory(&directory).map_err(fault::of_command)?;
        let mut environment = surroundings.environment.clone();
        for (name, value) in &open.environment {
            environment.retain(|(known, _)| *known != **name);
            environment.push((name.into(), value.into()));
        }
        let idle_timeout = match open.idle_timeout {
            // MS-WSMV 2.2.4.42 and MaxIdleTimeoutms of 2.2.4.30.
            Some(asked) => asked.duration.clamp(SHORTEST_IDLE, LONGEST_TIME),
            None => winrs.effective_idle_timeout(),
        };
        let or_usual = |names: Vec<String>, usual: &str| {
            if names.is_empty() { usual.to_owned() } else { names.join(" ") }
        };
        let now = Instant::now();
        Ok(Arc::new(Self {
            enclosure: Arc::new(terms.enclosure(&id, winrs)),
            id,
            name: open.name,
            owner,
            owner_name: owner_name.to_owned(),
            client,
            login_shell: own.login_shell.path().unwrap_or(&surroundings.login_shell).to_owned(),
            startup: startup(own.profiles, options),
            directory,
            asked_directory: open.working_directory,
            environment,
            asked_environment: open.environment,
            code_page,
            input_streams: or_usual(open.input_streams, "stdin"),
            output_streams: or_usual(open.output_streams, "stdout stderr"),
            lifetime: [open.lifetime, longest_run(winrs.max_shell_run_time.duration())]
                .into_iter()
                .flatten()
                .min(),
            idle_timeout,
            opened: now,
            activity: watch::Sender::new(Activity { operations: 0, last: now, closed: false }),
            commands: Mutex::new(Some(HashMap::new())),
            counted: AtomicUsize::new(0),
            has_run: AtomicBool::new(false),
            watch: Arc::clone(&terms.watch),
        }))
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn owner(&self) -> Sid {
        self.owner
    }

    /// What clients are told of it in the answer to Create. Windows leaves the lifetime out.
    pub(super) fn state(&self) -> ShellState {
        let activity = *self.activity.borrow();
        let inactivity = if activity.operations > 0 { Duration::ZERO } else { activity.last.elapsed() };
        ShellState {
            shell_id: self.id.clone(),
            name: self.name.clone(),
            resource_uri: namespace::SHELL_CMD.to_owned(),
            owner: self.owner_name.clone(),
            client_ip: self.client.to_string(),
            environment: self.asked_environment.clone(),
            working_directory: self.asked_directory.clone(),
            idle_timeout: duration::write(self.idle_timeout),
            input_streams: self.input_streams.clone(),
            output_streams: self.output_streams.clone(),
            run_time: self.opened.elapsed(),
            inactivity,
            ..ShellState::default()
        }
    }

    /// The same with what Get and Enumerate tell beyond that of a shell that runs something.
    pub(super) fn state_in(&self, snapshot: &Snapshot) -> ShellState {
        let command_line = self.running().into_iter().next().map(|entry| entry.line);
        let processes = self.enclosure.processes(&self.groups(), snapshot).len();
        let child_processes = u32::try_from(processes).unwrap_or(u32::MAX);
        let child_processes = (command_line.is_some() || processes > 0).then_some(child_processes);
        ShellState { command_line, child_processes, ..self.state() }
    }

    /// Whether it takes a look at the processes of the machine to tell those of the shell.
    pub(super) fn needs_snapshot(&self) -> bool {
        self.enclosure.needs_snapshot() && self.has_run.load(Ordering::Relaxed)
    }

    /// Counts the shell's processes, and ends those that have more memory than they may, and the youngest where they
    /// are more than there may be. False if there are none.
    pub(super) fn count(&self, snapshot: &Snapshot) -> bool {
        let groups = self.groups();
        let mut processes = self.enclosure.processes(&groups, snapshot);
        self.counted.store(processes.len(), Ordering::Relaxed);
        for process in processes.extract_if(.., |process| self.enclosure.is_exceeded_by(process)) {
            tracing::warn!(shell = %self.id, "A process has more memory than MaxMemoryPerShellMB and is killed");
            process.kill();
        }
        let limit = self.most_processes().unwrap_or(usize::MAX);
        if processes.len() > limit {
            tracing::warn!(
                shell = %self.id, processes = processes.len(), limit,
                "A shell has more processes than MaxProcessesPerShell: the youngest are killed"
            );
            processes.sort_by_key(|process| process.started);
            for process in processes.iter().skip(limit) {
                process.kill();
            }
        }
        !processes.is_empty() || !groups.is_empty()
    }

    /// The process groups of the commands that were not let go, none of which was reaped yet.
    fn groups(&self) -> Vec<u32> {
        let commands = self.commands();
        commands
            .iter()
            .flat_map(|commands| commands.values())
            .map(|entry| entry.command.process_id())
            .collect()
    }

    fn most_processes(&self) -> Option<usize> {
        self.enclosure.limits().processes.map(|limit| usize::try_from(limit.get()).unwrap_or(usize::MAX))
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

    /// Refuses another command while there are as many processes as there may be (MS-WSMV 2.2.4.42).
    pub(super) async fn require_room(&self) -> Result<(), Fault> {
        let Some(limit) = self.most_processes() else { return Ok(()) };
        let has_commands = self.commands().as_ref().is_some_and(|commands| !commands.is_empty());
        // One command after the other shall not cost a look each: what they left behind is known from the last one.
        let is_needed = has_commands || self.counted.load(Ordering::Relaxed) > 0;
        let is_needed = is_needed && self.enclosure.needs_snapshot();
        let snapshot = if is_needed { snapshot().await } else { Snapshot::default() };
        let processes = self.enclosure.processes(&self.groups(), &snapshot).len();
        if processes < limit { Ok(()) } else { Err(fault::too_many_processes(processes, limit)) }
    }

    /// Starts a command under an identifier of the client's or ours. It ends when its client has not asked for anything
    /// for the time `abandoned_after`.
    pub(super) fn start(
        self: &Arc<Self>,
        id: String,
        line: Line,
        directly: bool,
        abandoned_after: Option<Duration>,
    ) -> Result<(), Fault> {
        let mut commands = self.commands();
        let commands = commands.as_mut().ok_or_else(fault::unknown_shell)?;
        if commands.len() >= MOST_COMMANDS {
            return Err(fault::too_many_commands(MOST_COMMANDS));
        }
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
            let program = self.login_shell.clone();
            CommandLine::Shell { program, startup: self.startup, line: text.clone().into() }
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
        let (command, attendance) = (Arc::new(command), Attendance::new());
        if let Some(after) = abandoned_after {
            let (shell, weak) = (self.id.clone(), Arc::downgrade(&command));
            tokio::spawn(end_if_abandoned(shell, id.clone(), weak, attendance.clone(), after));
        }
        commands.insert(key(&id), Entry { id, line: text, command, attendance });
        self.has_run.store(true, Ordering::Relaxed);
        if self.enclosure.is_to_be_counted() {
            self.watch.count(self);
        }
        Ok(())
    }

    /// The command of this identifier, whose client is there until what is returned is dropped.
    pub(super) fn attend(&self, id: Option<&str>) -> Result<Attended, Fault> {
        let id =
            id.ok_or_else(|| fault::invalid_parameter("the request names no command: give its CommandId"))?;
        let commands = self.commands();
        commands
            .as_ref()
            .and_then(|commands| commands.get(&key(id)))
            .map(|entry| entry.attendance.begin(Arc::clone(&entry.command)))
            .ok_or_else(fault::unknown_command)
    }

    /// Refuses input for a stream the shell was not opened with.
    pub(super) fn require_input(&self, name: &str) -> Result<(), Fault> {
        let declared = self.input_streams.split(' ').any(|stream| stream.eq_ignore_ascii_case(name));
        if declared { Ok(()) } else { Err(fault::undeclared_stream(name)) }
    }

    pub(super) fn interrupt(&self, id: Option<&str>, signal: Signal) -> Result<(), Fault> {
        self.attend(id)?.signal(signal).map_err(fault::of_command)
    }

    /// Lets go of a command whose end was told, or has another one end; that one's last output and its exit
    /// code can still be received.
    pub(super) async fn terminate(&self, id: Option<&str>) -> Result<(), Fault> {
        let command = self.attend(id)?;
        match command.release() {
            Release::Now => {
                self.forget(id.unwrap_or_default());
                command.close().await;
                Ok(())
            }
            Release::WithDelivery => Ok(()),
            Release::NotYet => command.signal(Signal::Terminate).map_err(fault::of_command),
        }
    }

    /// Lets go of a command; what is left of it ends.
    pub(super) fn forget(&self, id: &str) {
        let forgotten = self.commands().as_mut().and_then(|commands| commands.remove(&key(id)));
        drop(forgotten);
    }

    /// Ends every command; operations that wait for one are told.
    pub(super) async fn close(&self) {
        let commands = self.commands().take().unwrap_or_default();
        self.activity.send_modify(|activity| activity.closed = true);
        // Before anything is waited for, because whoever asked may go away meanwhile.
        if let Some(mark) = self.enclosure.mark()
            && self.has_run.load(Ordering::Relaxed)
        {
            self.watch.clean_up(mark);
        }
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

/// MS-WSMV 2.2.4.42: a shorter time is raised to this.
const SHORTEST_IDLE: Duration = Duration::from_secs(60);
/// Commands of one shell that were not let go; Windows' own limit for PowerShell is the same.
const MOST_COMMANDS: usize = 1_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::time::timeout;

    use super::super::Surroundings;
    use super::*;

    fn opened(open: OpenShell, config: &Config) -> Arc<Shell> {
        let environment = vec![("PATH".into(), "/usr/bin:/bin".into())];
        let surroundings = Surroundings { login_shell: "/bin/sh".into(), home: "/".into(), environment };
        let groups = Arc::new(crate::OwnGroups);
        let terms = Terms { surroundings, open_files: None, watch: Arc::default(), groups };
        let (owner, client) = (sddl::well_known::LOCAL_SYSTEM, IpAddr::from([127, 0, 0, 1]));
        let opener = Opener { owner, owner_name: "ada", client, options: &OptionSet::new(), config };
        Shell::open(open, opener, &terms).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn no_shell_is_there_longer_than_max_shell_run_time_whatever_it_was_opened_for() {
        let mut config = Config::default();
        // Read-only for everyone but policy, as in Windows.
        config.enforce("Winrs.MaxShellRunTime", "30000").unwrap();
        for (asked, seconds) in [(None, 30), (Some(3_600), 30), (Some(20), 20)] {
            let open = OpenShell { lifetime: asked.map(Duration::from_secs), ..OpenShell::default() };
            let shell = opened(open, &config);
            // However busy it is.
            let _operation = shell.begin_operation();
            let begin = Instant::now();
            assert_eq!(shell.expired().await, Some("lifetime"), "{asked:?}");
            assert_eq!(begin.elapsed().as_secs(), seconds, "{asked:?}");
        }
        for unlimited in ["0", "2147483647"] {
            config.enforce("Winrs.MaxShellRunTime", unlimited).unwrap();
            let shell = opened(OpenShell::default(), &config);
            let _operation = shell.begin_operation();
            let a_year = Duration::from_secs(365 * 24 * 60 * 60);
            assert!(timeout(a_year, shell.expired()).await.is_err(), "{unlimited}");
        }
    }

    fn command(line: &str) -> Line {
        Line { command: line.to_owned(), ..Line::default() }
    }

    /// Counting processes would take as many looks as the clock is put forward.
    fn without_counting() -> Config {
        let mut config = Config::default();
        for name in ["Winrs.MaxProcessesPerShell", "Winrs.MaxMemoryPerShellMB"] {
            config.set(name, "0").unwrap();
        }
        config
    }

    const AFTER: Duration = Duration::from_secs(600);

    /// Whether the time is over, and the grace of a command that is terminated at most.
    fn is_after(begin: Instant) -> bool {
        (AFTER..AFTER + Duration::from_secs(60)).contains(&begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_without_a_client_is_terminated_after_its_time() {
        let shell = opened(OpenShell::default(), &without_counting());
        shell.start("one".to_owned(), command("exec sleep 100000"), false, Some(AFTER)).unwrap();
        let begin = Instant::now();
        let sleeping = shell.attend(Some("one")).unwrap().command();
        sleeping.ended().await;
        assert!(is_after(begin), "{:?}", begin.elapsed());
        // What it has said and how it has ended can still be received.
        let delivery = shell.attend(Some("one")).unwrap();
        let delivery = delivery.receive(1_000, crate::StreamSet::Both, AFTER).await.unwrap();
        // The clock of the test is put forward while the process ends, so that it may be killed as well.
        let ended = [143, 137].map(|exit_code| crate::CommandState::Done { exit_code });
        assert!(ended.contains(&delivery.state()), "{:?}", delivery.state());
        drop(delivery);
        shell.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_whose_client_waits_for_output_goes_on() {
        let shell = opened(OpenShell::default(), &without_counting());
        shell.start("one".to_owned(), command("exec sleep 100000"), false, Some(AFTER)).unwrap();
        let receiving = shell.attend(Some("one")).unwrap();
        assert!(timeout(AFTER * 10, receiving.ended()).await.is_err(), "a Receive is in progress");
        drop(receiving);
        let sleeping = shell.attend(Some("one")).unwrap().command();
        let begin = Instant::now();
        sleeping.ended().await;
        assert!(is_after(begin), "from the end of the Receive the time runs again: {:?}", begin.elapsed());
        shell.close().await;
    }
}
