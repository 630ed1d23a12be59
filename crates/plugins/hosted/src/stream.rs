//! Frames over a socket of the runtime: the same as the broker's, without descriptors.

use std::io::{self, ErrorKind};

use broker::{HEAD, LONGEST, message_length};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;

/// Reads messages until the end, or until one is none.
pub(crate) async fn read_all(from: impl AsyncRead + Unpin, to: mpsc::Sender<io::Result<Vec<u8>>>) {
    let mut from = BufReader::new(from);
    while let Some(message) = read(&mut from).await.transpose() {
        let is_last = message.is_err();
        if to.send(message).await.is_err() || is_last {
            return;
        }
    }
}

/// Reads one message; none at the end.
pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 8];
    match from.read_exact(&mut head).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = message_length(head).ok_or(ErrorKind::InvalidData)?;
    let mut message = vec![0; length];
    from.read_exact(&mut message).await?;
    Ok(Some(message))
}

/// Writes messages until nobody has any more, or it does not go; then ends its direction.
pub(crate) async fn write_all(
    mut messages: mpsc::UnboundedReceiver<Vec<u8>>,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    while let Some(message) = messages.recv().await {
        let length = u32::try_from(message.len()).map_err(|_| ErrorKind::InvalidInput)?;
        if message.len() > LONGEST {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut frame = Vec::with_capacity(message.len().saturating_add(8));
        frame.extend_from_slice(&HEAD);
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&message);
        to.write_all(&frame).await?;
    }
    to.shutdown().await
}
