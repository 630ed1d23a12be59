//! A command from start to end, for those who want all of its output at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use wsman::shell::CommandLine;

use super::{Command, CommandOptions, Output, Shell};
use crate::error::Error;

/// A command that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// All of its output.
    pub stdout: Vec<u8>,
    /// All of its error output.
    pub stderr: Vec<u8>,
    /// What it returned.
    pub exit_code: i32,
}

impl Shell {
    /// Runs a line and gathers its output.
    ///
    /// A command that still runs after half a second finds its input at an end, so that none waits for an
    /// answer nobody gives.
    ///
    /// # Errors
    /// [`Error`]; [`Error::OutputTooLarge`] beyond [`ShellOptions::output_limit`](super::ShellOptions).
    pub async fn run(&self, line: &str) -> Result<Finished, Error> {
        let line = CommandLine { command: line.to_owned(), ..CommandLine::default() };
        let mut command = self.start(&line, CommandOptions::default()).await?;
        let finished = gather(&mut command, self.output_limit).await?;
        command.finish().await?;
        Ok(finished)
    }
}

async fn gather(command: &mut Command, limit: usize) -> Result<Finished, Error> {
    let stdin = command.input();
    let is_closing = AtomicBool::new(false);
    let ending = async {
        sleep(PATIENCE_WITH_INPUT).await;
        is_closing.store(true, Ordering::Relaxed);
        stdin.close().await
    };
    tokio::pin!(ending);
    let mut input_ended = false;
    let mut finished = Finished::default();
    loop {
        let output = tokio::select! {
            biased;
            output = command.next_output() => output?,
            ended = &mut ending, if !input_ended => {
                input_ended = true;
                if let Err(error) = ended {
                    tracing::debug!(%error, "The input of a command could not be ended");
                }
                continue;
            }
        };
        match output {
            Output::Stdout(octets) => append(&mut finished.stdout, octets),
            Output::Stderr(octets) => append(&mut finished.stderr, octets),
            Output::Stream { .. } => {}
            Output::Done { exit_code } => {
                finished.exit_code = exit_code;
                if is_closing.load(Ordering::Relaxed) && !input_ended {
                    // A Send that is on its way must not reach the service after the Delete of its shell.
                    let _ = timeout(PATIENCE_WITH_SEND, ending).await;
                }
                return Ok(finished);
            }
        }
        if finished.stdout.len() + finished.stderr.len() > limit {
            return Err(Error::OutputTooLarge { limit });
        }
    }
}

/// The first piece is most often the only one, and need not be copied.
fn append(all: &mut Vec<u8>, piece: Vec<u8>) {
    if all.is_empty() {
        *all = piece;
    } else {
        all.extend_from_slice(&piece);
    }
}

/// Time after which the input of a command ends.
const PATIENCE_WITH_INPUT: Duration = Duration::from_millis(500);
/// Longest wait for the response to the end of input, after the command has ended.
const PATIENCE_WITH_SEND: Duration = Duration::from_secs(2);
