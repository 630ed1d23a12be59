//! Task that moves output from the pipes into the buffers.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{Output, Stream};

/// Moves output of the command into `output` until the command and both streams have ended.
///
/// Background processes may keep the pipes open (`sleep 100 &`). Once the command itself has ended, the streams
/// therefore also end when nothing was written for [`GRACE`].
pub(crate) async fn pump(
    output: Arc<Output>,
    [mut stdout, mut stderr]: [Source; 2],
    mut exit: watch::Receiver<Option<i32>>,
) {
    let mut last_activity = Instant::now();
    loop {
        let code = *exit.borrow_and_update();
        if let (false, false, Some(code)) = (stdout.is_open(), stderr.is_open(), code) {
            output.end(code);
            return;
        }
        let (stdout_full, stderr_full) = (stdout.is_full(&output), stderr.is_full(&output));
        let waits_for_room = stdout_full || stderr_full;
        tokio::select! {
            () = stdout.readable(), if stdout.is_open() && !stdout_full => {
                stdout.read(&output);
                last_activity = Instant::now();
            }
            () = stderr.readable(), if stderr.is_open() && !stderr_full => {
                stderr.read(&output);
                last_activity = Instant::now();
            }
            () = output.room.notified(), if waits_for_room => last_activity = Instant::now(),
            changed = exit.changed(), if code.is_none() => match changed {
                Ok(()) => last_activity = Instant::now(),
                Err(_) => return,
            },
            () = sleep_until(last_activity + GRACE), if code.is_some() && !waits_for_room => {
                                // The timer may expire before the runtime reports the last data.
                                let has_read = [stdout.read_rest(&output), stderr.read_rest(&output)];
                                if has_read.contains(&true) {
                                    last_activity = Instant::now();
                                } else {
                                    stdout.close(&output);
                                    stderr.close(&output);
                                }
            }
        }
    }
}

/// Reading end of one stream.
pub(crate) struct Source {
    stream: Stream,
    /// `None` after the end of the stream.
    pipe: Option<pipe::Receiver>,
}

impl Source {
    pub(crate) fn new(stream: Stream, pipe: OwnedFd) -> io::Result<Self> {
        let pipe = Some(pipe::Receiver::from_owned_fd(pipe)?);
        Ok(Self { stream, pipe })
    }

    fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    fn is_full(&self, output: &Output) -> bool {
        self.is_open() && output.is_full(self.stream)
    }

    async fn readable(&self) {
        match &self.pipe {
            Some(pipe) if pipe.readable().await.is_ok() => {}
            // The stream is closed, or the runtime is shutting down and drops the pump.
            _ => std::future::pending().await,
        }
    }

    fn read(&mut self, output: &Output) {
        let Some(pipe) = &self.pipe else { return };
        match output.read(self.stream, pipe) {
            Ok(0) => self.close(output),
            Ok(_) => {}
            Err(error) if is_temporary(&error) => {}
            Err(error) => {
                tracing::debug!(%error, "Cannot read a command's output");
                self.close(output);
            }
        }
    }

    /// Reads the remaining data of the pipe; returns whether there was any.
    fn read_rest(&mut self, output: &Output) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        match output.read_rest(self.stream, pipe) {
            None => false,
            Some(0) => {
                self.close(output);
                false
            }
            Some(_) => true,
        }
    }

    fn close(&mut self, output: &Output) {
        if self.pipe.take().is_some() {
            output.finish(self.stream);
        }
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// How long the streams must be silent after the command has ended.
const GRACE: Duration = Duration::from_millis(500);
