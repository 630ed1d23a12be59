//! Bodies of requests: read whole within a limit, or passed over.

use http::{BodyFraming, CONTINUE, ChunkError, ChunkedDecoder, RequestHead};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout_at};

use super::link::{Link, receive};
use super::{Connection, Ended, Refusal};
use crate::access::Caller;

impl<I: Link> Connection<'_, I> {
    /// Receives a body of at most `limit` octets. What has not arrived yet counts for the caller, or for the source of
    /// the connection if nobody has signed in.
    pub(super) async fn body(
        &mut self,
        head: &RequestHead,
        limit: usize,
        caller: Option<&Caller>,
    ) -> Result<Result<Vec<u8>, Refusal>, Ended> {
        let expected = match head.body() {
            BodyFraming::Empty => return Ok(Ok(Vec::new())),
            BodyFraming::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= limit => Some(length),
                _ => return Ok(Err(Refusal(413))),
            },
            BodyFraming::Chunked => None,
        };
        let mut _permit = None;
        if expected.is_none_or(|length| length > self.received.len()) {
            // The length of chunks is not known before the last one.
            let bytes = expected.unwrap_or(limit);
            match self.slot.receive_body(caller, bytes, &self.service.config()) {
                Ok(permit) => _permit = Some(permit),
                Err(_) => return Ok(Err(Refusal(503))),
            }
        }
        if head.expects_continue() && self.received.is_empty() {
            self.write(CONTINUE, &[]).await?;
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
            // MS-WSMV 3.1.2: the Packet-Retrieval timer.
            Err(_) => Ok(Err(Refusal(500))),
        }
    }

    async fn body_of_length(&mut self, length: usize) -> Result<Vec<u8>, Ended> {
        let there = self.received.len().min(length);
        let mut body = Vec::with_capacity(there.max(length.min(FIRST_PIECE)));
        body.extend(self.received.drain(..there));
        while body.len() < length {
            let missing = u64::try_from(length - body.len()).unwrap_or(u64::MAX);
            match (&mut self.io).take(missing).read_buf(&mut body).await {
                Ok(read) if read > 0 => {}
                _ => return Err(Ended("closed inside a request")),
            }
        }
        Ok(body)
    }

    async fn chunked_body(&mut self, limit: usize) -> Result<Result<Vec<u8>, Refusal>, Ended> {
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
                Err(error) => return Ok(Err(Refusal(error.status()))),
            }
            match receive(&mut self.io, &mut self.received).await {
                Ok(read) if read > 0 => {}
                _ => return Err(Ended("closed inside a request")),
            }
        }
    }

    /// Receives a body that nobody will read; `false` if it is larger, or takes longer, than one may.
    pub(super) async fn pass_over_body(&mut self, head: &RequestHead) -> Result<bool, Ended> {
        let limit = self.largest_body();
        let deadline = Instant::now() + self.retrieval_time();
        let mut rest = match head.body() {
            BodyFraming::Empty => return Ok(true),
            BodyFraming::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= limit => Rest::Octets(length),
                _ => return Ok(false),
            },
            BodyFraming::Chunked => Rest::Chunks(ChunkedDecoder::new(limit)),
        };
        loop {
            match rest.pass_over(&mut self.received) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(_) => return Ok(false),
            }
            match timeout_at(deadline, receive(&mut self.io, &mut self.received)).await {
                Ok(Ok(read)) if read > 0 => {}
                Ok(_) => return Err(Ended("closed inside a request")),
                Err(_) => return Ok(false),
            }
        }
    }
}

/// What is left of a body that nobody will read.
enum Rest {
    Octets(usize),
    Chunks(ChunkedDecoder),
}

impl Rest {
    /// Takes what belongs to the body out of what was received; `true` at its end.
    fn pass_over(&mut self, received: &mut Vec<u8>) -> Result<bool, ChunkError> {
        match self {
            Self::Octets(left) => {
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

/// The memory that a promise of a body is worth, in octets; more is taken as the body comes.
const FIRST_PIECE: usize = 64 * 1_024;
