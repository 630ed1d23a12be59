//! Runs a script with input and output at the same time.

use std::time::Duration;

use client::{Pipeline, PipelineControls, PipelineEvent, PipelineOutcome, RunspacePool};
use psrp::ErrorRecord;
use psrp::clixml::Value;
use tokio::time::timeout;

use super::script::Call;
use crate::content::next_piece;
use crate::error::CopyError;
use crate::local::LocalFile;
use crate::progress::Progress;
use crate::remote_path::RemotePath;

/// Script with its input.
pub(super) struct Exchange<'a> {
    /// Path on the remote machine, for errors.
    pub(super) path: &'a RemotePath,
    pub(super) script: Call,
    pub(super) input: Option<FileInput<'a>>,
    pub(super) progress: &'a dyn Progress,
}

/// Part of a local file as input of a script.
pub(super) struct FileInput<'a> {
    pub(super) source: &'a LocalFile,
    pub(super) left: u64,
    pub(super) progress: &'a dyn Progress,
}

/// Runs a script and passes its output on.
///
/// # Errors
/// [`CopyError::Remote`] with the error of the script; [`CopyError::Cancelled`]; [`CopyError::Request`].
pub(super) async fn run(
    pool: &RunspacePool,
    exchange: Exchange<'_>,
    output: impl FnMut(Value) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let Exchange { path, script, input, progress } = exchange;
    let create = script.pipeline();
    let create = if input.is_some() { create.with_input() } else { create };
    let mut pipeline = pool.start(create).await?;
    let ended = transfer(&mut pipeline, path, input, progress, output).await;
    if ended.is_err() && pipeline.outcome().is_none() {
        let _ = timeout(STOP_TIMEOUT, stop(&mut pipeline)).await;
    }
    let finished = pipeline.finish().await;
    ended.and(finished.map_err(CopyError::from))
}

async fn transfer(
    pipeline: &mut Pipeline,
    path: &RemotePath,
    input: Option<FileInput<'_>>,
    progress: &dyn Progress,
    mut output: impl FnMut(Value) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let mut is_sending = input.is_some();
    let sending = send(pipeline.controls(), input);
    tokio::pin!(sending);
    let mut failure = None;
    loop {
        let event = tokio::select! {
            event = pipeline.next() => event?,
            sent = &mut sending, if is_sending => {
                is_sending = false;
                match sent {
                    // The script has ended; its state gives the reason.
                    Err(CopyError::Request(error))
                        if error.is_gone() || matches!(error, client::Error::PowerShell(_)) =>
                    {
                        tracing::debug!(%error, "The script reads no more input");
                    }
                    sent => sent?,
                }
                continue;
            }
        };
        if progress.is_cancelled() {
            return Err(CopyError::Cancelled);
        }
        match event {
            Some(PipelineEvent::Output(value)) => output(value)?,
            Some(PipelineEvent::Error(record)) => failure = failure.or_else(|| Some(text_of(&record))),
            Some(_) => {}
            None => break,
        }
    }
    match pipeline.outcome() {
        Some(PipelineOutcome::Failed(record)) => Err(CopyError::remote(path, text_of(record))),
        Some(PipelineOutcome::Stopped) => Err(CopyError::remote(path, "the script was stopped")),
        _ => failure.map_or(Ok(()), |reason| Err(CopyError::remote(path, reason))),
    }
}

/// Sends the input and its end.
async fn send(controls: PipelineControls, input: Option<FileInput<'_>>) -> Result<(), CopyError> {
    let Some(FileInput { source, mut left, progress }) = input else { return Ok(()) };
    let mut buffer = vec![0; PIECE];
    while left > 0 {
        if progress.is_cancelled() {
            return Err(CopyError::Cancelled);
        }
        let piece = next_piece(source.file(), left, &mut buffer).map_err(|error| source.error(error))?;
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        controls.send([Value::from(piece.to_vec())]).await?;
        left = left.saturating_sub(length);
        progress.advance(length);
    }
    Ok(controls.end_input().await?)
}

async fn stop(pipeline: &mut Pipeline) -> Result<(), client::Error> {
    pipeline.controls().stop().await?;
    while pipeline.next().await?.is_some() {}
    Ok(())
}

/// Returns the message of an error for users.
fn text_of(record: &ErrorRecord) -> String {
    record.message().unwrap_or(&record.fully_qualified_error_id).chars().take(MAX_MESSAGE).collect()
}

/// Number of bytes of an object of the input; with Base64 twice, it fits into an envelope of 500 KiB.
const PIECE: usize = 192 * 1_024;
/// Maximum length of a message in characters.
const MAX_MESSAGE: usize = 4_000;
/// Time for a script to close its file.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
