//! The input of a command.

use std::time::Duration;

use tokio::time::sleep;
use wsman::shell::{Send, StreamData, stream_capacity};
use wsman::{OptionSet, ShellVerb, code};

use super::Channel;
use crate::error::Error;
use crate::patience::Patience;
use crate::session::Repeat;

/// The input of a command. It goes over a connection of its own, while another one waits for output.
///
/// Use one handle at a time: services take one piece after the other.
#[derive(Debug)]
pub struct Stdin {
    channel: Channel,
    patience: Patience,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Here,
}

impl Stdin {
    pub(super) fn new(channel: Channel, patience: Patience) -> Self {
        Self { channel, patience }
    }

    /// Gives octets to the command, in as many requests as their number needs.
    ///
    /// If the future is dropped before it is ready, nobody knows how much the command has got.
    ///
    /// # Errors
    /// [`Error`]; [`Error::is_gone`] if the command has ended.
    pub async fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        let envelope = self.channel.session.max_envelope_size().min(LARGEST_ENVELOPE);
        for piece in octets.chunks(stream_capacity(envelope).max(1)) {
            self.send(piece, End::Open).await?;
        }
        Ok(())
    }

    /// Says that there is no further input.
    ///
    /// # Errors
    /// [`Error`]; [`Error::is_gone`] if the command has ended.
    pub async fn close(mut self) -> Result<(), Error> {
        self.send(&[], End::Here).await
    }

    async fn send(&mut self, octets: &[u8], end: End) -> Result<(), Error> {
        let mut pauses = PAUSES_WHEN_BUSY.iter();
        loop {
            match self.send_once(octets, end).await {
                Err(Error::Fault(fault)) if fault.code() == code::BUSY => match pauses.next() {
                    Some(pause) => sleep(*pause).await,
                    None => return Err(Error::Fault(fault)),
                },
                // A loaded service says so although the command has got its input: sending it again would
                // give it twice (reported against Windows).
                Err(error) if error.is_operation_timeout() => {
                    tracing::debug!(command = self.channel.command_id(), "Input was confirmed too late");
                    return Ok(());
                }
                sent => return sent,
            }
        }
    }

    async fn send_once(&mut self, octets: &[u8], end: End) -> Result<(), Error> {
        let piece = StreamData { name: "stdin", octets };
        let write = |body: &mut xml::Writer| {
            Send::write(body, piece, self.channel.command_id(), end == End::Here);
        };
        let options = OptionSet::new();
        let sent = self.channel.ask(ShellVerb::Send, options, Repeat::Harmful, &self.patience, write).await;
        sent.map(drop)
    }
}

/// What every service accepts: the MaxEnvelopeSizekb of old ones is 150.
const LARGEST_ENVELOPE: u32 = 150 * 1_024;

/// How long to leave a service alone that is still busy with the piece before.
const PAUSES_WHEN_BUSY: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(300)];
