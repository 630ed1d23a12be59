//! One command on several hosts: `-hosts`.

use std::future::Future;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{
    Command, CommandOptions, Console, FleetEvent, FleetHost, FleetStop, Interpreter, Output, Shell, run_fleet,
};
use tokio::time::{sleep, timeout};
use wsman::shell::CommandLine;

use super::fleet_output::{HostFailure, HostResult, Piece, Printer, Source};
use super::{Fleet, RemoteCommand};
use crate::failure::Failure;
use crate::program::Stop;
use crate::screen::{Progress, Screen};
use crate::session::RemoteService;
use crate::settings::ClientSettings;
use crate::winrm::with_shared_passwords;

/// Runs the command on all hosts, writes their output as it arrives and a summary to `errors`, and returns the exit
/// status. `interrupted` terminates the commands on the hosts.
pub(super) async fn run(
    screen: &Screen,
    command: RemoteCommand,
    fleet: Fleet,
    settings: &ClientSettings,
    interrupted: impl Future<Output = ()>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<i32, Stop> {
    let progress = Progress::new(screen, "hosts");
    progress.set_total(u64::try_from(fleet.members.len()).unwrap_or(u64::MAX));
    let names: Vec<String> = fleet.members.iter().map(|(name, _)| name.clone()).collect();
    let (mut out, mut errors) = (progress.clearing(out), progress.clearing(errors));
    let mut printer = Printer::new(names, fleet.format);
    let mut failed_output = None;
    let (settings, delegation) = (settings.clone(), command.delegation);
    let codes = command.exit_codes;
    let command = Arc::new(command);
    let running = run_fleet(
        with_shared_passwords(fleet.members),
        fleet.limits,
        interrupted,
        |(_, connection), host| {
            // The password is read here, so that it is prompted for once.
            let service = RemoteService::new(connection, &settings, delegation);
            run_on_host(service, Arc::clone(&command), host)
        },
        |event| {
            let written = match event {
                FleetEvent::Output(index, piece) => {
                    printer.piece(index, &piece, &mut out, &mut errors).map(|()| false)
                }
                FleetEvent::Ended(index, result) => {
                    progress.step();
                    printer.result(index, result, &mut out, &mut errors)
                }
            };
            match written {
                Ok(is_failed) => ControlFlow::Continue(is_failed),
                Err(error) => {
                    failed_output.get_or_insert(error);
                    ControlFlow::Break(())
                }
            }
        },
    );
    let summary = progress.during(running).await;
    if let Some(error) = failed_output {
        return Err(error.into());
    }
    printer.summary(&summary, &mut errors)?;
    match summary.stop {
        Some(FleetStop::Interrupted) => Err(Stop::Interrupted),
        _ => Ok(i32::from(printer.exit_status(&summary, codes))),
    }
}

/// Runs the command on one host. The shell is closed in any case, which terminates the command.
async fn run_on_host(
    service: Result<RemoteService, Failure>,
    command: Arc<RemoteCommand>,
    host: FleetHost<Piece, HostResult>,
) -> HostResult {
    let begun = Instant::now();
    let result = match service {
        Ok(service) => run_with(&service, &command, &host).await,
        Err(failure) => Err(failure.into()),
    };
    HostResult { result, elapsed: begun.elapsed() }
}

async fn run_with(
    service: &RemoteService,
    command: &RemoteCommand,
    host: &FleetHost<Piece, HostResult>,
) -> Result<i32, HostFailure> {
    let shell = tokio::select! {
        shell = service.session.shell(command.shell_options()) => {
            shell.map_err(|error| service.failure(error))?
        }
        reason = host.stopped() => return Err(HostFailure::Stopped(reason)),
    };
    let result = run_in(&shell, service, command, host).await;
    // A shell that cannot be closed expires after its IdleTimeout.
    let limit = if result.is_ok() { CLOSE_TIMEOUT } else { ABORT_TIMEOUT };
    let _ = timeout(limit, shell.close()).await;
    result
}

async fn run_in(
    shell: &Shell,
    service: &RemoteService,
    command: &RemoteCommand,
    host: &FleetHost<Piece, HostResult>,
) -> Result<i32, HostFailure> {
    let line = CommandLine { command: command.command_line.clone(), ..CommandLine::default() };
    let options = CommandOptions { console: Console::Pipe, interpreter: Interpreter::Used };
    let mut running = tokio::select! {
        started = shell.start(&line, options) => started.map_err(|error| service.failure(error))?,
        reason = host.stopped() => return Err(HostFailure::Stopped(reason)),
    };
    let result = tokio::select! {
        result = receive(&mut running, host) => result.map_err(|error| service.failure(error).into()),
        reason = host.stopped() => Err(HostFailure::Stopped(reason)),
    };
    let _ = timeout(ABORT_TIMEOUT, running.finish()).await;
    result
}

/// Reports the output of the command until it ends, and returns its exit code.
async fn receive(command: &mut Command, host: &FleetHost<Piece, HostResult>) -> Result<i32, client::Error> {
    let input = command.input();
    let closing = async {
        // Most commands end before, and need no request for the end of their input.
        sleep(CLOSE_INPUT_AFTER).await;
        // The command may have ended; its output gives the reason.
        let _ = input.close().await;
    };
    tokio::pin!(closing);
    let mut is_closed = false;
    loop {
        let output = tokio::select! {
            biased;
            output = command.next_output() => output?,
            () = &mut closing, if !is_closed => {
                is_closed = true;
                continue;
            }
        };
        let (source, bytes) = match output {
            Output::Stdout(bytes) => (Source::Stdout, bytes),
            Output::Stderr(bytes) => (Source::Stderr, bytes),
            Output::Done { exit_code } => return Ok(exit_code),
            _ => continue,
        };
        host.report(Piece { source, bytes }).await;
    }
}

/// Time after which the input of a command ends.
const CLOSE_INPUT_AFTER: Duration = Duration::from_millis(500);
/// Maximum time to close the shell after the command has ended.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum time to close the shell after a failure, and to release the command.
const ABORT_TIMEOUT: Duration = Duration::from_secs(2);
