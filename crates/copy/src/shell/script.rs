//! Runs a command with input and output at the same time.

use std::time::Duration;

use client::{Command, CommandOptions, Output, Shell, Stdin};
use tokio::time::timeout;
use wsman::shell::SignalCode;

use super::dialect::RemoteCommand;
use crate::error::CopyError;

/// Input of a command.
pub(super) trait Input {
    /// Returns the next piece; `None` at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>, CopyError>;
}

/// No input: the input of the command is closed at once.
pub(super) struct NoInput;

impl Input for NoInput {
    fn next(&mut self) -> Result<Option<Vec<u8>>, CopyError> {
        Ok(None)
    }
}

impl<I: Input> Input for &mut I {
    fn next(&mut self) -> Result<Option<Vec<u8>>, CopyError> {
        (**self).next()
    }
}

/// Runs a command and passes its output on. The inner error is its message if it fails.
///
/// After an error the command is terminated, and has time to remove its temporary file.
pub(super) async fn run(
    shell: &Shell,
    command: RemoteCommand,
    input: impl Input,
    output: impl FnMut(Vec<u8>) -> Result<(), CopyError>,
) -> Result<Result<(), String>, CopyError> {
    let RemoteCommand { line, interpreter, prelude } = command;
    let options = CommandOptions { interpreter, ..CommandOptions::default() };
    let mut command = shell.start(&line, options).await?;
    let stdin = command.input();
    match exchange(&mut command, stdin, prelude, input, output).await {
        Ok(ended) => {
            command.finish().await?;
            Ok(ended)
        }
        Err(error) => {
            let _ = timeout(TERMINATION, terminate(&mut command)).await;
            Err(error)
        }
    }
}

/// Sends the input and receives the output until the command ends, which may be before the end of its input.
async fn exchange(
    command: &mut Command,
    mut stdin: Stdin,
    prelude: Vec<u8>,
    mut input: impl Input,
    mut output: impl FnMut(Vec<u8>) -> Result<(), CopyError>,
) -> Result<Result<(), String>, CopyError> {
    let sending = async move {
        if !prelude.is_empty() {
            stdin.write(&prelude).await?;
        }
        while let Some(piece) = input.next()? {
            stdin.write(&piece).await?;
        }
        Ok::<_, CopyError>(stdin.close().await?)
    };
    tokio::pin!(sending);
    let mut is_sending = true;
    let mut errors = Vec::new();
    loop {
        tokio::select! {
            received = command.next_output() => match received? {
                Output::Stdout(bytes) => output(bytes)?,
                Output::Stderr(bytes) => {
                    let room = MAX_ERRORS.saturating_sub(errors.len());
                    errors.extend(bytes.into_iter().take(room));
                }
                Output::Done { exit_code: 0 } => return Ok(Ok(())),
                Output::Done { exit_code } => return Ok(Err(reason(&errors, exit_code))),
                _ => {}
            },
            sent = &mut sending, if is_sending => {
                is_sending = false;
                match sent {
                    // The command has ended; its output gives the reason.
                    Err(CopyError::Request(error)) if error.is_gone() => {}
                    sent => sent?,
                }
            }
        }
    }
}

async fn terminate(command: &mut Command) -> Result<(), client::Error> {
    command.signal(SignalCode::Terminate).await?;
    while !matches!(command.next_output().await?, Output::Done { .. }) {}
    Ok(())
}

/// Returns the message of a command that has failed.
fn reason(errors: &[u8], exit_code: i32) -> String {
    match String::from_utf8_lossy(errors).trim() {
        "" => format!("the command ended with exit code {exit_code}"),
        message => message.to_owned(),
    }
}

/// Maximum number of bytes of error messages that are kept.
const MAX_ERRORS: usize = 16 * 1_024;
/// Time for a command to remove its temporary file.
const TERMINATION: Duration = Duration::from_secs(5);
