//! The serial console on the terminal in front of somebody.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::time::Duration;

use cli::terminal::RawTerminal;
use ipmi::proto::serial::SerialEvent;
use ipmi::proto::{Login, Privilege, Timing};
use ipmi::{Connection, Console};
use tokio::sync::mpsc;

use super::super::arguments::Targets;
use super::super::export::told_to_end;
use super::super::hosts::Host;
use super::super::{many, sign_in};
use super::escape::{Escapes, Typed};
use cli_command::Failure;

/// Until somebody types `~.`, or the controller takes the console away.
pub(in super::super) fn run(targets: Targets) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::failed(
            "sol needs a terminal to type on, and there is none",
            "run it in one, such as tmux",
        ));
    }
    let login = sign_in::login(&targets, Privilege::User)?;
    let timing = Timing { limit: targets.limit, ..Timing::default() };
    let Some(host) = targets.hosts.into_iter().next() else { return Ok(String::new()) };
    let runtime = many::runtime()?;
    // Whatever is wrong with the first attempt is said on an ordinary terminal.
    let begun = runtime.block_on(open(&host, &login, timing));
    let opened = begun.map_err(|error| Failure::Failed(format!("{host}: {error}")))?;
    eprintln!("telarch: the console of {host}; ~. ends it, ~? tells more");
    let lost = |error: io::Error| Failure::Failed(format!("the terminal cannot be used: {error}"));
    let raw = RawTerminal::enable(io::stdin()).map_err(lost)?;
    let ended = runtime.block_on(converse(&host, (&login, timing), opened));
    drop(raw);
    // A key that nobody types any more is not waited for.
    runtime.shutdown_background();
    let why = ended.map_err(lost)?;
    eprintln!("\ntelarch: {why}");
    Ok(String::new())
}

async fn open(host: &Host, login: &Login, timing: Timing) -> Result<(Connection, Console), String> {
    let bmc = many::open(host, login.clone(), timing).await?;
    match bmc.console().await {
        Ok(console) => Ok((bmc, console)),
        Err(error) => {
            bmc.close().await;
            Err(error.to_string())
        }
    }
}

/// Why it has ended.
async fn converse(
    host: &Host,
    (login, timing): (&Login, Timing),
    opened: (Connection, Console),
) -> io::Result<&'static str> {
    let mut keys = typed();
    let mut escapes = Escapes::default();
    let mut opened = Some(opened);
    let ended = told_to_end();
    tokio::pin!(ended);
    loop {
        let Some((bmc, mut console)) = opened.take() else {
            // Whoever waits can still end it.
            tokio::select! {
                again = open(host, login, timing) => match again {
                    Ok(again) => {
                        say("the console is there again")?;
                        opened = Some(again);
                    }
                    Err(_) => tokio::time::sleep(BETWEEN_ATTEMPTS).await,
                },
                key = keys.recv() => {
                    let typed = key.map(|key| escapes.read(&key));
                    if typed.is_none_or(|typed| typed.contains(&Typed::End)) {
                        return Ok("the console is closed");
                    }
                }
                () = &mut ended => return Ok(TOLD_TO_END),
            }
            continue;
        };
        let talked = tokio::select! {
            talked = talk(&mut console, &mut keys, &mut escapes) => talked?,
            () = &mut ended => Talk::Ended(TOLD_TO_END),
        };
        match talked {
            Talk::Ended(why) => {
                // What was typed last arrives before the console is closed.
                let _ = tokio::time::timeout(timing.limit, console.close()).await;
                bmc.close().await;
                return Ok(why);
            }
            Talk::TakenAway => {
                bmc.close().await;
                return Ok("the controller has closed the console, or somebody else has taken it");
            }
            Talk::Lost => {
                say("the connection is lost; trying again until ~. is typed")?;
                bmc.close().await;
            }
        }
    }
}

const TOLD_TO_END: &str = "it was told to end";

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
    // What is pasted waits here, so that ~. is seen whatever the machine takes.
    let mut waiting: Vec<u8> = Vec::new();
    loop {
        let taken = console.write(&waiting);
        waiting.drain(..taken);
        tokio::select! {
            key = keys.recv(), if waiting.len() < MOST_WAITING => {
                let Some(key) = key else { return Ok(Talk::Ended("the terminal is gone")) };
                for typed in escapes.read(&key) {
                    match typed {
                        Typed::Characters(characters) => waiting.extend(characters),
                        Typed::Break => console.send_break(),
                        Typed::End => return Ok(Talk::Ended("the console is closed")),
                        Typed::Help => say("~. ends, ~B sends a break, ~~ sends one tilde")?,
                    }
                }
            }
            event = console.next() => match event {
                Ok(SerialEvent::Characters(characters)) => {
                    let mut out = io::stdout().lock();
                    out.write_all(&characters)?;
                    out.flush()?;
                }
                Ok(SerialEvent::Overrun) => say("the controller could not keep everything that the machine said")?,
                Ok(SerialEvent::Deactivated) => return Ok(Talk::TakenAway),
                Ok(SerialEvent::Lost) | Err(_) => return Ok(Talk::Lost),
                Ok(_) => {}
            }
        }
    }
}

/// A line of this program, between those of the machine.
fn say(text: &str) -> io::Result<()> {
    let mut out = io::stderr();
    write!(out, "\r\n[telarch: {text}]\r\n")?;
    out.flush()
}

/// What is typed, from a thread of its own: terminals can only be waited for.
fn typed() -> mpsc::Receiver<Vec<u8>> {
    let (tell, told) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut typed = [0; 1_024];
        while let Ok(length) = input.read(&mut typed) {
            let typed = typed.get(..length).unwrap_or_default().to_vec();
            if length == 0 || tell.blocking_send(typed).is_err() {
                break;
            }
        }
    });
    told
}

/// What somebody may paste while the machine takes nothing, in octets.
const MOST_WAITING: usize = 64 * 1_024;
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(2);
