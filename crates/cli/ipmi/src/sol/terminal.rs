//! The serial console on the terminal of the user.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::time::Duration;

use cli::terminal::RawTerminal;
use ipmi::proto::serial::SerialEvent;
use ipmi::proto::{Login, Privilege, Timing};
use ipmi::{Connection, Console};
use tokio::sync::mpsc;

use super::super::export::termination_signal;
use super::super::hosts::Host;
use super::super::targets::Targets;
use super::super::{parallel, sign_in};
use super::escape::{Escapes, Input};
use cli_command::Failure;

/// Connects the terminal to the console until the user types `~.` or the controller closes the console.
pub(in super::super) fn run(targets: Targets) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::failed("sol requires a terminal", "run it in a terminal, or in tmux"));
    }
    let login = sign_in::login(&targets, Privilege::User)?;
    let timing = Timing { limit: targets.limit, ..Timing::default() };
    let Some(host) = targets.hosts.into_iter().next() else { return Ok(String::new()) };
    let runtime = parallel::runtime()?;
    // The first attempt is made before the terminal is in raw mode, so that its error is readable.
    let first = runtime.block_on(open(&host, &login, timing));
    let opened = first.map_err(|error| Failure::Failed(format!("{host}: {error}")))?;
    eprintln!("telarch: connected to the console of {host}; ~. quits, ~? lists more");
    let raw = RawTerminal::enable(io::stdin()).map_err(terminal_failure)?;
    let ended = runtime.block_on(converse(&host, &login, timing, opened));
    drop(raw);
    // The thread that reads keys must not delay the end of the program.
    runtime.shutdown_background();
    let reason = ended.map_err(terminal_failure)?;
    eprintln!("\ntelarch: {reason}");
    Ok(String::new())
}

fn terminal_failure(error: io::Error) -> Failure {
    Failure::Failed(format!("cannot use the terminal: {error}"))
}

async fn open(host: &Host, login: &Login, timing: Timing) -> Result<(Connection, Console), String> {
    let bmc = parallel::open(host, login.clone(), timing).await?;
    match bmc.console().await {
        Ok(console) => Ok((bmc, console)),
        Err(error) => {
            bmc.close().await;
            Err(error.to_string())
        }
    }
}

/// Runs the console, reopening lost connections; returns the reason why it ended.
async fn converse(
    host: &Host,
    login: &Login,
    timing: Timing,
    opened: (Connection, Console),
) -> io::Result<&'static str> {
    let mut keys = read_keys();
    let mut escapes = Escapes::default();
    let mut opened = Some(opened);
    let ended = termination_signal();
    tokio::pin!(ended);
    loop {
        let Some((bmc, mut console)) = opened.take() else {
            // The user can quit while the connection is lost.
            tokio::select! {
                again = open(host, login, timing) => match again {
                    Ok(again) => {
                        notice("reconnected")?;
                        opened = Some(again);
                    }
                    Err(_) => tokio::time::sleep(RETRY_INTERVAL).await,
                },
                key = keys.recv() => {
                    let typed = key.map(|key| escapes.read(&key));
                    if typed.is_none_or(|typed| typed.contains(&Input::End)) {
                        return Ok(CLOSED);
                    }
                }
                () = &mut ended => return Ok(TERMINATED),
            }
            continue;
        };
        let talked = tokio::select! {
            talked = talk(&mut console, &mut keys, &mut escapes) => talked?,
            () = &mut ended => Talk::Ended(TERMINATED),
        };
        match talked {
            Talk::Ended(reason) => {
                // Closing waits until the last typed characters are delivered.
                let _ = tokio::time::timeout(timing.limit, console.close()).await;
                bmc.close().await;
                return Ok(reason);
            }
            Talk::TakenAway => {
                bmc.close().await;
                return Ok("the console was closed by the controller or taken over by another user");
            }
            Talk::Lost => {
                notice("connection lost; reconnecting, ~. quits")?;
                bmc.close().await;
            }
        }
    }
}

const TERMINATED: &str = "terminated by a signal";
const CLOSED: &str = "console closed";

enum Talk {
    Ended(&'static str),
    TakenAway,
    Lost,
}

async fn talk(
    console: &mut Console,
    keys: &mut mpsc::Receiver<Vec<u8>>,
    escapes: &mut Escapes,
) -> io::Result<Talk> {
    // Pasted text is queued here, so that ~. works even if the machine reads nothing.
    let mut waiting: Vec<u8> = Vec::new();
    loop {
        let accepted = console.write(&waiting);
        waiting.drain(..accepted);
        tokio::select! {
            key = keys.recv(), if waiting.len() < MAX_WAITING => {
                let Some(key) = key else { return Ok(Talk::Ended("the terminal was closed")) };
                for typed in escapes.read(&key) {
                    match typed {
                        Input::Characters(characters) => waiting.extend(characters),
                        Input::Break => console.send_break(),
                        Input::End => return Ok(Talk::Ended(CLOSED)),
                        Input::Help => notice("~. quits, ~B sends a break, ~~ sends a tilde")?,
                    }
                }
            }
            event = console.next() => match event {
                Ok(SerialEvent::Characters(characters)) => {
                    let mut out = io::stdout().lock();
                    out.write_all(&characters)?;
                    out.flush()?;
                }
                Ok(SerialEvent::Overrun) => notice("console output was lost: the buffer of the controller overflowed")?,
                Ok(SerialEvent::Deactivated) => return Ok(Talk::TakenAway),
                Ok(SerialEvent::Lost) | Err(_) => return Ok(Talk::Lost),
                Ok(_) => {}
            }
        }
    }
}

/// Prints a line of this program between the output of the machine.
fn notice(text: &str) -> io::Result<()> {
    let mut out = io::stderr();
    write!(out, "\r\n[telarch: {text}]\r\n")?;
    out.flush()
}

/// Reads keys on a thread of its own, because reading from a terminal blocks.
fn read_keys() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut typed = [0; 1_024];
        while let Ok(length) = input.read(&mut typed) {
            let typed = typed.get(..length).unwrap_or_default().to_vec();
            if length == 0 || sender.blocking_send(typed).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Maximum number of typed bytes queued while the machine reads nothing.
const MAX_WAITING: usize = 64 * 1_024;
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
