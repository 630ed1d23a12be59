//! Carries a command of `winrs` out.

use std::io::{IsTerminal, Read, Write};
use std::time::Duration;

use client::{CommandOptions, Console, Interpreter, Output, Shell, ShellOptions, Stdin};
use rustix::termios::{LocalModes, OptionalActions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use wsman::shell::{CommandLine, SignalCode};

use super::{Echo, Profile, RemoteCommand};
use crate::failure::{Failure, Kind};
use crate::program::Stop;
use crate::screen::{Progress, Screen};
use crate::session::Service;
use crate::settings::ClientSettings;
use crate::terminal::Quieted;

/// Runs the command with the standard input of this process, where there is no terminal; returns its exit code.
///
/// # Errors
/// As [`run_on`].
pub async fn run(
    command: RemoteCommand,
    settings: &ClientSettings,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<i32, Stop> {
    run_on(&Screen::none(), command, settings, out, errors).await
}

/// Runs the command with the standard input of this process; returns its exit code. A shell that takes longer than two
/// seconds to open shows that it is waited for; after that the terminal is the command's.
///
/// # Errors
/// [`Stop`]; the shell is closed then too, as far as that is possible.
pub async fn run_on(
    screen: &Screen,
    command: RemoteCommand,
    settings: &ClientSettings,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<i32, Stop> {
    let mut interrupts = Interrupts::new()?;
    let service = Service::new(command.connection, settings, command.delegation)?;
    let options = ShellOptions {
        environment: command.environment,
        directory: command.directory,
        profile: match command.profile {
            Profile::Loaded => client::Profile::Loaded,
            Profile::Skipped => client::Profile::Skipped,
        },
        ..ShellOptions::default()
    };
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
    let typing = std::io::stdin().is_terminal();
    let _quiet = (typing && command.echo == Echo::Hidden)
        .then(|| Quieted::without(LocalModes::ECHO, std::io::stdin(), OptionalActions::Now))
        .transpose()?;
    let console = if typing { Console::Console } else { Console::Pipe };
    let mut conversation =
        Conversation { service: &service, shell: &shell, interrupts: &mut interrupts, out, errors };
    let outcome = conversation.run(&command.command_line, console).await;
    close(shell, &outcome, &mut interrupts).await;
    outcome
}

/// Closes the shell, so that it does not count against a quota until it is given up as idle.
async fn close(shell: Shell, outcome: &Result<i32, Stop>, interrupts: &mut Interrupts) {
    let patience = if outcome.is_ok() { PATIENCE } else { IMPATIENCE };
    // A shell that cannot be closed ends by itself after its IdleTimeout.
    tokio::select! {
        _ = timeout(patience, shell.close()) => {}
        () = interrupts.end() => {}
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
/// How long someone waits who wants the program to end.
const IMPATIENCE: Duration = Duration::from_secs(2);

/// A command, its streams, and the one who interrupts it.
struct Conversation<'c> {
    service: &'c Service,
    shell: &'c Shell,
    interrupts: &'c mut Interrupts,
    out: &'c mut dyn Write,
    errors: &'c mut dyn Write,
}

impl Conversation<'_> {
    async fn run(&mut self, line: &str, console: Console) -> Result<i32, Stop> {
        let line = CommandLine { command: line.to_owned(), ..CommandLine::default() };
        let options = CommandOptions { console, interpreter: Interpreter::Used };
        let mut command = tokio::select! {
            started = self.shell.start(&line, options) => started.map_err(|error| self.service.failure(error))?,
            () = self.interrupts.end() => return Err(Stop::Interrupted),
        };
        let (ended, feeding_ends) = oneshot::channel();
        let feeding = tokio::spawn(feed(command.input(), typed(), feeding_ends));
        let outcome = self.receive(&mut command).await;
        drop(ended);
        // A Send that is on its way must not reach the service after the Delete of its shell.
        let _ = timeout(IMPATIENCE, feeding).await;
        let exit_code = outcome?;
        // The exit code is known, so a failure to release the command is not a failure of the command.
        let _ = timeout(IMPATIENCE, command.finish()).await;
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
                        Output::Stdout(octets) => pass_on(&octets, self.out)?,
                        Output::Stderr(octets) => pass_on(&octets, self.errors)?,
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
                    // Output must go on while the signal is on its way; a command that has ended needs none.
                    tokio::spawn(async move { signaller.signal(code).await });
                }
                _ => return Err(Stop::Interrupted),
            }
        }
    }
}

/// Passes on output of the remote command as it is, as `ssh` does: it is the byte stream of a program that the user has
/// chosen to run, and may steer the terminal. Everything else that `winrs` prints is harmless.
fn pass_on(octets: &[u8], to: &mut dyn Write) -> Result<(), Stop> {
    to.write_all(octets)?;
    Ok(to.flush()?)
}

/// Sends standard input to the command, and its end, until the command has ended. Requests are never abandoned halfway.
async fn feed(mut stdin: Stdin, mut typed: mpsc::Receiver<Vec<u8>>, mut ended: oneshot::Receiver<()>) {
    loop {
        let typed = tokio::select! {
            biased;
            _ = &mut ended => return,
            typed = typed.recv() => typed,
        };
        let Some(bytes) = typed else { break };
        if stdin.write(&bytes).await.is_err() {
            return; // The command has ended; its output gives the reason.
        }
    }
    let _ = stdin.close().await;
}

/// Reads standard input on a thread of its own, which nobody waits for: a read cannot be cancelled.
fn typed() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut octets = vec![0; 64 * 1_024];
        while let Ok(count @ 1..) = input.read(&mut octets) {
            let piece = octets.get(..count).unwrap_or_default().to_vec();
            if sender.blocking_send(piece).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Signals to this process.
struct Interrupts {
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::here(Kind::Usage, format!("cannot wait for signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// The signal to hand on to the command, or none if this process is to end.
    async fn next(&mut self) -> Option<SignalCode> {
        tokio::select! {
            _ = self.interrupt.recv() => Some(SignalCode::CtrlC),
            _ = self.quit.recv() => Some(SignalCode::CtrlBreak),
            _ = self.terminate.recv() => None,
            _ = self.hang_up.recv() => None,
        }
    }

    /// Any signal.
    async fn end(&mut self) {
        self.next().await;
    }
}
