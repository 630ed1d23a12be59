//! Output of a pipeline or of the pool that waits for the client.

use std::collections::VecDeque;
use std::sync::Arc;

use psrp::{Body, Fragment, MessageType, PsrpError};
use tokio::sync::{Notify, Semaphore};

use crate::tracker::Tracker;

/// A whole fragment of the process.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Arc<[u8]>,
    object: u64,
    kind: Option<MessageType>,
    is_end: bool,
}

/// Output of one target: a pipeline, or the pool itself.
#[derive(Debug)]
pub(crate) struct Channel {
    /// Identifier of the command as the client wrote it; empty for the pool.
    pub(crate) command_id: String,
    pieces: VecDeque<Piece>,
    /// Bytes behind the last whole fragment.
    rest: Vec<u8>,
    /// Messages from the process.
    tracker: Tracker,
    /// Whether the pipeline has ended; nothing follows its last piece.
    is_finished: bool,
    /// Notifies the Receive that holds the turn.
    pub(crate) arrived: Arc<Notify>,
    /// Held by a Receive until its output was delivered.
    pub(crate) receiving: Arc<tokio::sync::Mutex<()>>,
    /// Semaphore with one permit, held by a packet until the process has acknowledged it.
    pub(crate) sending: Arc<Semaphore>,
}

/// Pieces for one response.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) pieces: Vec<Piece>,
    /// Whether the pipeline has ended with these pieces.
    pub(crate) is_last: bool,
    /// Whether the last piece is the end of a host call, which the client must answer.
    pub(crate) is_host_call: bool,
}

impl Channel {
    pub(crate) fn new(command_id: String) -> Self {
        Self {
            command_id,
            pieces: VecDeque::new(),
            rest: Vec::new(),
            tracker: Tracker::new(WANTED),
            is_finished: false,
            arrived: Arc::default(),
            receiving: Arc::default(),
            sending: Arc::new(Semaphore::new(1)),
        }
    }

    /// Returns whether the pipeline has ended.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Returns whether a Receive would return something.
    pub(crate) fn has_output(&self) -> bool {
        self.is_finished || !self.pieces.is_empty()
    }

    /// Adds data of the process, and returns the number of bytes of new pieces. `keep` receives each complete message
    /// that concerns the pool.
    ///
    /// # Errors
    /// [`PsrpError`] if the data are not fragments.
    pub(crate) fn push(
        &mut self,
        data: &[u8],
        keep: &mut dyn FnMut(psrp::Message),
    ) -> Result<usize, PsrpError> {
        let joined;
        let mut left = data;
        if !self.rest.is_empty() {
            let mut bytes = std::mem::take(&mut self.rest);
            bytes.extend_from_slice(data);
            joined = bytes;
            left = &joined;
        }
        let mut added = 0;
        while !left.is_empty() {
            let (fragment, behind) = match Fragment::decode(left) {
                Ok(decoded) => decoded,
                Err(PsrpError::ShortFragment { .. }) if left.len() < LONGEST_FRAGMENT => {
                    self.rest = left.to_vec();
                    break;
                }
                Err(error) => return Err(error),
            };
            let length = left.len() - behind.len();
            let tracked = self.tracker.add(&fragment)?;
            let bytes: Arc<[u8]> = left.get(..length).unwrap_or_default().into();
            let (object, is_end) = (fragment.object, fragment.is_end);
            self.pieces.push_back(Piece { bytes, object, kind: tracked.kind, is_end });
            added += length;
            if let Some(message) = tracked.message {
                self.is_finished |= is_end_of_pipeline(&message);
                keep(message);
            }
            left = behind;
        }
        self.arrived.notify_one();
        Ok(added)
    }

    /// Puts fragments that this service has made in front of the output.
    pub(crate) fn push_front(&mut self, bytes: &[u8], kind: MessageType) {
        let piece = Piece { bytes: bytes.into(), object: 0, kind: Some(kind), is_end: true };
        self.pieces.push_front(piece);
        self.arrived.notify_one();
    }

    /// Returns the next pieces for as long as `fits` accepts their lengths; they stay in the channel.
    pub(crate) fn peek(&self, mut fits: impl FnMut(usize) -> bool) -> Batch {
        let pieces: Vec<Piece> =
            self.pieces.iter().take_while(|piece| fits(piece.bytes.len())).cloned().collect();
        let is_last = self.is_finished && pieces.len() == self.pieces.len();
        let is_host_call = pieces.last().is_some_and(|piece| {
            let is_call = piece.kind.is_some_and(|kind| HOST_CALLS.contains(&kind));
            is_call && piece.is_end
        });
        Batch { pieces, is_last, is_host_call }
    }

