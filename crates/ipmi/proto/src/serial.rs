//! The console's side of serial over LAN (IPMI 2.0, 15): characters in packets that are acknowledged one by
//! one.
//!
//! As with a [`Session`](crate::Session), the caller passes received packets and the current time. The
//! packets are sent inside a session.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::ProtoError;
use crate::octets::Octets;
use crate::payload::SerialPayload;

/// An active serial console.
#[derive(Debug)]
pub struct SerialConsole {
    /// Maximum number of characters in a packet.
    most: usize,
    retry: Duration,
    typed: VecDeque<u8>,
    wants_break: bool,
    /// Number of the last packet sent, 1 to 15; 0 before the first.
    number: u8,
    unacknowledged: Option<Unacknowledged>,
    /// Number of the last packet received, and the number of its characters that were accepted.
    taken: (u8, u8),
    acknowledgements: VecDeque<[u8; 4]>,
    /// Time until which nothing is sent, because the controller rejected a packet.
    held_until: Option<Instant>,
}

#[derive(Debug)]
struct Unacknowledged {
    payload: Vec<u8>,
    /// Number of characters in the packet.
    characters: usize,
    sent_at: Option<Instant>,
    times: u32,
}

/// Event of a serial console.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SerialEvent {
    /// Characters from the machine.
    Characters(Vec<u8>),
    /// A break on the line.
    Break,
    /// The machine sent more characters than the controller could buffer.
    Overrun,
    /// The machine does not accept characters: it is off, or its serial port is used otherwise.
    Unavailable,
    /// The controller ended the console, or another session took it over.
    Deactivated,
    /// The controller did not acknowledge a packet within the retry limit.
    Lost,
}

impl SerialConsole {
    /// Returns a console with the packet length announced by the controller. Unacknowledged packets are
    /// resent after `retry`, with increasing intervals.
    #[must_use]
    pub fn new(payload: SerialPayload, retry: Duration) -> Self {
        let most = usize::from(payload.most_in).saturating_sub(HEADER_OCTETS).clamp(1, MOST_CHARACTERS);
        Self {
            most,
            retry,
            typed: VecDeque::new(),
            wants_break: false,
            number: 0,
            unacknowledged: None,
            taken: (0, 0),
            acknowledgements: VecDeque::new(),
            held_until: None,
        }
    }

    /// Queues typed characters. Returns how many were accepted; the queue holds 4,096.
    pub fn write(&mut self, characters: &[u8]) -> usize {
        let room = MOST_TYPED.saturating_sub(self.typed.len());
        self.typed.extend(characters.iter().take(room));
        characters.len().min(room)
    }

    /// Sends a break ahead of queued characters, because it may revive a machine that accepts none.
    pub fn send_break(&mut self) {
        self.wants_break = true;
    }

