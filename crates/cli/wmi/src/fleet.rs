//! `telarch wmi QUERY -hosts:LIST`: one query on many machines.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;

use cim::wql::{self, Query, Select};
use cim::{Class, Origin, Schema};
use cli::missing_source::omission_text;
use cli::program::Stop;
use cli::remote::{Machines, interrupted, summary_of_machines};
use cli::winrm::{Command, CommandRunner};
use cli::{ClientSettings, SavedHosts};
use cli_command::fleet::HostLimits;
use cli_command::{Failure, output};
use client::{FleetEvent, FleetHost, FleetLimits, FleetStop, run_fleet};

use super::arguments::Target;
use super::listing::{FIRST_ROWS, Listing};
use super::print::Printer;
use super::remote::{command_of, failure, row_of};
use super::row::Row;
use super::source::query_error;

/// Result of a query on one machine; the error is a message.
type HostResult = Result<(), String>;

/// Machine on which the query runs.
type Host = FleetHost<Shown, HostResult>;

/// Event of a query on one machine.
enum Shown {
    Row(Row),
    /// Message about a class that is missing in the result.
    Omitted(String),
}

/// Returns whether the switches select a list of machines.
pub(super) fn is_requested(target: &Target) -> bool {
    let mut names = target.switches.iter().map(|switch| switch.split(':').next().unwrap_or_default());
    names.any(|name| name.eq_ignore_ascii_case("-hosts"))
}

/// Runs a query on each machine, and prints the rows as they arrive, with the name of the machine in the column `Host`.
pub(super) fn run(
    target: &Target,
    query: &str,
    limits: HostLimits,
    printer: Printer,
) -> Result<String, Failure> {
    let job = Arc::new(Job::new(target, query)?);
    let Machines { members, parallel } = Machines::parse(&target.switches, &SavedHosts::of_this_process())?;
    let names: Vec<String> = members.iter().map(|(name, _)| name.clone()).collect();
    let HostLimits { host_time, total_time, max_failures } = limits;
    let parallel = parallel.and_then(NonZeroUsize::new).unwrap_or(FleetLimits::default().parallel);
    let limits = FleetLimits { parallel, host_time, total_time, max_failures };
    let (mut out, mut errors) = (output::out(), output::errors());
    let mut report = Report {
        out: &mut *out,
        errors: &mut errors,
        listing: printer.listing(job.columns(), FIRST_ROWS),
        names: &names,
        succeeded: 0,
    };
    let settings = ClientSettings::of_this_process();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut failed_output = None;
    let summary = runtime.block_on(run_fleet(
        members,
        limits,
        interrupted(),
        |(_, connection), host| {
            // The password is read here, so that it is prompted for once.
            let runner = CommandRunner::new(connection, &settings);
            let job = Arc::clone(&job);
            async move {
                tokio::select! {
                    result = job.run_on(runner, &host) => result,
                    reason = host.stopped() => Err(reason.to_string()),
                }
            }
        },
        |event| match report.event(event) {
            Ok(is_failed) => ControlFlow::Continue(is_failed),
            Err(error) => {
                failed_output.get_or_insert(error);
                ControlFlow::Break(())
            }
        },
    ));
    if let Some(error) = failed_output {
        return Err(error.into());
    }
    let succeeded = report.succeeded;
    report.finish()?;
    writeln!(output::errors(), "{}", summary_of_machines("telarch wmi", names.len(), succeeded, &summary))?;
    match summary.stop {
        Some(FleetStop::Interrupted) => Err(Failure::INTERRUPTED),
        _ if succeeded == names.len() => Ok(String::new()),
        _ => Err(Failure::Ended(1)),
    }
}

/// A query with what its rows need.
struct Job {
    command: Command,
    /// Built-in classes, for the types of values.
    schema: Schema,
    class: Option<Arc<Class>>,
    /// Names of the selected properties; `None` for all.
    selected: Option<Vec<String>>,
    is_of_classes: bool,
    origin: Origin,
}