    /// Removes delivered pieces, and returns the number of their bytes.
    pub(crate) fn remove(&mut self, count: usize) -> usize {
        let count = count.min(self.pieces.len());
        self.pieces.drain(..count).map(|piece| piece.bytes.len()).sum()
    }

    /// Returns the number of bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes.len()).sum()
    }

    /// Discards the oldest whole messages with records or output until `excess` bytes are gone, and returns the number
    /// of discarded bytes. States of pipelines and host calls stay.
    pub(crate) fn discard(&mut self, excess: usize) -> usize {
        let (mut gone, mut at) = (0, 0);
        while gone < excess
            && let Some(first) = self.pieces.get(at)
        {
            let object = first.object;
            let is_discardable = first.kind.is_some_and(|kind| DISCARDABLE.contains(&kind));
            let is_whole = self.pieces.iter().any(|piece| piece.object == object && piece.is_end);
            if !is_discardable || !is_whole {
                at += 1;
                continue;
            }
            self.pieces.retain(|piece| {
                let is_discarded = piece.object == object;
                gone += if is_discarded { piece.bytes.len() } else { 0 };
                !is_discarded
            });
        }
        gone
    }
}

fn is_end_of_pipeline(message: &psrp::Message) -> bool {
    let limits = psrp::clixml::Limits::default();
    match Body::decode(message.kind, &message.data, &limits) {
        Ok(Body::PipelineState(record)) => record.state.is_final(),
        _ => false,
    }
}

/// Messages of the process that the service reads.
const WANTED: &[MessageType] = &[
    MessageType::PipelineState,
    MessageType::SessionCapability,
    MessageType::ApplicationPrivateData,
    MessageType::RunspaceAvailability,
];
const HOST_CALLS: &[MessageType] = &[MessageType::PipelineHostCall, MessageType::RunspacePoolHostCall];
/// Messages that a disconnected pool in the mode Drop may discard.
const DISCARDABLE: &[MessageType] = &[
    MessageType::PipelineOutput,
    MessageType::ErrorRecord,
    MessageType::DebugRecord,
    MessageType::VerboseRecord,
    MessageType::WarningRecord,
    MessageType::ProgressRecord,
    MessageType::InformationRecord,
];
/// Maximum length of a fragment in bytes; PowerShell writes 32 KiB.
const LONGEST_FRAGMENT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use psrp::{Fragmenter, Guid, Message, Role};

    use super::*;

    fn fragments(object: u64, kind: MessageType, length: usize) -> Vec<u8> {
        let (pool, pipeline) = (Guid::from_bytes([1; 16]), Guid::from_bytes([2; 16]));
        let data = vec![b'x'; length];
        let message =
            Message { destination: Role::Client, kind, pool, pipeline, data, has_byte_order_mark: false };
        let (mut fragments, mut out) = (Fragmenter::new(object, message.encode()), Vec::new());
        while fragments.next(100, &mut out) {}
        out
    }

    #[test]
    fn fragments_may_be_divided_and_joined_by_the_process() {
        let bytes = fragments(1, MessageType::PipelineOutput, 200);
        for size in [1, 50, 130, 1_000] {
            let mut channel = Channel::new(String::new());
            for data in bytes.chunks(size) {
                channel.push(data, &mut |_| {}).unwrap();
            }
            let batch = channel.peek(|_| true);
            let received: Vec<u8> = batch.pieces.iter().flat_map(|piece| piece.bytes.to_vec()).collect();
            assert_eq!((received == bytes, batch.pieces.len()), (true, 4), "{size}");
        }
    }

    #[test]
    fn only_whole_records_are_discarded() {
        let mut channel = Channel::new(String::new());
        channel.push(&fragments(1, MessageType::PipelineHostCall, 10), &mut |_| {}).unwrap();
        channel.push(&fragments(2, MessageType::PipelineOutput, 200), &mut |_| {}).unwrap();
        channel.push(&fragments(3, MessageType::PipelineOutput, 200), &mut |_| {}).unwrap();
        let all = channel.len();
        let gone = channel.discard(1);
        assert!(gone > 200 && channel.len() == all - gone);
        let rest = channel.peek(|_| true).pieces.iter().map(|piece| piece.object).collect::<Vec<_>>();
        assert_eq!(rest, [1, 3, 3, 3, 3]);
        channel.discard(usize::MAX);
        assert_eq!(channel.peek(|_| true).pieces.len(), 1, "the host call stays");
    }
}