    /// Returns whether all characters have been acknowledged.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.typed.is_empty() && self.unacknowledged.is_none() && !self.wants_break
    }

    /// Processes the payload of a packet and returns the resulting events.
    ///
    /// # Errors
    /// If the payload is truncated.
    pub fn receive(&mut self, payload: &[u8], now: Instant) -> Result<Vec<SerialEvent>, ProtoError> {
        let mut octets = Octets::new("a packet of serial over LAN", payload);
        let [number, acknowledged, accepted, status] = octets.array()?;
        let (number, acknowledged) = (number & 0x0f, acknowledged & 0x0f);
        let mut events = Vec::new();
        for (bit, event) in [
            (BREAK, SerialEvent::Break),
            (OVERRUN, SerialEvent::Overrun),
            (UNAVAILABLE, SerialEvent::Unavailable),
        ] {
            if status & bit != 0 {
                events.push(event);
            }
        }
        self.acknowledged(acknowledged, usize::from(accepted), status, now);
        let characters = octets.rest();
        if number != 0 {
            // A number equal to the last one is a resent packet whose acknowledgement was lost.
            if number != self.taken.0 {
                if !characters.is_empty() {
                    events.push(SerialEvent::Characters(characters.to_vec()));
                }
                self.taken = (number, u8::try_from(characters.len()).unwrap_or(u8::MAX));
            }
            let (number, accepted) = self.taken;
            if self.acknowledgements.len() < MAX_ACKNOWLEDGEMENTS {
                self.acknowledgements.push_back([0, number, accepted, 0]);
            }
        }
        if status & DEACTIVATED != 0 {
            events.push(SerialEvent::Deactivated);
        }
        Ok(events)
    }

    fn acknowledged(&mut self, number: u8, accepted: usize, status: u8, now: Instant) {
        let acknowledged = self
            .unacknowledged
            .take_if(|open| number != 0 && open.sent_at.is_some() && open.payload.first() == Some(&number));
        let Some(open) = acknowledged else { return };
        if status & NACK != 0 {
            self.held_until = Some(now + self.retry);
        }
        // Characters that were not accepted are queued again at the front.
        let rest = open.payload.get(HEADER_OCTETS + accepted.min(open.characters)..).unwrap_or_default();
        if status & NACK != 0 || accepted < open.characters {
            rest.iter().rev().for_each(|character| self.typed.push_front(*character));
        }
    }

    /// Returns the payload of the next packet to send, or `None`.
    pub fn transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        if let Some(acknowledgement) = self.acknowledgements.pop_front() {
            return Some(acknowledgement.to_vec());
        }
        if self.held_until.is_some_and(|until| now < until) {
            return None;
        }
        self.held_until = None;
        if self.unacknowledged.is_none() && (self.wants_break || !self.typed.is_empty()) {
            let operation = if std::mem::take(&mut self.wants_break) { SEND_BREAK } else { 0 };
            let count = self.typed.len().min(self.most);
            self.number = self.number % 15 + 1;
            let mut payload = vec![self.number, 0, 0, operation];
            payload.extend(self.typed.drain(..count));
            self.unacknowledged =
                Some(Unacknowledged { payload, characters: count, sent_at: None, times: 0 });
        }
        let open = self.unacknowledged.as_mut()?;
        let is_due =
            open.sent_at.is_none_or(|sent_at| now >= sent_at + self.retry * (1 << open.times.min(4)));
        if !is_due || open.times > MAX_TIMES {
            return None;
        }
        if open.sent_at.replace(now).is_some() {
            open.times += 1;
        }
        Some(open.payload.clone())
    }

    /// Returns [`SerialEvent::Lost`] if a packet was not acknowledged within the retry limit.
    pub fn tick(&mut self, now: Instant) -> Option<SerialEvent> {
        let is_over = self.deadline().is_some_and(|deadline| now >= deadline);
        if !is_over || self.held_until.is_some() {
            return None;
        }
        let lost = self.unacknowledged.take_if(|open| open.times >= MAX_TIMES);
        lost.map(|_| SerialEvent::Lost)
    }

    /// Returns the time at which [`tick`](Self::tick) and [`transmit`](Self::transmit) must be called, unless
    /// a packet arrives before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let open = self.unacknowledged.as_ref();
        let resent = open.and_then(|open| Some(open.sent_at? + self.retry * (1 << open.times.min(4))));
        match (resent, self.held_until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}

const HEADER_OCTETS: usize = 4;
/// Maximum number of characters of a packet: the count of accepted characters is one byte.
const MOST_CHARACTERS: usize = 255;
/// Maximum number of queued characters; the caller has to keep more, for example pasted text.
const MOST_TYPED: usize = 4_096;
const MAX_ACKNOWLEDGEMENTS: usize = 16;
/// Maximum number of times a packet is sent again.
const MAX_TIMES: u32 = 7;
/// Status bits from the controller.
const NACK: u8 = 0x40;
const UNAVAILABLE: u8 = 0x20;
const DEACTIVATED: u8 = 0x10;
const OVERRUN: u8 = 0x08;
const BREAK: u8 = 0x04;
/// Operation bit to the controller.
const SEND_BREAK: u8 = 0x10;
