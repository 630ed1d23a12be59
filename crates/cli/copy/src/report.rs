//! Output of `telarch cp`.

use std::io::{self, Write};

use cli::remote::summary_of_machines;
use cli_command::format::Format;
use client::FleetSummary;
use copy::{Copied, CopiedTree};
use serde_json::{Value as Json, json};

use super::state::Skipped;

/// Results of the copies to or from one machine.
#[derive(Debug, Default)]
pub(super) struct HostResult {
    /// Description of the carrier; `None` if there was none.
    pub(super) carrier: Option<&'static str>,
    pub(super) files: Vec<CopiedFile>,
    pub(super) trees: Vec<CopiedDirectory>,
    pub(super) errors: Vec<String>,
    pub(super) skipped: Skipped,
}

/// Copied file with its source as typed.
#[derive(Debug)]
pub(super) struct CopiedFile {
    pub(super) source: String,
    pub(super) copied: Copied,
}

/// Copied directory with its source as typed.
#[derive(Debug)]
pub(super) struct CopiedDirectory {
    pub(super) source: String,
    pub(super) copied: CopiedTree,
}

impl HostResult {
    pub(super) fn failed(message: String) -> Self {
        Self { errors: vec![message], ..Self::default() }
    }
}

/// Writer of results.
pub(super) struct Report<'a> {
    out: &'a mut dyn Write,
    errors: &'a mut dyn Write,
    names: Vec<String>,
    /// Whether messages begin with the name of the machine.
    has_names: bool,
    format: Format,
    is_verbose: bool,
    results: Vec<Json>,
    succeeded: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(
        out: &'a mut dyn Write,
        errors: &'a mut dyn Write,
        names: Vec<String>,
        has_names: bool,
        format: Format,
        is_verbose: bool,
    ) -> Self {
        Self { out, errors, names, has_names, format, is_verbose, results: Vec::new(), succeeded: 0 }
    }

    /// Writes the results of a machine; returns whether a copy failed.
    pub(super) fn result(&mut self, index: usize, result: &HostResult) -> io::Result<bool> {
        let name = self.names.get(index).cloned().unwrap_or_default();
        let prefix = if self.has_names { format!("{name}: ") } else { "telarch: ".to_owned() };
        let more = (result.skipped.more > 0).then(|| format!("skipped {} more entries", result.skipped.more));
        for text in result.errors.iter().chain(&result.skipped.messages).chain(&more) {
            writeln!(self.errors, "{prefix}{text}")?;
        }
        if self.format == Format::Json {
            self.results.push(json_of(&name, result));
        } else if self.is_verbose {
            let prefix = if self.has_names { prefix.as_str() } else { "" };
            let carrier = result.carrier.unwrap_or_default();
            for CopiedFile { source, copied: Copied { path, size, found, sha256 } } in &result.files {
                let resumed = if *found > 0 { format!(", resumed at {found}") } else { String::new() };
                writeln!(
                    self.out,
                    "{prefix}{source} -> {path} ({size} bytes{resumed}, by {carrier}, SHA-256 {sha256})"
                )?;
            }
            for CopiedDirectory { source, copied: CopiedTree { path, files, size, .. } } in &result.trees {
                writeln!(self.out, "{prefix}{source} -> {path} ({files} files, {size} bytes, by {carrier})")?;
            }
            self.out.flush()?;
        }
        let is_failed = !result.errors.is_empty();
        self.succeeded += usize::from(!is_failed);
        Ok(is_failed)
    }

    /// Writes the end of the document, and for many machines how many have succeeded. Returns whether all have.
    pub(super) fn finish(self, summary: &FleetSummary) -> io::Result<bool> {
        let is_complete = self.succeeded == self.names.len();
        if self.format == Format::Json {
            let document = Json::Array(self.results);
            writeln!(self.out, "{document:#}")?;
        }
        if self.has_names {
            let text = summary_of_machines("telarch cp", self.names.len(), self.succeeded, summary);
            writeln!(self.errors, "{text}")?;
        }
        Ok(is_complete)
    }
}

fn json_of(name: &str, result: &HostResult) -> Json {
    let files = result.files.iter().map(|CopiedFile { source, copied }| {
        let Copied { path, size, found, sha256 } = copied;
        json!({ "source": source, "path": path, "size": size, "resumedAt": found, "sha256": sha256 })
    });
    let trees = result.trees.iter().map(|CopiedDirectory { source, copied }| {
        let CopiedTree { path, files, size, .. } = copied;
        json!({ "source": source, "path": path, "files": files, "size": size })
    });
    json!({
        "host": name,
        "carrier": result.carrier,
        "files": files.collect::<Vec<_>>(),
        "directories": trees.collect::<Vec<_>>(),
        "errors": result.errors,
        "skipped": result.skipped.messages,
    })
}
