//! Output of a command on several hosts: prefixed lines or JSON objects, and a summary that groups equal results.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use client::{FleetStop, FleetSummary};

use super::FleetFormat;
use crate::failure::{ExitCodes, Failure, Kind};
use crate::format::Tree;
use crate::remote::message;

/// Part of the output of a command.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) source: Source,
    pub(super) bytes: Vec<u8>,
}

/// Stream of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    Stdout,
    Stderr,
}

/// Result of one host.
#[derive(Debug)]
pub(super) struct HostResult {
    /// Exit code of the command.
    pub(super) result: Result<i32, HostFailure>,
    /// Time between the first request and the end.
    pub(super) elapsed: Duration,
}

/// Reason why a host has no exit code.
#[derive(Debug)]
pub(super) enum HostFailure {
    /// A request failed.
    Failed(Box<Failure>),
    /// A limit or an interrupt ended the command.
    Stopped(FleetStop),
}

impl From<Failure> for HostFailure {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

/// Printer of output and results.
pub(super) struct Printer {
    /// Names of the hosts by their places.
    names: Vec<String>,
    format: FleetFormat,
    /// Beginnings of lines; a host that has ended has none.
    partial: HashMap<(usize, Source), Vec<u8>>,
    /// Hosts of each result, in the order in which the results first occurred.
    groups: Vec<(String, Vec<usize>)>,
    succeeded: usize,
    /// Kinds of the failures of hosts; `None` for a command that failed.
    failures: Vec<Option<Kind>>,
}

impl Printer {
    pub(super) fn new(names: Vec<String>, format: FleetFormat) -> Self {
        let (partial, groups, failures) = (HashMap::new(), Vec::new(), Vec::new());
        Self { names, format, partial, groups, succeeded: 0, failures }
    }

    /// Writes the complete lines of a piece, each with the name of the host.
    pub(super) fn piece(
        &mut self,
        index: usize,
        piece: &Piece,
        out: &mut dyn Write,
        errors: &mut dyn Write,
    ) -> io::Result<()> {
        let key = (index, piece.source);
        let mut text = self.partial.remove(&key).unwrap_or_default();
        text.extend_from_slice(&piece.bytes);
        let complete = match text.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            // A line without an end must not grow without a limit.
            None if text.len() > LONGEST_LINE => text.len(),
            None => 0,
        };
        let rest = text.split_off(complete);
        if !rest.is_empty() {
            self.partial.insert(key, rest);
        }
        if text.is_empty() {
            return Ok(());
        }
        self.lines(key, &text, out, errors)
    }

    fn lines(
        &self,
        (index, source): (usize, Source),
        text: &[u8],
        out: &mut dyn Write,
        errors: &mut dyn Write,
    ) -> io::Result<()> {
        let name = self.name(index);
        let mut written = Vec::new();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        for line in text.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match self.format {
                FleetFormat::Text => {
                    written.extend_from_slice(name.as_bytes());
                    written.extend_from_slice(b": ");
                    written.extend_from_slice(line);
                    written.push(b'\n');
                }
                FleetFormat::Ndjson => {
                    let stream = match source {
                        Source::Stdout => "stdout",
                        Source::Stderr => "stderr",
                    };
                    let line = json(&String::from_utf8_lossy(line));
                    writeln!(written, "{{\"host\":{},\"stream\":\"{stream}\",\"line\":{line}}}", json(name))?;
                }
            }
        }
        if (self.format, source) == (FleetFormat::Text, Source::Stderr) {
            errors.write_all(&written)?;
            return errors.flush();
        }
        out.write_all(&written)?;
        out.flush()
    }

    /// Writes the rest of the output and the result of a host; returns whether it failed.
    pub(super) fn result(
        &mut self,
        index: usize,
        HostResult { result, elapsed }: HostResult,
        out: &mut dyn Write,
        errors: &mut dyn Write,
    ) -> io::Result<bool> {
        for source in [Source::Stdout, Source::Stderr] {
            if let Some(rest) = self.partial.remove(&(index, source)) {
                self.lines((index, source), &rest, out, errors)?;
            }
        }
        let name = self.name(index).to_owned();
        let (group, failure, kind) = match &result {
            Ok(code) => (format!("exit code {code}"), None, None),
            Err(HostFailure::Stopped(reason)) => {
                (reason.to_string(), Some(reason.to_string()), Some(Kind::Timeout))
            }
            Err(HostFailure::Failed(failure)) => {
                let message = message(failure);
                (short(failure, &message, &name), Some(message), Some(failure.kind()))
            }
        };
        match (&failure, self.format) {
            (Some(message), FleetFormat::Text) => writeln!(errors, "{name}: {message}")?,
            (None, FleetFormat::Text) => {}
            (_, FleetFormat::Ndjson) => {
                let end = match (&result, &failure) {
                    (Ok(code), _) => format!("\"exit_code\":{code}"),
                    (_, message) => format!("\"error\":{}", json(message.as_deref().unwrap_or_default())),
                };
                let seconds = elapsed.as_secs_f64();
                writeln!(out, "{{\"host\":{},{end},\"seconds\":{seconds:.3}}}", json(&name))?;
                out.flush()?;
            }
        }
        match self.groups.iter_mut().find(|(text, _)| *text == group) {
            Some((_, members)) => members.push(index),
            None => self.groups.push((group, vec![index])),
        }
        let is_success = matches!(result, Ok(0));
        if is_success {
            self.succeeded += 1;
        } else {
            self.failures.push(kind);
        }
        Ok(!is_success)
    }

    /// Writes the number of hosts with each result, and their names.
    pub(super) fn summary(&self, fleet: &FleetSummary, errors: &mut dyn Write) -> io::Result<()> {
        let (hosts, failed) = (self.names.len(), self.failures.len());
        let mut text = format!("winrs: {hosts} hosts: {} succeeded, {failed} failed", self.succeeded);
        if fleet.not_started > 0 {
            text += &format!(", {} not started", fleet.not_started);
        }
        text.push('\n');
        for (result, members) in &self.groups {
            let names: Vec<&str> = members.iter().take(MOST_NAMES).map(|index| self.name(*index)).collect();
            let more = members.len().saturating_sub(MOST_NAMES);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            text += &format!("  {result} ({}): {}{more}\n", members.len(), names.join(", "));
        }
        errors.write_all(text.as_bytes())
    }

    /// Returns the exit status: 0 if the command succeeded everywhere. One status cannot represent several failures.
    pub(super) fn exit_status(&self, fleet: &FleetSummary, codes: ExitCodes) -> u8 {
        match self.failures.first() {
            None if fleet.not_started == 0 => 0,
            Some(Some(kind)) if self.failures.iter().all(|other| *other == Some(*kind)) => {
                kind.exit_status(codes).max(1)
            }
            _ => 1,
        }
    }

    fn name(&self, index: usize) -> &str {
        self.names.get(index).map(String::as_str).unwrap_or_default()
    }
}

/// Returns a failure without the name of its host, so that equal failures of several hosts are one group.
fn short(failure: &Failure, message: &str, host: &str) -> String {
    match (failure.explanation(), failure.cause()) {
        (Some(what), Some(cause)) => format!("{what}: {cause}"),
        (Some(what), None) => what.to_owned(),
        (None, _) => message.lines().next().unwrap_or_default().replace(host, "HOST"),
    }
}

fn json(text: &str) -> String {
    Tree::from(text).json_line()
}

/// Maximum size of an incomplete line in bytes; a longer one is written in parts.
const LONGEST_LINE: usize = 64 * 1_024;
/// Maximum number of host names for each result in the summary.
const MOST_NAMES: usize = 10;
