//! The same operation on many hosts: `-hosts` and `-parallel`.
//!
//! A few hosts at a time are asked; what one of them brings is printed as a whole once it has ended, so that no more
//! than those few are held.

use std::cell::RefCell;
use std::io;
use std::io::{Cursor, Read as _, Write as _};
use std::rc::Rc;

use tokio::task::{JoinSet, LocalSet};

use super::run::{Done, Streams, run_one};
use super::{Command, Fleet};
use crate::connection::{Connection, Login};
use crate::failure::{Failure, Kind, Program};
use crate::format::{Format, Tree};
use crate::program::Stop;
use crate::screen::{Progress, Screen};
use crate::secret::PasswordSource;
use crate::settings::ClientSettings;

/// What one host has brought.
struct Ended {
    host: String,
    done: Result<Done, Stop>,
    out: Vec<u8>,
    errors: Vec<u8>,
}

pub(super) async fn run(
    screen: &Screen,
    command: Command,
    fleet: Fleet,
    settings: &ClientSettings,
    streams: &mut Streams<'_>,
) -> Result<Done, Stop> {
    let mut input = Vec::new();
    if command.operation.reads_standard_input() {
        streams.input.take(LARGEST).read_to_end(&mut input)?;
    }
    let task = Rc::new(Task { command, settings: settings.clone(), input });
    let progress = Progress::new(screen, "hosts");
    progress.expect(u64::try_from(fleet.members.len()).unwrap_or(u64::MAX));
    let (mut out, mut errors) = (progress.before(streams.out), progress.before(streams.errors));
    let mut printer = Printer::new(task.command.format);
    let local = LocalSet::new();
    let all = local.run_until(async {
        let mut waiting = asked_once(fleet.members);
        let mut running = JoinSet::new();
        let begin = |running: &mut JoinSet<Ended>, next: Option<(String, Connection)>| {
            if let Some((host, connection)) = next {
                let task = Rc::clone(&task);
                running.spawn_local(async move { task.on(host, connection).await });
            }
        };
        for _ in 0..fleet.parallel {
            begin(&mut running, waiting.next());
        }
        out.write_all(printer.open().as_bytes())?;
        while let Some(ended) = running.join_next().await {
            begin(&mut running, waiting.next());
            let Ok(ended) = ended else { continue };
            progress.step();
            out.write_all(printer.print(&ended)?.as_bytes())?;
            out.flush()?;
            errors.write_all(&ended.errors)?;
            if let Err(Stop::Failed(failure)) = &ended.done {
                errors.write_all(failure.summary(Program::Winrm).as_bytes())?;
            }
        }
        out.write_all(printer.close().as_bytes())?;
        Ok::<_, Stop>(())
    });
    progress.unless_interrupted(all).await?;
    printer.verdict(&mut errors)
}

/// What every host is asked.
struct Task {
    command: Command,
    settings: ClientSettings,
    input: Vec<u8>,
}

impl Task {
    async fn on(&self, host: String, connection: Connection) -> Ended {
        let format = match self.command.format {
            // Items of a host stand in an object that names it.
            Format::Json => Format::Ndjson,
            format => format,
        };
        let command = Command { connection, format, fleet: None, ..self.command.clone() };
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let mut input = Cursor::new(&self.input);
        let mut streams = Streams { out: &mut out, errors: &mut errors, input: &mut input };
        let done = run_one(&Screen::none(), command, &self.settings, &mut streams).await;
        Ended { host, done, out, errors }
    }
}

/// The same connections, where a password that has to be asked for or read is got once for each user.
fn asked_once(members: Vec<(String, Connection)>) -> impl Iterator<Item = (String, Connection)> {
    let known: RefCell<Vec<(String, PasswordSource)>> = RefCell::default();
    members.into_iter().map(move |(host, mut connection)| {
        if let Login::Password { user, password, .. } = &mut connection.login {
            let mut known = known.borrow_mut();
            let shared = known.iter().find(|(name, _)| name == user).map(|(_, source)| source.clone());
            *password = shared.unwrap_or_else(|| {
                let once = password.clone().once();
                known.push((user.clone(), once.clone()));
                once
            });
        }
        (host, connection)
    })
}

