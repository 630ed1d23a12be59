//! Execution of a `winrs` command.

use std::io::{IsTerminal, Read, Write};
use std::time::Duration;

use client::{CommandOptions, Console, Interpreter, Output, Shell, Stdin};
use rustix::termios::{LocalModes, OptionalActions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use wsman::shell::{CommandLine, SignalCode};

use super::{Echo, RemoteCommand, fleet};
use crate::failure::{Failure, Kind};
use crate::program::Stop;
use crate::screen::{Progress, Screen};
use crate::session::RemoteService;
use crate::settings::ClientSettings;
use crate::terminal::ModeGuard;

/// Runs the command with the standard input of this process, without a progress line, and returns its exit code.
///
/// # Errors
/// [`Stop`] if the command cannot be run, or if it is interrupted. The shell is closed if possible.
pub async fn run(
    command: RemoteCommand,
    settings: &ClientSettings,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<i32, Stop> {
    run_on(&Screen::none(), command, settings, out, errors).await
}

/// Runs the command with the standard input of this process and returns its exit code. A progress line is shown only
/// while the shell is opened; afterwards, the command uses the terminal.
///
/// # Errors
/// [`Stop`] if the command cannot be run, or if it is interrupted. The shell is closed if possible.
pub async fn run_on(
    screen: &Screen,
    command: RemoteCommand,
    settings: &ClientSettings,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<i32, Stop> {
    let mut interrupts = Interrupts::new()?;
    if let Some(fleet) = command.fleet.clone() {
        return fleet::run(screen, command, fleet, settings, interrupts.end(), out, errors).await;
    }
    let options = command.shell_options();
    let service = RemoteService::new(command.connection, settings, command.delegation)?;
    let progress = Progress::new(screen, service.host());
    let shell = tokio::select! {
        shell = progress.during(service.session.shell(options)) => {
            shell.map_err(|error| service.failure(error))?
        }
        () = interrupts.end() => {
            progress.clear();
            return Err(Stop::Interrupted);
        }
    };
    if let Some(note) = service.scheme_note() {
        writeln!(errors, "winrs: {note}")?;
    }
    let typing = std::io::stdin().is_terminal();
    let _no_echo = (typing && command.echo == Echo::Hidden)
        .then(|| ModeGuard::disable(LocalModes::ECHO, std::io::stdin(), OptionalActions::Now))
        .transpose()?;
    let console = if typing { Console::Console } else { Console::Pipe };
    let mut running =
        RunningCommand { service: &service, shell: &shell, interrupts: &mut interrupts, out, errors };
    let outcome = running.run(&command.command_line, console).await;
    close(shell, &outcome, &mut interrupts).await;
    outcome
}

/// Closes the shell, so that it does not count against the quota until its idle timeout.
async fn close(shell: Shell, outcome: &Result<i32, Stop>, interrupts: &mut Interrupts) {
    let limit = if outcome.is_ok() { CLOSE_TIMEOUT } else { ABORT_TIMEOUT };
    // A shell that cannot be closed expires after its IdleTimeout.
    tokio::select! {
        _ = timeout(limit, shell.close()) => {}
        () = interrupts.end() => {}
    }
}

/// Maximum time to close the shell after the command has ended.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum time to close the shell after an interrupt or failure, and to release the command.
const ABORT_TIMEOUT: Duration = Duration::from_secs(2);

/// A command with its streams and signals.
struct RunningCommand<'c> {
    service: &'c RemoteService,
    shell: &'c Shell,
    interrupts: &'c mut Interrupts,
    out: &'c mut dyn Write,
    errors: &'c mut dyn Write,
}

impl RunningCommand<'_> {
    async fn run(&mut self, line: &str, console: Console) -> Result<i32, Stop> {
        let line = CommandLine { command: line.to_owned(), ..CommandLine::default() };
        let options = CommandOptions { console, interpreter: Interpreter::Used };
        let mut command = tokio::select! {
            started = self.shell.start(&line, options) => started.map_err(|error| self.service.failure(error))?,
            () = self.interrupts.end() => return Err(Stop::Interrupted),
        };
        let (ended, feeding_ends) = oneshot::channel();
        let feeding = tokio::spawn(send_input(command.input(), read_stdin(), feeding_ends));
        let outcome = self.receive(&mut command).await;
        drop(ended);
        // A Send that is on its way must not reach the service after the Delete of its shell.
        let _ = timeout(ABORT_TIMEOUT, feeding).await;
        let exit_code = outcome?;
        // The exit code is known, so a failure to release the command is not a failure of the command.
        let _ = timeout(ABORT_TIMEOUT, command.finish()).await;
        Ok(exit_code)
    }

    /// Writes the output of the command until it ends, and returns its exit code.
    async fn receive(&mut self, command: &mut client::Command) -> Result<i32, Stop> {
        let signaller = command.signaller();
        let mut was_interrupted = false;
        loop {
            let code = tokio::select! {
                output = command.next_output() => {
                    match output.map_err(|error| self.service.failure(error))? {
                        Output::Stdout(octets) => write_output(&octets, self.out)?,
                        Output::Stderr(octets) => write_output(&octets, self.errors)?,
                        Output::Done { exit_code } => return Ok(exit_code),
                        _ => {}
                    }
                    continue;
                }
                code = self.interrupts.next() => code,
            };
            match code {
                Some(code) if !was_interrupted => {
                    was_interrupted = true;
                    let signaller = signaller.clone();
                    // Send the signal in a task, so that output continues. An error means that the command has ended.
                    tokio::spawn(async move { signaller.signal(code).await });
                }
                _ => return Err(Stop::Interrupted),
            }
        }
    }
}

/// Writes output of the remote command unchanged, like `ssh`: it is the byte stream of a program that the user has
/// chosen to run and may control the terminal. All other output of `winrs` is filtered.
fn write_output(bytes: &[u8], to: &mut dyn Write) -> Result<(), Stop> {
    to.write_all(bytes)?;
    Ok(to.flush()?)
}

/// Sends standard input to the command, and its end, until the command has ended. Requests are never abandoned halfway.
async fn send_input(mut stdin: Stdin, mut input: mpsc::Receiver<Vec<u8>>, mut ended: oneshot::Receiver<()>) {
    loop {
        let piece = tokio::select! {
            biased;
            _ = &mut ended => return,
            piece = input.recv() => piece,
        };
        let Some(bytes) = piece else { break };
        if stdin.write(&bytes).await.is_err() {
            return; // The command has ended; its output gives the reason.
        }
    }
    let _ = stdin.close().await;
}

/// Reads standard input on a detached thread, because a blocking read cannot be cancelled.
fn read_stdin() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut buffer = vec![0; 64 * 1_024];
        while let Ok(count @ 1..) = input.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or_default().to_vec();
            if sender.blocking_send(bytes).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Signals sent to this process.
struct Interrupts {
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    fn new() -> Result<Self, Failure> {
        Self::register()
            .map_err(|error| Failure::here(Kind::Usage, format!("cannot wait for signals: {error}")))
    }

    fn register() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal; returns the signal to forward to the command, or `None` if this process must end.
    async fn next(&mut self) -> Option<SignalCode> {
        tokio::select! {
            _ = self.interrupt.recv() => Some(SignalCode::CtrlC),
            _ = self.quit.recv() => Some(SignalCode::CtrlBreak),
            _ = self.terminate.recv() => None,
            _ = self.hang_up.recv() => None,
        }
    }

    /// Waits for any signal.
    async fn end(&mut self) {
        self.next().await;
    }
}
