//! The command's standard input.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::codepage::FromPage;
use crate::error::CommandError;

/// What happens to the command's standard input behind the bytes of a Send (`End="true"` closes it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// More may follow.
    StaysOpen,
    /// The command reads the end of its input next.
    Closes,
}

/// The way to the task that writes.
pub(super) struct Input {
    pieces: mpsc::Sender<Piece>,
    /// One permit: held from a Send until its last byte is in the pipe.
    turn: Arc<Semaphore>,
}

struct Piece {
    data: Vec<u8>,
    stdin: Stdin,
    turn: OwnedSemaphorePermit,
    written: oneshot::Sender<()>,
}

/// The task's side.
pub(super) struct Writer {
    pieces: mpsc::Receiver<Piece>,
    /// `None` once it was closed by either side.
    pipe: Option<pipe::Sender>,
    conversion: Option<FromPage>,
}

impl Input {
    pub(super) fn new(stdin: OwnedFd, conversion: Option<FromPage>) -> io::Result<(Self, Writer)> {
        let (sender, receiver) = mpsc::channel(1);
        let pipe = Some(pipe::Sender::from_owned_fd(stdin)?);
        let input = Self { pieces: sender, turn: Arc::new(Semaphore::new(1)) };
        Ok((input, Writer { pieces: receiver, pipe, conversion }))
    }

    pub(super) async fn send(&self, data: Vec<u8>, stdin: Stdin) -> Result<(), CommandError> {
        let turn = Arc::clone(&self.turn).try_acquire_owned().map_err(|_| CommandError::Busy)?;
        let (written, done) = oneshot::channel();
        // The permit makes room certain; only the task's end can refuse.
        let piece = Piece { data, stdin, turn, written };
        self.pieces.try_send(piece).map_err(|_| CommandError::Closed)?;
        done.await.map_err(|_| CommandError::Closed)
    }
}

impl Writer {
    /// Writes what is sent, at the speed of the reader, until the command is closed.
    pub(super) async fn run(mut self) {
        while let Some(Piece { data, stdin, turn, written }) = self.pieces.recv().await {
            let data = self.converted(data, stdin);
            if let Some(pipe) = &mut self.pipe {
                let result = pipe.write_all(&data).await;
                // A command that reads no more is no fault of the client's: the rest is dropped, as Windows does.
                if result.is_err() || stdin == Stdin::Closes {
                    self.pipe = None;
                }
            }
            // In this order, so that whoever waited may send again at once.
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
