//! Output of scripts: text, JSON or CLIXML, of one machine or of many.

use std::collections::HashMap;
use std::io::{self, Write};

use cli::remote::summary_of_machines;
use client::{FleetStop, FleetSummary, PipelineEvent};
use psrp::clixml::{Value, write};
use serde_json::{Value as Json, json};

use super::arguments::Output;
use super::json;
use super::text;

/// Part of the output of a machine.
#[derive(Debug)]
pub(super) enum Shown {
    /// Record of a pipeline.
    Event(PipelineEvent),
    /// Text of the host for standard output.
    Text(String),
    /// Text of the host for standard error.
    ErrorText(String),
}

/// Result of a machine.
#[derive(Debug)]
pub(super) enum HostResult {
    /// The script has ended.
    Ended {
        /// Exit status.
        status: u8,
        /// Error that ended the script.
        error: Option<String>,
    },
    /// A limit or an interrupt has stopped the script.
    Stopped(FleetStop),
    /// The script could not be run.
    Failed(String),
}

/// Machines whose names are shown with their output; `None` for one machine.
pub(super) type Names = Option<Vec<String>>;

/// Printer of output and results.
pub(super) struct Printer<'w> {
    out: &'w mut dyn Write,
    errors: &'w mut dyn Write,
    names: Names,
    output: Output,
    objects: usize,
    /// Text of the host without the end of its line, for each machine.
    partial: HashMap<usize, String>,
    /// Machines of each result, in the order in which the results first occurred.
    groups: Vec<(String, Vec<usize>)>,
    /// Exit status of the only machine, or 1 if a machine failed.
    status: u8,
}

impl<'w> Printer<'w> {
    pub(super) fn new(
        out: &'w mut dyn Write,
        errors: &'w mut dyn Write,
        names: Names,
        output: Output,
    ) -> Self {
        let (partial, groups) = (HashMap::new(), Vec::new());
        Self { out, errors, names, output, objects: 0, partial, groups, status: 0 }
    }

