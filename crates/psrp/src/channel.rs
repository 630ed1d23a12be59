//! Messages of one end in both directions: division into fragments, and joining.

use std::collections::VecDeque;

use crate::clixml::Limits;
use crate::error::PsrpError;
use crate::fragment::{Defragmenter, FRAGMENT_HEADER, Fragment, FragmentLimits, Fragmenter};
use crate::guid::Guid;
use crate::message::{Header, Message, Role, data_of};
use crate::record::Body;

/// Priority of data on the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Stream `stdin`, or `stdout` in the other direction.
    Default,
    /// Stream `pr`, for host calls and their responses.
    PromptResponse,
}

/// Whole fragments for the transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Pipeline; `None` for the pool.
    pub pipeline: Option<Guid>,
    /// Stream.
    pub stream: Stream,
    /// One or more whole fragments.
    pub fragments: Vec<u8>,
}

/// Message of the peer that a pool has applied to its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Pipeline; `None` for the pool.
    pub pipeline: Option<Guid>,
    /// Content.
    pub body: Body,
}

/// Limits of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Limits of messages and fragments.
    pub fragments: FragmentLimits,
    /// Limits of CLIXML.
    pub clixml: Limits,
    /// Maximum number of pipelines that the pool knows.
    pub pipelines: usize,
}

impl Default for PoolLimits {
    /// The defaults of [`FragmentLimits`] and [`Limits`], and 1,000 pipelines.
    fn default() -> Self {
        Self { fragments: FragmentLimits::default(), clixml: Limits::default(), pipelines: 1_000 }
    }
}

/// Messages of one end in both directions.
#[derive(Debug)]
pub(crate) struct Channel {
    role: Role,
    limits: PoolLimits,
    incoming: Defragmenter,
    next_object: u64,
    queue: VecDeque<Queued>,
    queued: usize,
}

#[derive(Debug)]
struct Queued {
    pipeline: Option<Guid>,
    stream: Stream,
    fragments: Fragmenter,
}

impl Channel {
    pub(crate) fn new(role: Role, limits: PoolLimits) -> Self {
        let incoming = Defragmenter::new(limits.fragments);
        Self { role, limits, incoming, next_object: 1, queue: VecDeque::new(), queued: 0 }
    }

    pub(crate) fn limits(&self) -> &PoolLimits {
        &self.limits
    }

    /// Decodes whole fragments and returns the messages that they complete.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<Vec<(Header, Body)>, PsrpError> {
        let mut messages = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (fragment, behind) = Fragment::decode(rest)?;
            rest = behind;
            let Some(bytes) = self.incoming.add(fragment)? else { continue };
            let header = Header::decode(&bytes)?;
            if header.destination != self.role {
                return Err(PsrpError::Header("the message is addressed to the other end"));
            }
            let body = Body::decode(header.kind, data_of(&bytes), &self.limits.clixml)?;
            messages.push((header, body));
        }
        Ok(messages)
    }

    /// Queues a message.
    pub(crate) fn send(&mut self, pool: Guid, pipeline: Option<Guid>, body: &Body) -> Result<(), PsrpError> {
        let stream = match body {
            Body::PoolHostResponse(_) | Body::PipelineHostResponse(_) => Stream::PromptResponse,
            _ => Stream::Default,
        };
        let message = Message {
            destination: self.role.peer(),
            kind: body.kind(),
            pool,
            pipeline: pipeline.unwrap_or(Guid::ZERO),
            data: body.encode()?,
            has_byte_order_mark: false,
        };
        let fragments = Fragmenter::of_message(self.next_object, message);
        self.next_object += 1;
        self.queued += fragments.length();
        self.queue.push_back(Queued { pipeline, stream, fragments });
        Ok(())
    }

    /// Returns the next fragments for one target and stream, at most `limit` bytes.
    pub(crate) fn take(&mut self, limit: usize) -> Option<Outgoing> {
        let Queued { pipeline, stream, .. } = *self.queue.front()?;
        let mut fragments = Vec::new();
        while let Some(first) = self.queue.front_mut() {
            let room = limit.saturating_sub(fragments.len());
            let is_same = first.pipeline == pipeline && first.stream == stream;
            if !is_same || !first.fragments.next(room, &mut fragments) {
                break;
            }
            if first.fragments.is_done() {
                self.queued -= first.fragments.length();
                self.queue.pop_front();
            }
        }
        (!fragments.is_empty()).then_some(Outgoing { pipeline, stream, fragments })
    }

    /// Returns the next fragments for this target and stream, at most `limit` bytes, ahead of those for others.
    pub(crate) fn take_for(
        &mut self,
        pipeline: Option<Guid>,
        stream: Stream,
        limit: usize,
    ) -> Option<Outgoing> {
        let mut fragments = Vec::with_capacity(self.room_for(pipeline, stream, limit));
        let mut place = 0;
        while let Some(queued) = self.queue.get_mut(place) {
            if queued.pipeline != pipeline || queued.stream != stream {
                place += 1;
                continue;
            }
            let room = limit.saturating_sub(fragments.len());
            if !queued.fragments.next(room, &mut fragments) {
                break;
            }
            if queued.fragments.is_done() {
                self.queued -= queued.fragments.length();
                self.queue.remove(place);
            }
        }
        (!fragments.is_empty()).then_some(Outgoing { pipeline, stream, fragments })
    }

    /// Returns the length of the fragments that [`Self::take_for`] returns, at most.
    fn room_for(&self, pipeline: Option<Guid>, stream: Stream, limit: usize) -> usize {
        let matching =
            self.queue.iter().filter(|queued| queued.pipeline == pipeline && queued.stream == stream);
        let lengths = matching.map(|queued| queued.fragments.left() + FRAGMENT_HEADER);
        lengths.fold(0, |sum: usize, length| sum.saturating_add(length).min(limit))
    }

    /// Returns the length of the queued messages in bytes.
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    /// Drops incomplete messages, because the next connection numbers its messages from the beginning.
    pub(crate) fn drop_incomplete(&mut self) {
        self.incoming = Defragmenter::new(self.limits.fragments);
    }

    /// Drops the queued messages of a pipeline of which no fragment was sent.
    pub(crate) fn forget(&mut self, pipeline: Guid) {
        let mut dropped = 0;
        self.queue.retain(|queued| {
            let is_dropped = queued.pipeline == Some(pipeline) && queued.fragments.is_untouched();
            dropped += if is_dropped { queued.fragments.length() } else { 0 };
            !is_dropped
        });
        self.queued -= dropped;
    }
}
