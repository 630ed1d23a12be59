//! Standard input of a command.

use std::time::Duration;

use tokio::time::sleep;
use wsman::shell::{Send, StreamData, stream_capacity};
use wsman::{OptionSet, ShellVerb, code};

use super::Channel;
use crate::error::Error;
use crate::session::Retry;
use crate::timeouts::Timeouts;

/// Standard input of a command. It uses a connection of its own, because another one waits for output.
///
/// Use one handle at a time: services accept one piece after the other.
#[derive(Debug)]
pub struct Stdin {
    channel: Channel,
    timeouts: Timeouts,
}

/// Whether a stream ends with a piece of data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// More data may follow.
    Open,
    /// The stream ends here.
    Here,
}

impl Stdin {
    pub(super) fn new(channel: Channel, timeouts: Timeouts) -> Self {
        Self { channel, timeouts }
    }

    /// Sends bytes to the command, in as many requests as needed.
    ///
    /// If the future is dropped before it is ready, an unknown part of the bytes was sent.
    ///
    /// # Errors
    /// [`Error`] if a request fails; [`Error::is_gone`] if the command has ended.
    pub async fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        let envelope = self.channel.session.max_envelope_size().min(LARGEST_ENVELOPE);
        for piece in octets.chunks(stream_capacity(envelope).max(1)) {
            self.send(piece, End::Open).await?;
        }
        Ok(())
    }

    /// Closes standard input.
    ///
    /// # Errors
    /// [`Error`] if the request fails; [`Error::is_gone`] if the command has ended.
    pub async fn close(mut self) -> Result<(), Error> {
        self.send(&[], End::Here).await
    }

    async fn send(&mut self, octets: &[u8], end: End) -> Result<(), Error> {
        let piece = StreamData { name: "stdin", octets };
        self.channel.send(piece, end, &self.timeouts).await
    }
}

impl Channel {
    /// Sends stream data; waits and repeats the request while the service is busy with the previous data.
    pub(super) async fn send(
        &self,
        piece: StreamData<'_>,
        end: End,
        timeouts: &Timeouts,
    ) -> Result<(), Error> {
        let mut pauses = PAUSES_WHEN_BUSY.iter();
        loop {
            match self.send_once(piece, end, timeouts).await {
                Err(Error::Fault(fault)) if fault.code() == code::BUSY => match pauses.next() {
                    Some(pause) => sleep(*pause).await,
                    None => return Err(Error::Fault(fault)),
                },
                // A loaded service times out although the command received the input; sending it again would
                // duplicate it (reported against Windows).
                Err(error) if error.is_operation_timeout() => {
                    tracing::debug!(command = self.command_id(), "Confirmation of input timed out");
                    return Ok(());
                }
                sent => return sent,
            }
        }
    }

    async fn send_once(&self, piece: StreamData<'_>, end: End, timeouts: &Timeouts) -> Result<(), Error> {
        let request =
            self.ask(ShellVerb::Send, OptionSet::new(), Retry::Unsafe, timeouts, |body| {
                match &self.command_id {
                    Some(id) => Send::write(body, piece, id, end == End::Here),
                    None => Send::write_to_shell(body, piece),
                }
            });
        let sent = request.await;
        sent.map(drop)
    }
}

/// Envelope size that every service accepts: the default MaxEnvelopeSizekb of old services is 150.
pub(super) const LARGEST_ENVELOPE: u32 = 150 * 1_024;

/// Pauses before input is sent again to a service that is still busy with the previous piece.
const PAUSES_WHEN_BUSY: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(300)];