/// Puts the hosts' results beside each other.
struct Printer {
    format: Format,
    hosts: usize,
    failed: Vec<(String, Kind)>,
}

impl Printer {
    fn new(format: Format) -> Self {
        Self { format, hosts: 0, failed: Vec::new() }
    }

    fn open(&self) -> &'static str {
        match self.format {
            Format::Xml | Format::Pretty => "<t:Hosts xmlns:t=\"urn:telarch:hosts\">\n",
            Format::Json => "[",
            Format::Text | Format::Ndjson | Format::Yaml => "",
        }
    }

    fn close(&self) -> &'static str {
        match self.format {
            Format::Xml | Format::Pretty => "</t:Hosts>\n",
            Format::Json => "\n]\n",
            Format::Text | Format::Ndjson | Format::Yaml => "",
        }
    }

    fn print(&mut self, ended: &Ended) -> Result<String, Stop> {
        let text = std::str::from_utf8(&ended.out)
            .map_err(|error| Failure::here(Kind::Fault, format!("{}: {error}", ended.host)))?;
        let failure = match &ended.done {
            Err(Stop::Failed(failure)) => Some(failure),
            _ => None,
        };
        if let Some(failure) = failure {
            self.failed.push((ended.host.clone(), failure.kind()));
        }
        let is_first = self.hosts == 0;
        self.hosts += 1;
        Ok(match self.format {
            Format::Text => format!("== {}\n{text}", ended.host),
            Format::Xml | Format::Pretty => format!("<t:Host Name=\"{}\">\n{text}</t:Host>\n", ended.host),
            Format::Json | Format::Ndjson => {
                let before = match (self.format, is_first) {
                    (Format::Json, true) => "\n",
                    (Format::Json, false) => ",\n",
                    _ => "",
                };
                let behind = if self.format == Format::Ndjson { "\n" } else { "" };
                let results = text.lines().collect::<Vec<_>>().join(",");
                let host = Tree::from(ended.host.as_str()).json_line();
                let error = failure.map(|failure| format!(",\"error\":{}", error_of(failure).json_line()));
                let error = error.unwrap_or_default();
                format!("{before}{{\"host\":{host},\"results\":[{results}]{error}}}{behind}")
            }
            Format::Yaml => {
                let host = Tree::from(ended.host.as_str()).json_line();
                let results: String = text.lines().map(|line| format!("    {line}\n")).collect();
                let results =
                    if results.is_empty() { String::new() } else { format!("  results:\n{results}") };
                let error = failure.map(|failure| format!("  error: {}\n", error_of(failure).json_line()));
                format!("- host: {host}\n{results}{}", error.unwrap_or_default())
            }
        })
    }

    /// How it went, for the one who waits, and for the exit status.
    fn verdict(self, errors: &mut dyn io::Write) -> Result<Done, Stop> {
        let Some((_, first)) = self.failed.first() else { return Ok(Done::Whole) };
        let names: Vec<&str> = self.failed.iter().map(|(host, _)| host.as_str()).collect();
        let answered = self.hosts - self.failed.len();
        writeln!(errors, "winrm: {answered} of {} hosts answered; not {}", self.hosts, names.join(", "))?;
        // One number cannot tell of several sorts of failure.
        let is_one_kind = self.failed.iter().all(|(_, kind)| kind == first);
        Ok(Done::HostsFailed(if is_one_kind { *first } else { Kind::Fault }))
    }
}

fn error_of(failure: &Failure) -> Tree {
    let text = |name: &str, text: String| (name.to_owned(), Tree::Text(text));
    let code = failure.code().map(|code| text("code", code.0.to_string()));
    let summary = failure.summary(Program::Winrm);
    let mut lines = summary.lines().map(str::trim);
    let what = lines.next().unwrap_or_default().trim_start_matches("winrm: ").to_owned();
    let way_out = lines.filter(|line| !line.starts_with('(')).map(Tree::from).collect();
    Tree::Map(
        code.into_iter().chain([text("what", what), ("way_out".to_owned(), Tree::List(way_out))]).collect(),
    )
}

/// More than any input that is given to each of many hosts.
const LARGEST: u64 = 16 * 1_024 * 1_024;