    /// Writes the beginning of the document.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        match self.output {
            Output::Json => self.out.write_all(b"["),
            Output::Clixml => self.out.write_all(CLIXML_BEGIN.as_bytes()),
            Output::Table | Output::Jsonl => Ok(()),
        }
    }

    /// Writes a part of the output.
    pub(super) fn show(&mut self, index: usize, shown: Shown) -> io::Result<()> {
        match shown {
            Shown::Event(PipelineEvent::Output(value)) => self.object(index, &value),
            Shown::Event(PipelineEvent::Error(record)) => self.error_line(index, &text::of_error(&record)),
            Shown::Event(PipelineEvent::Warning(record)) => {
                self.error_line(index, &format!("WARNING: {}", record.message))
            }
            Shown::Event(PipelineEvent::Verbose(record)) => {
                self.error_line(index, &format!("VERBOSE: {}", record.message))
            }
            Shown::Event(PipelineEvent::Debug(record)) => {
                self.error_line(index, &format!("DEBUG: {}", record.message))
            }
            Shown::Event(PipelineEvent::Information(record)) => {
                self.error_line(index, &text::of_value(&record.data))
            }
            Shown::Event(_) => Ok(()),
            Shown::Text(text) => self.host_text(index, &text),
            Shown::ErrorText(text) => self.error_line(index, text.trim_end_matches('\n')),
        }
    }

    fn object(&mut self, index: usize, value: &Value) -> io::Result<()> {
        self.objects += 1;
        match self.output {
            Output::Table => self.line(index, &text::of_value(value)),
            Output::Jsonl => {
                let object = self.with_name(index, json::of(value));
                writeln!(self.out, "{object}")?;
                self.out.flush()
            }
            Output::Json => {
                let comma = if self.objects == 1 { "\n" } else { ",\n" };
                let object = self.with_name(index, json::of(value));
                write!(self.out, "{comma}{object}")
            }
            Output::Clixml => {
                let markup = write(value).map_err(io::Error::other)?;
                self.out.write_all(&markup)?;
                self.out.write_all(b"\n")
            }
        }
    }

    /// Returns the object, together with the name of its machine if there are several.
    fn with_name(&self, index: usize, object: Json) -> Json {
        match self.name(index) {
            Some(name) => json!({ "host": name, "output": object }),
            None => object,
        }
    }

    /// Writes text of the host; in the formats for programs, it goes to standard error.
    fn host_text(&mut self, index: usize, text: &str) -> io::Result<()> {
        if self.name(index).is_none() {
            let to: &mut dyn Write = if self.output == Output::Table { self.out } else { self.errors };
            to.write_all(text.as_bytes())?;
            return to.flush();
        }
        let whole = self.partial.remove(&index).unwrap_or_default() + text;
        let (lines, rest) =
            whole.rsplit_once('\n').map_or(("", whole.as_str()), |(lines, rest)| (lines, rest));
        if whole.contains('\n') {
            match self.output {
                Output::Table => self.line(index, lines)?,
                _ => self.error_line(index, lines)?,
            }
        }
        if rest.len() > LONGEST_LINE {
            return self.line(index, rest);
        }
        if !rest.is_empty() {
            self.partial.insert(index, rest.to_owned());
        }
        Ok(())
    }

    fn line(&mut self, index: usize, text: &str) -> io::Result<()> {
        let prefix = self.prefix(index);
        for line in text.split('\n') {
            writeln!(self.out, "{prefix}{}", line.trim_end_matches('\r'))?;
        }
        self.out.flush()
    }

    fn error_line(&mut self, index: usize, text: &str) -> io::Result<()> {
        let prefix = self.prefix(index);
        for line in text.split('\n') {
            writeln!(self.errors, "{prefix}{}", line.trim_end_matches('\r'))?;
        }
        self.errors.flush()
    }

    /// Writes the result of a machine; returns whether it failed.
    pub(super) fn result(&mut self, index: usize, result: HostResult) -> io::Result<bool> {
        if let Some(rest) = self.partial.remove(&index) {
            self.line(index, &rest)?;
        }
        let (group, status) = match result {
            HostResult::Ended { status, error } => {
                if let Some(error) = error {
                    self.error_line(index, &error)?;
                }
                (format!("exit status {status}"), status)
            }
            HostResult::Stopped(reason) => {
                self.error_line(index, &reason.to_string())?;
                (reason.to_string(), STOPPED)
            }
            HostResult::Failed(message) => {
                let program = if self.names.is_none() { "telarch: " } else { "" };
                self.error_line(index, &format!("{program}{message}"))?;
                let name = self.name(index).unwrap_or_default();
                let first = message.lines().next().unwrap_or_default();
                (if name.is_empty() { first.to_owned() } else { first.replace(name, "HOST") }, 1)
            }
        };
        match self.groups.iter_mut().find(|(text, _)| *text == group) {
            Some((_, members)) => members.push(index),
            None => self.groups.push((group, vec![index])),
        }
        self.status = if self.names.is_none() { status } else { self.status.max(u8::from(status != 0)) };
        Ok(status != 0)
    }

    /// Writes the end of the document, and for many machines the number and names of those with each result. Returns
    /// the exit status.
    pub(super) fn finish(mut self, summary: &FleetSummary) -> io::Result<u8> {
        match self.output {
            Output::Json => self.out.write_all(if self.objects == 0 { b"]\n" } else { b"\n]\n" })?,
            Output::Clixml => self.out.write_all(b"</Objs>\n")?,
            Output::Table | Output::Jsonl => {}
        }
        self.out.flush()?;
        let Some(names) = &self.names else { return Ok(self.status) };
        let succeeded = self.groups.iter().find(|(text, _)| text == "exit status 0");
        let succeeded = succeeded.map_or(0, |(_, members)| members.len());
        let mut text = summary_of_machines("telarch pwsh", names.len(), succeeded, summary);
        if summary.not_started > 0 {
            self.status = self.status.max(1);
        }
        for (result, members) in &self.groups {
            let shown: Vec<&str> =
                members.iter().take(MOST_NAMES).filter_map(|index| self.name(*index)).collect();
            let more = members.len().saturating_sub(MOST_NAMES);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            text += &format!("\n  {result} ({}): {}{more}", members.len(), shown.join(", "));
        }
        writeln!(self.errors, "{text}")?;
        Ok(self.status)
    }

    fn name(&self, index: usize) -> Option<&str> {
        self.names.as_ref()?.get(index).map(String::as_str)
    }

    fn prefix(&self, index: usize) -> String {
        self.name(index).map(|name| format!("{name}: ")).unwrap_or_default()
    }
}

/// Beginning of a file for Import-Clixml.
const CLIXML_BEGIN: &str =
    "<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">\n";
/// Exit status of a stopped script.
pub(super) const STOPPED: u8 = 3;
/// Maximum size of an incomplete line of a machine in bytes; a longer one is written in parts.
const LONGEST_LINE: usize = 64 * 1_024;
/// Maximum number of names for each result in the summary.
const MOST_NAMES: usize = 10;
