//! Runs a command and collects its output.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use wsman::shell::CommandLine;

use super::{Command, CommandOptions, Output, Shell};
use crate::error::Error;

/// Result of a command that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandResult {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Exit code.
    pub exit_code: i32,
}

impl Shell {
    /// Runs a command line and collects its output.
    ///
    /// Standard input is closed after half a second, so that a command that reads it does not wait forever.
    ///
    /// # Errors
    /// [`Error`] if a request fails; [`Error::OutputTooLarge`] beyond [`ShellOptions::output_limit`](super::ShellOptions).
    pub async fn run(&self, line: &str) -> Result<CommandResult, Error> {
        let line = CommandLine { command: line.to_owned(), ..CommandLine::default() };
        let mut command = self.start(&line, CommandOptions::default()).await?;
        let finished = gather(&mut command, self.output_limit).await?;
        command.finish().await?;
        Ok(finished)
    }
}

async fn gather(command: &mut Command, limit: usize) -> Result<CommandResult, Error> {
    let stdin = command.input();
    let is_closing = AtomicBool::new(false);
    let ending = async {
        sleep(CLOSE_INPUT_AFTER).await;
        is_closing.store(true, Ordering::Relaxed);
        stdin.close().await
    };
    tokio::pin!(ending);
    let mut input_ended = false;
    let mut finished = CommandResult::default();
    loop {
        let output = tokio::select! {
            biased;
            output = command.next_output() => output?,
            ended = &mut ending, if !input_ended => {
                input_ended = true;
                if let Err(error) = ended {
                    tracing::debug!(%error, "Cannot close the input of a command");
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
                    let _ = timeout(WAIT_FOR_SEND, ending).await;
                }
                return Ok(finished);
            }
        }
        if finished.stdout.len() + finished.stderr.len() > limit {
            return Err(Error::OutputTooLarge { limit });
        }
    }
}

/// Appends a piece; the first one, which is usually the only one, is not copied.
fn append(all: &mut Vec<u8>, piece: Vec<u8>) {
    if all.is_empty() {
        *all = piece;
    } else {
        all.extend_from_slice(&piece);
    }
}

/// Time after which the input of a command ends.
const CLOSE_INPUT_AFTER: Duration = Duration::from_millis(500);
/// Longest wait for the response to the end of input, after the command has ended.
const WAIT_FOR_SEND: Duration = Duration::from_secs(2);