impl Job {
    fn new(target: &Target, query: &str) -> Result<Self, Failure> {
        let parsed = wql::parse(query).map_err(|error| query_error(query, &error))?;
        let select: Option<&Select> = if let Query::Select(select) = &parsed { Some(select) } else { None };
        let schema = Schema::of(target.namespace.clone());
        let is_of_classes = select.is_some_and(Select::is_of_classes);
        let names = select.and_then(Select::names);
        let names = names.map(|names| names.iter().map(ToString::to_string).collect());
        let resource = format!("wmi/{}/*", target.namespace);
        let filter = format!("-filter:{query}");
        let mut command = *command_of(&["enumerate", &resource, &filter], &target.switches)?;
        command.fleet = None;
        Ok(Self {
            command,
            class: select.and_then(|select| schema.class(select.from.as_str())),
            selected: if is_of_classes { Some(vec![CLASS.to_owned()]) } else { names },
            is_of_classes,
            origin: Origin { server: String::new(), namespace: target.namespace.clone(), offset: 0 },
            schema,
        })
    }

    /// Returns the columns of the output: the machine, and the selected properties.
    fn columns(&self) -> Option<Vec<String>> {
        let selected = self.selected.as_ref()?;
        Some(std::iter::once(HOST.to_owned()).chain(selected.iter().cloned()).collect())
    }

    /// Runs the query on a machine. If the future is dropped, the enumeration is released in the background.
    async fn run_on(&self, runner: Result<CommandRunner, Stop>, host: &Host) -> HostResult {
        let message = |stop: Stop| failure(&stop, "").to_string();
        let runner = runner.map_err(message)?;
        let mut items = runner.enumerate(self.command.clone()).await.map_err(message)?;
        while let Some(item) = items.next().await {
            let row = self.row(item.map_err(|error| message(error.into()))?.element());
            host.report(Shown::Row(row)).await;
        }
        for omission in items.omissions() {
            host.report(Shown::Omitted(omission_text(&omission.source, &omission.reason))).await;
        }
        Ok(())
    }

    fn row(&self, item: xml::Element<'_>) -> Row {
        match item.attribute("", "NAME") {
            Some(name) if self.is_of_classes => vec![(CLASS.to_owned(), name.into_owned().into())],
            _ => row_of(&self.schema, item, self.class.as_ref(), self.selected.as_deref(), &self.origin),
        }
    }
}

/// Writer of rows and messages.
struct Report<'r> {
    out: &'r mut dyn Write,
    errors: &'r mut dyn Write,
    listing: Listing,
    names: &'r [String],
    succeeded: usize,
}

impl<'r> Report<'r> {
    /// Writes an event; returns whether a machine has failed.
    fn event(&mut self, event: FleetEvent<Shown, HostResult>) -> io::Result<bool> {
        match event {
            FleetEvent::Output(index, Shown::Row(mut row)) => {
                row.insert(0, (HOST.to_owned(), self.name(index).into()));
                self.out.write_all(self.listing.row(row).as_bytes())?;
                Ok(false)
            }
            FleetEvent::Output(index, Shown::Omitted(message)) => {
                writeln!(self.errors, "{}: {message}", self.name(index))?;
                Ok(false)
            }
            FleetEvent::Ended(index, Err(message)) => {
                writeln!(self.errors, "{}: {message}", self.name(index))?;
                Ok(true)
            }
            FleetEvent::Ended(_, Ok(())) => {
                self.succeeded += 1;
                self.out.flush()?;
                Ok(false)
            }
        }
    }

    /// Writes the end of the document.
    fn finish(self) -> io::Result<()> {
        let (rest, late) = self.listing.end();
        self.out.write_all(rest.as_bytes())?;
        self.out.flush()?;
        super::listing::warn_of_late(&late, self.errors)
    }

    fn name(&self, index: usize) -> &'r str {
        self.names.get(index).map_or("", String::as_str)
    }
}

/// Column with the name of the machine as typed.
const HOST: &str = "Host";
/// System property with the name of the class.
const CLASS: &str = "__CLASS";
