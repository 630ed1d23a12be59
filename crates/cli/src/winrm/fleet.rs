//! One operation on several hosts: `-hosts` and `-parallel`.
//!
//! A limited number of hosts runs at the same time. The output of a host is buffered and printed when the host has
//! finished, so that only the output of the running hosts is held in memory.

use std::io;
use std::io::{Cursor, Read as _, Write as _};
use std::rc::Rc;

use tokio::task::{JoinSet, LocalSet};

use super::one_host::run_one;
use super::streams::{Completion, Streams};
use super::{Command, Fleet};
use crate::connection::{Connection, Login};
use crate::failure::{Failure, Kind, Program};
use crate::format::{Format, Tree};
use crate::program::Stop;
use crate::screen::{Progress, Screen};
use crate::secret::PasswordSource;
use crate::settings::ClientSettings;

/// Result and output of one host.
struct HostResult {
    host: String,
    result: Result<Completion, Stop>,
    out: Vec<u8>,
    errors: Vec<u8>,
}

pub(super) async fn run(
    screen: &Screen,
    command: Command,
    fleet: Fleet,
    settings: &ClientSettings,
    streams: &mut Streams<'_>,
) -> Result<Completion, Stop> {
    let mut input = Vec::new();
    if command.operation.reads_standard_input() {
        streams.input.take(LARGEST).read_to_end(&mut input)?;
    }
    let job = Rc::new(HostJob { command, settings: settings.clone(), input });
    let progress = Progress::new(screen, "hosts");
    progress.set_total(u64::try_from(fleet.members.len()).unwrap_or(u64::MAX));
    let (mut out, mut errors) = (progress.clearing(streams.out), progress.clearing(streams.errors));
    let mut printer = Printer::new(job.command.format);
    let local = LocalSet::new();
    let all = local.run_until(async {
        let mut waiting = with_shared_passwords(fleet.members);
        let mut running = JoinSet::new();
        for (host, connection) in waiting.by_ref().take(fleet.parallel) {
            running.spawn_local(Rc::clone(&job).run(host, connection));
        }
        out.write_all(printer.open().as_bytes())?;
        while let Some(finished) = running.join_next().await {
            if let Some((host, connection)) = waiting.next() {
                running.spawn_local(Rc::clone(&job).run(host, connection));
            }
            let Ok(finished) = finished else { continue };
            progress.step();
            out.write_all(printer.print(&finished)?.as_bytes())?;
            out.flush()?;
            errors.write_all(&finished.errors)?;
            if let Err(Stop::Failed(failure)) = &finished.result {
                errors.write_all(failure.summary(Program::Winrm).as_bytes())?;
            }
        }
        out.write_all(printer.close().as_bytes())?;
        Ok::<_, Stop>(())
    });
    progress.unless_interrupted(all).await?;
    printer.finish(&mut errors)
}

/// Operation that every host runs.
struct HostJob {
    command: Command,
    settings: ClientSettings,
    input: Vec<u8>,
}

impl HostJob {
    async fn run(self: Rc<Self>, host: String, connection: Connection) -> HostResult {
        let format = match self.command.format {
            // The printer joins the items into one JSON object per host.
            Format::Json => Format::Ndjson,
            format => format,
        };
        let command = Command { connection, format, fleet: None, ..self.command.clone() };
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let mut input = Cursor::new(&self.input);
        let mut streams = Streams { out: &mut out, errors: &mut errors, input: &mut input };
        let result = run_one(&Screen::none(), command, &self.settings, &mut streams).await;
        HostResult { host, result, out, errors }
    }
}

/// Makes connections of the same user share one password source, so that a password is read or prompted for once.
pub(crate) fn with_shared_passwords(
    members: Vec<(String, Connection)>,
) -> impl Iterator<Item = (String, Connection)> {
    let mut sources: Vec<(String, PasswordSource)> = Vec::new();
    members.into_iter().map(move |(host, mut connection)| {
        if let Login::Password { user, password, .. } = &mut connection.login {
            match sources.iter().find(|(name, _)| name == user) {
                Some((_, shared)) => *password = shared.clone(),
                None => {
                    *password = password.clone().cached();
                    sources.push((user.clone(), password.clone()));
                }
            }
        }
        (host, connection)
    })
}

/// Combines the results of the hosts into one output.
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

    fn print(&mut self, finished: &HostResult) -> Result<String, Stop> {
        let text = std::str::from_utf8(&finished.out)
            .map_err(|error| Failure::here(Kind::Fault, format!("{}: {error}", finished.host)))?;
        let failure = match &finished.result {
            Err(Stop::Failed(failure)) => Some(failure),
            _ => None,
        };
        if let Some(failure) = failure {
            self.failed.push((finished.host.clone(), failure.kind()));
        }
        let is_first = self.hosts == 0;
        self.hosts += 1;
        Ok(match self.format {
            Format::Text => format!("== {}\n{text}", finished.host),
            Format::Xml | Format::Pretty => format!("<t:Host Name=\"{}\">\n{text}</t:Host>\n", finished.host),
            Format::Json | Format::Ndjson => {
                let before = match (self.format, is_first) {
                    (Format::Json, true) => "\n",
                    (Format::Json, false) => ",\n",
                    _ => "",
                };
                let behind = if self.format == Format::Ndjson { "\n" } else { "" };
                let results = text.lines().collect::<Vec<_>>().join(",");
                let host = Tree::from(finished.host.as_str()).json_line();
                let error = failure.map(|failure| format!(",\"error\":{}", error_of(failure).json_line()));
                let error = error.unwrap_or_default();
                format!("{before}{{\"host\":{host},\"results\":[{results}]{error}}}{behind}")
            }
            Format::Yaml => {
                let host = Tree::from(finished.host.as_str()).json_line();
                let results: String = text.lines().map(|line| format!("    {line}\n")).collect();
                let results =
                    if results.is_empty() { String::new() } else { format!("  results:\n{results}") };
                let error = failure.map(|failure| format!("  error: {}\n", error_of(failure).json_line()));
                format!("- host: {host}\n{results}{}", error.unwrap_or_default())
            }
        })
    }

    /// Prints a summary of failed hosts and returns the overall result.
    fn finish(self, errors: &mut dyn io::Write) -> Result<Completion, Stop> {
        let Some((_, first)) = self.failed.first() else { return Ok(Completion::Success) };
        let names: Vec<&str> = self.failed.iter().map(|(host, _)| host.as_str()).collect();
        let (failed, hosts) = (self.failed.len(), self.hosts);
        writeln!(errors, "winrm: {failed} of {hosts} hosts failed: {}", names.join(", "))?;
        // One exit status cannot represent several kinds of failure.
        let is_one_kind = self.failed.iter().all(|(_, kind)| kind == first);
        Ok(Completion::HostsFailed(if is_one_kind { *first } else { Kind::Fault }))
    }
}

fn error_of(failure: &Failure) -> Tree {
    let summary = failure.summary(Program::Winrm);
    let mut lines = summary.lines().map(str::trim);
    let what = lines.next().unwrap_or_default().trim_start_matches("winrm: ").to_owned();
    let way_out = lines.filter(|line| !line.starts_with('(')).map(Tree::from).collect();
    let code = failure.code().map(|code| ("code", Tree::Text(code.0.to_string())));
    let members = code.into_iter().chain([("what", Tree::Text(what)), ("way_out", Tree::List(way_out))]);
    Tree::Map(members.map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Maximum size of the input, in bytes.
const LARGEST: u64 = 16 * 1_024 * 1_024;
