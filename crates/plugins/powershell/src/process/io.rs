//! Tasks that serve the standard streams of a PowerShell process.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use locks::Mutex;
use shells::process_group::Pipes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::{End, Shared};
use crate::lines::PacketReader;

/// The service's ends of the standard streams.
pub(super) struct Streams {
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
}

impl Streams {
    pub(super) fn new(pipes: Pipes) -> io::Result<Self> {
        Ok(Self {
            stdin: pipe::Sender::from_owned_fd(pipes.stdin)?,
            stdout: pipe::Receiver::from_owned_fd(pipes.stdout)?,
            stderr: pipe::Receiver::from_owned_fd(pipes.stderr)?,
        })
    }

    /// Starts the tasks, which end with the process.
    pub(super) fn serve(
        self,
        lines: mpsc::Receiver<String>,
        shared: &Arc<Shared>,
        exited: watch::Receiver<Option<i32>>,
    ) {
        tokio::spawn(write_lines(self.stdin, lines));
        let errors = tokio::spawn(read_errors(self.stderr, Arc::clone(shared)));
        let output = Arc::clone(shared);
        tokio::spawn(async move {
            let end = read_output(self.stdout, &output, exited).await;
            // The text of the error explains the end.
            let _ = tokio::time::timeout(LAST_OUTPUT, errors).await;
            output.end_with(end);
        });
    }
}

/// Writes lines until the queue is closed, which closes standard input.
async fn write_lines(mut stdin: pipe::Sender, mut lines: mpsc::Receiver<String>) {
    let mut is_large = false;
    while let Some(line) = lines.recv().await {
        if line.len() > BUFFER && !is_large {
            is_large = true;
            enlarge(&stdin);
        }
        // The task that reads output reports the end of the process.
        if stdin.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads output until the process ends, and returns the reason. Programs that it started may keep the pipe open.
async fn read_output(
    mut stdout: pipe::Receiver,
    shared: &Shared,
    mut exited: watch::Receiver<Option<i32>>,
) -> End {
    let mut buffer = vec![0; BUFFER];
    let (mut reader, mut packets) = (PacketReader::default(), Vec::new());
    let mut over = shared.is_over.subscribe();
    let exit_code = loop {
        shared.wait_for_room().await;
        let exit = *exited.borrow();
        let read = tokio::select! {
            biased;
            _ = over.wait_for(|is_over| *is_over) => return End::Closed,
            read = stdout.read(&mut buffer) => read,
            () = sleep(LAST_OUTPUT), if exit.is_some() => break exit,
            Ok(_) = exited.wait_for(Option::is_some), if exit.is_none() => continue,
        };
        let Ok(length @ 1..) = read else {
            let _ = tokio::time::timeout(LAST_OUTPUT, exited.wait_for(Option::is_some)).await;
            break *exited.borrow();
        };
        let received = buffer.get(..length).unwrap_or_default();
        let is_full = length == BUFFER && buffer.len() == BUFFER;
        let skipped = reader.skipped;
        if let Err(error) = reader.push(received, &mut packets) {
            return End::Invalid(error);
        }
        if reader.skipped > skipped && skipped == 0 {
            tracing::debug!("A PowerShell process wrote lines that are no packets; they are skipped");
        }
        for packet in packets.drain(..) {
            if let Err(error) = shared.accept(packet) {
                return End::Invalid(error);
            }
        }
        if is_full {
            enlarge(&stdout);
            buffer.resize(LARGE_BUFFER, 0);
        }
    };
    End::Exited(exit_code)
}

/// Enlarges a pipe that transports much data, so that its two processes change places less often.
///
/// A pipe keeps its size if the user already has too many large ones (`fs.pipe-user-pages-soft`).
fn enlarge(pipe: &impl AsFd) {
    if let Err(error) = rustix::pipe::fcntl_setpipe_size(pipe, LARGE_BUFFER) {
        tracing::debug!(%error, "Cannot enlarge a pipe to a PowerShell process; it keeps its size");
    }
}

async fn read_errors(mut stderr: pipe::Receiver, shared: Arc<Shared>) {
    let mut buffer = vec![0; 4_096];
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        shared.errors.add(buffer.get(..length).unwrap_or_default());
    }
}

/// The last bytes of standard error.
#[derive(Debug, Default)]
pub(crate) struct ErrorText(Mutex<VecDeque<u8>>);

impl ErrorText {
    fn add(&self, bytes: &[u8]) {
        let mut text = self.0.lock();
        text.extend(bytes);
        let excess = text.len().saturating_sub(ERROR_BYTES);
        text.drain(..excess);
    }

    /// Returns the last lines as one line without control characters, at most 1,000 characters.
    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = self.0.lock().iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let words = text.split(|c: char| c.is_whitespace() || c.is_control());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let line = words.join(" ");
        let excess = line.chars().count().saturating_sub(ERROR_CHARACTERS);
        line.chars().skip(excess).collect()
    }
}

/// Size of a read in bytes, and of a pipe as Linux creates it.
const BUFFER: usize = 64 << 10;
/// Size of a read, and of a pipe, that has transported much data at once.
const LARGE_BUFFER: usize = 256 << 10;
/// Time for output after the end of the process.
const LAST_OUTPUT: Duration = Duration::from_millis(500);
/// Number of bytes of standard error that are kept.
const ERROR_BYTES: usize = 16 << 10;
/// Maximum length of the text in a fault, in characters.
const ERROR_CHARACTERS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_standard_error_is_kept_without_control_characters() {
        let errors = ErrorText::default();
        errors.add(&vec![b'x'; 20_000]);
        errors.add(b"\x1b[31mout of\r\n memory\x07");
        let text = errors.text();
        assert!(text.ends_with("[31mout of memory"), "{text}");
        assert_eq!(text.chars().count(), ERROR_CHARACTERS);
    }
}
