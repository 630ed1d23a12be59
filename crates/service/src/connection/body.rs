//! Bodies of requests, which are received completely within limits or discarded.

use http::{BodyFraming, CONTINUE, ChunkError, ChunkedDecoder, RequestHead};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout_at};

use super::link::{Link, receive};
use super::{Connection, Disconnect, Rejection};
use crate::caller::Caller;

impl<I: Link> Connection<'_, I> {
    /// Receives a body of at most `limit` bytes.
    ///
    /// Bytes that have not arrived yet count for the caller, or for the source of the connection if the request is not
    /// authenticated.
    pub(super) async fn body(
        &mut self,
        head: &RequestHead,
        limit: usize,
        caller: Option<&Caller>,
    ) -> Result<Result<Vec<u8>, Rejection>, Disconnect> {
        let expected = match head.body() {
            BodyFraming::Empty => return Ok(Ok(Vec::new())),
            BodyFraming::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= limit => Some(length),
                _ => return Ok(Err(Rejection(413))),
            },
            BodyFraming::Chunked => None,
        };
        // Most requests arrive with their head in one piece.
        if expected == Some(self.received.len()) {
            return Ok(Ok(std::mem::take(&mut self.received)));
        }
        let mut _permit = None;
        if expected.is_none_or(|length| length > self.received.len()) {
            // The size of a chunked body is unknown until the last chunk.
            let bytes = expected.unwrap_or(limit);
            match self.slot.receive_body(caller, bytes, &self.service.config()) {
                Ok(permit) => _permit = Some(permit),
                Err(_) => return Ok(Err(Rejection(503))),
            }
        }
        if head.expects_continue() && self.received.is_empty() {
            self.write(CONTINUE.to_vec(), &[]).await?;
        }
        let deadline = Instant::now() + self.retrieval_time();
        let receiving = async {
            match expected {
                Some(length) => self.body_of_length(length).await.map(Ok),
                None => self.chunked_body(limit).await,
            }
        };
        match timeout_at(deadline, receiving).await {
            Ok(received) => received,
            // Status 500 when the Packet-Retrieval timer expires (MS-WSMV 3.1.2).
            Err(_) => Ok(Err(Rejection(500))),
        }
    }

    async fn body_of_length(&mut self, length: usize) -> Result<Vec<u8>, Disconnect> {
        let there = self.received.len().min(length);
        let mut body = Vec::with_capacity(there.max(length.min(INITIAL_CAPACITY)));
        body.extend(self.received.drain(..there));
        while body.len() < length {
            let missing = u64::try_from(length - body.len()).unwrap_or(u64::MAX);
            match (&mut self.io).take(missing).read_buf(&mut body).await {
                Ok(read) if read > 0 => {}
                _ => return Err(Disconnect("closed inside a request")),
            }
        }
        Ok(body)
    }

    async fn chunked_body(&mut self, limit: usize) -> Result<Result<Vec<u8>, Rejection>, Disconnect> {
        let mut decoder = ChunkedDecoder::new(limit);
        let mut body = Vec::new();
        loop {
            match decoder.decode(&self.received, &mut body) {
                Ok(progress) => {
                    self.received.drain(..progress.consumed);
                    if progress.done {
                        return Ok(Ok(body));
                    }
                }
                Err(error) => return Ok(Err(Rejection(error.status()))),
            }
            match receive(&mut self.io, &mut self.received).await {
                Ok(read) if read > 0 => {}
                _ => return Err(Disconnect("closed inside a request")),
            }
        }
    }

    /// Receives and discards a body. Returns `false` if it is too large or takes too long.
    pub(super) async fn discard_body(&mut self, head: &RequestHead) -> Result<bool, Disconnect> {
        let limit = self.largest_body();
        let deadline = Instant::now() + self.retrieval_time();
        let mut rest = match head.body() {
            BodyFraming::Empty => return Ok(true),
            BodyFraming::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= limit => RemainingBody::Length(length),
                _ => return Ok(false),
            },
            BodyFraming::Chunked => RemainingBody::Chunks(ChunkedDecoder::new(limit)),
        };
        loop {
            match rest.discard(&mut self.received) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(_) => return Ok(false),
            }
            match timeout_at(deadline, receive(&mut self.io, &mut self.received)).await {
                Ok(Ok(read)) if read > 0 => {}
                Ok(_) => return Err(Disconnect("closed inside a request")),
                Err(_) => return Ok(false),
            }
        }
    }
}

/// The part of a discarded body that was not received yet.
enum RemainingBody {
    Length(usize),
    Chunks(ChunkedDecoder),
}

impl RemainingBody {
    /// Removes the bytes of the body from `received`. Returns `true` at the end of the body.
    fn discard(&mut self, received: &mut Vec<u8>) -> Result<bool, ChunkError> {
        match self {
            Self::Length(left) => {
                let there = received.len().min(*left);
                received.drain(..there);
                *left -= there;
                Ok(*left == 0)
            }
            Self::Chunks(decoder) => {
                let progress = decoder.decode(received, &mut Vec::new())?;
                received.drain(..progress.consumed);
                Ok(progress.done)
            }
        }
    }
}

/// Maximum number of bytes allocated for a declared length before any of them arrive; the buffer grows with the body.
const INITIAL_CAPACITY: usize = 64 * 1_024;
