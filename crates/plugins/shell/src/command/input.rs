//! Standard input of a command.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::codepage::PageDecoder;
use crate::error::CommandError;

/// State of the command's standard input after the data of a Send (`End="true"` closes it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// More data may follow.
    StaysOpen,
    /// The command reads the end of its input.
    Closes,
}

/// Sending side: queue of the task that writes to the pipe.
pub(super) struct Input {
    pieces: mpsc::Sender<Piece>,
    /// Semaphore with one permit, held from a Send until its last byte is in the pipe.
    turn: Arc<Semaphore>,
}

struct Piece {
    data: Vec<u8>,
    stdin: Stdin,
    turn: OwnedSemaphorePermit,
    written: oneshot::Sender<()>,
}

/// Writing side, owned by the task.
pub(super) struct Writer {
    pieces: mpsc::Receiver<Piece>,
    /// Pipe to the command; `None` once either side has closed it.
    pipe: Option<pipe::Sender>,
    conversion: Option<PageDecoder>,
}

impl Input {
    pub(super) fn new(stdin: OwnedFd, conversion: Option<PageDecoder>) -> io::Result<(Self, Writer)> {
        let (sender, receiver) = mpsc::channel(1);
        let pipe = Some(pipe::Sender::from_owned_fd(stdin)?);
        let input = Self { pieces: sender, turn: Arc::new(Semaphore::new(1)) };
        Ok((input, Writer { pieces: receiver, pipe, conversion }))
    }

    pub(super) async fn send(&self, data: Vec<u8>, stdin: Stdin) -> Result<(), CommandError> {
        let turn = Arc::clone(&self.turn).try_acquire_owned().map_err(|_| CommandError::Busy)?;
        let (written, done) = oneshot::channel();
        // The permit guarantees room in the queue; sending fails only if the task has ended.
        let piece = Piece { data, stdin, turn, written };
        self.pieces.try_send(piece).map_err(|_| CommandError::Closed)?;
        done.await.map_err(|_| CommandError::Closed)
    }
}

impl Writer {
    /// Writes queued data at the speed of the reader until the command is closed.
    pub(super) async fn run(mut self) {
        while let Some(Piece { data, stdin, turn, written }) = self.pieces.recv().await {
            let data = self.converted(data, stdin);
            if let Some(pipe) = &mut self.pipe {
                let result = pipe.write_all(&data).await;
                // A command that no longer reads is not an error of the client. The rest is dropped, as on Windows.
                if result.is_err() || stdin == Stdin::Closes {
                    self.pipe = None;
                }
            }
            // Released before the notification, so that the client can send again at once.
            drop(turn);
            let _ = written.send(());
        }
    }

    fn converted(&mut self, data: Vec<u8>, stdin: Stdin) -> Vec<u8> {
        let Some(conversion) = &mut self.conversion else { return data };
        let mut data = conversion.convert(&data);
        if stdin == Stdin::Closes
            && let Some(conversion) = self.conversion.take()
        {
            data.extend(conversion.finish());
        }
        data
    }
}
