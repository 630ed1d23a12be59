//! Messages in a stream of fragments that is passed on.

use std::collections::BTreeMap;

use psrp::{Fragment, Header, MESSAGE_HEADER, Message, MessageType, PsrpError};

/// Follows the messages of one stream. It keeps only the messages of the wanted types; all others are not stored.
#[derive(Debug)]
pub(crate) struct Tracker {
    wanted: &'static [MessageType],
    open: BTreeMap<u64, OpenMessage>,
}

/// A message of which fragments are missing.
#[derive(Debug, Default)]
struct OpenMessage {
    kind: Option<MessageType>,
    /// Beginning of the message; all of it if the type is wanted.
    bytes: Vec<u8>,
}

/// Result of a fragment.
#[derive(Debug, Default)]
pub(crate) struct Tracked {
    /// Type of the message; `None` if the fragments so far do not contain it.
    pub(crate) kind: Option<MessageType>,
    /// Complete message of a wanted type.
    pub(crate) message: Option<Message>,
}

impl Tracker {
    pub(crate) fn new(wanted: &'static [MessageType]) -> Self {
        Self { wanted, open: BTreeMap::new() }
    }

    /// Adds a fragment.
    ///
    /// # Errors
    /// [`PsrpError`] for a malformed message header, a wanted message that is too long, and too many incomplete
    /// messages.
    pub(crate) fn add(&mut self, fragment: &Fragment<'_>) -> Result<Tracked, PsrpError> {
        let mut message = match fragment.is_start {
            true => OpenMessage::default(),
            false => self.open.remove(&fragment.object).unwrap_or_default(),
        };
        message.add(fragment.data, self.wanted)?;
        let kind = message.kind;
        if !fragment.is_end {
            if self.open.len() >= MAX_OPEN {
                return Err(PsrpError::TooLarge { what: "number of incomplete messages", limit: MAX_OPEN });
            }
            self.open.insert(fragment.object, message);
            return Ok(Tracked { kind, message: None });
        }
        self.open.remove(&fragment.object);
        let is_wanted = kind.is_some_and(|kind| self.wanted.contains(&kind));
        let message = is_wanted.then(|| Message::decode(&message.bytes)).transpose()?;
        Ok(Tracked { kind, message })
    }
}

impl OpenMessage {
    fn add(&mut self, data: &[u8], wanted: &[MessageType]) -> Result<(), PsrpError> {
        let is_wanted = self.kind.is_none_or(|kind| wanted.contains(&kind));
        if !is_wanted {
            return Ok(());
        }
        if self.bytes.len().saturating_add(data.len()) > LONGEST && self.kind.is_some() {
            return Err(PsrpError::TooLarge { what: "message length in bytes", limit: LONGEST });
        }
        self.bytes.extend_from_slice(data);
        if self.kind.is_none() && self.bytes.len() >= MESSAGE_HEADER {
            let kind = Header::decode(&self.bytes)?.kind;
            self.kind = Some(kind);
            if !wanted.contains(&kind) {
                self.bytes = Vec::new();
            }
        }
        Ok(())
    }
}

/// Maximum number of incomplete messages of a stream.
const MAX_OPEN: usize = 64;
/// Maximum length of a wanted message in bytes.
const LONGEST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use psrp::{Body, Fragmenter, Guid, Role, RunspaceCount};

    use super::*;

    const WANTED: &[MessageType] = &[MessageType::RunspacePoolInitData];

    fn message(body: &Body) -> Vec<u8> {
        let (pool, pipeline) = (Guid::from_bytes([1; 16]), Guid::ZERO);
        let data = body.encode().unwrap();
        let kind = body.kind();
        Message { destination: Role::Client, kind, pool, pipeline, data, has_byte_order_mark: false }.encode()
    }

    fn track(bytes: Vec<u8>, size: usize) -> Vec<Tracked> {
        let (mut fragments, mut tracker) = (Fragmenter::new(1, bytes), Tracker::new(WANTED));
        let mut tracked = Vec::new();
        loop {
            let mut out = Vec::new();
            if !fragments.next(size, &mut out) {
                return tracked;
            }
            tracked.push(tracker.add(&Fragment::decode(&out).unwrap().0).unwrap());
        }
    }

    #[test]
    fn a_wanted_message_is_returned_with_its_last_fragment() {
        let bytes = message(&Body::RunspacePoolInitData(RunspaceCount { min: 1, max: 5 }));
        for size in [22, 50, 4_000] {
            let tracked = track(bytes.clone(), size);
            let (last, others) = tracked.split_last().unwrap();
            assert!(others.iter().all(|tracked| tracked.message.is_none()), "{size}");
            assert_eq!(last.message, Some(Message::decode(&bytes).unwrap()), "{size}");
        }
    }

    #[test]
    fn other_messages_are_not_stored() {
        let tracked = track(message(&Body::ConnectRunspacePool(None)), 30);
        assert!(tracked.iter().all(|tracked| tracked.message.is_none()));
        assert_eq!(tracked.last().and_then(|tracked| tracked.kind), Some(MessageType::ConnectRunspacePool));
    }
}
