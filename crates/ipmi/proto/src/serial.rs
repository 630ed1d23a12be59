//! The console's end of serial over LAN (IPMI 2.0, 15): characters in packets that are acknowledged one by one.
//!
//! It is told what arrived and what time it is, as a [`Session`](crate::Session) is, and its packets travel in one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::ProtoError;
use crate::octets::Octets;
use crate::payload::SerialPayload;

/// A serial console that has been activated.
#[derive(Debug)]
pub struct SerialConsole {
    /// How many characters a packet may have.
    most: usize,
    retry: Duration,
    typed: VecDeque<u8>,
    wants_break: bool,
    /// The number of the packet that was sent last, 1 to 15; 0 before the first.
    number: u8,
    unacknowledged: Option<Unacknowledged>,
    /// The packet that came last, and how many characters of it were taken.
    taken: (u8, u8),
    acknowledgements: VecDeque<[u8; 4]>,
    /// Until when the controller takes nothing.
    is_held_until: Option<Instant>,
}

#[derive(Debug)]
struct Unacknowledged {
    payload: Vec<u8>,
    /// How many characters are in it.
    characters: usize,
    sent_at: Option<Instant>,
    times: u32,
}

/// What has come of something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SerialEvent {
    /// The machine has said something.
    Characters(Vec<u8>),
    /// The line has a break.
    Break,
    /// The machine has said more than the controller could keep.
    Overrun,
    /// The machine does not listen now: it is off, or its port belongs to somebody else.
    Unavailable,
    /// The controller has ended it, or given it to somebody else.
    Deactivated,
    /// The controller has not acknowledged something for too long.
    Lost,
}

impl SerialConsole {
    /// One with packets as long as the controller takes; what it does not acknowledge is sent again after `retry`.
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
            is_held_until: None,
        }
    }

    /// Queues what somebody has typed; how much of it there is room for.
    pub fn write(&mut self, characters: &[u8]) -> usize {
        let room = MOST_TYPED.saturating_sub(self.typed.len());
        self.typed.extend(characters.iter().take(room));
        characters.len().min(room)
    }

    /// Sends a break, behind nothing: it may be what frees a machine that takes no characters.
    pub fn send_break(&mut self) {
        self.wants_break = true;
    }

    /// Whether everything that was typed has been acknowledged.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.typed.is_empty() && self.unacknowledged.is_none() && !self.wants_break
    }

    /// Takes the payload of a packet.
    ///
    /// # Errors
    /// When it is cut off.
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
            // The same packet again: its acknowledgement was lost.
            if number != self.taken.0 {
                if !characters.is_empty() {
                    events.push(SerialEvent::Characters(characters.to_vec()));
                }
                self.taken = (number, u8::try_from(characters.len()).unwrap_or(u8::MAX));
            }
            let (number, accepted) = self.taken;
            if self.acknowledgements.len() < MOST_ACKNOWLEDGEMENTS {
                self.acknowledgements.push_back([0, number, accepted, 0]);
            }
        }
        if status & DEACTIVATED != 0 {
            events.push(SerialEvent::Deactivated);
        }
        Ok(events)
    }

    fn acknowledged(&mut self, number: u8, accepted: usize, status: u8, now: Instant) {
        let is_it = |open: &Unacknowledged| {
            number != 0 && open.sent_at.is_some() && open.payload.first() == Some(&number)
        };
        let Some(open) = self.unacknowledged.take_if(|open| is_it(open)) else { return };
        if status & NACK != 0 {
            self.is_held_until = Some(now + self.retry);
        }
        // What was not accepted is typed again, before everything else.
        let rest = open.payload.get(HEADER_OCTETS + accepted.min(open.characters)..).unwrap_or_default();
        if status & NACK != 0 || accepted < open.characters {
            rest.iter().rev().for_each(|character| self.typed.push_front(*character));
        }
    }

    /// The payload of the next packet.
    pub fn transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        if let Some(acknowledgement) = self.acknowledgements.pop_front() {
            return Some(acknowledgement.to_vec());
        }
        if self.is_held_until.is_some_and(|until| now < until) {
            return None;
        }
        self.is_held_until = None;
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
        if !is_due || open.times > MOST_TIMES {
            return None;
        }
        if open.sent_at.replace(now).is_some() {
            open.times += 1;
        }
        Some(open.payload.clone())
    }

    /// Gives up what was not acknowledged for too long.
    pub fn tick(&mut self, now: Instant) -> Option<SerialEvent> {
        let is_over = self.deadline().is_some_and(|deadline| now >= deadline);
        let is_lost = |open: &mut Unacknowledged| open.times >= MOST_TIMES;
        if is_over && self.is_held_until.is_none() && self.unacknowledged.take_if(is_lost).is_some() {
            return Some(SerialEvent::Lost);
        }
        None
    }

    /// When there is something to do, unless something arrives before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let open = self.unacknowledged.as_ref();
        let resent = open.and_then(|open| Some(open.sent_at? + self.retry * (1 << open.times.min(4))));
        match (resent, self.is_held_until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}

const HEADER_OCTETS: usize = 4;
/// The count of accepted characters is one octet.
const MOST_CHARACTERS: usize = 255;
/// More than anybody types while nothing is acknowledged; what is pasted waits outside.
const MOST_TYPED: usize = 4_096;
const MOST_ACKNOWLEDGEMENTS: usize = 16;
/// How often something is sent again.
const MOST_TIMES: u32 = 7;
/// Of the fourth octet, from the controller.
const NACK: u8 = 0x40;
const UNAVAILABLE: u8 = 0x20;
const DEACTIVATED: u8 = 0x10;
const OVERRUN: u8 = 0x08;
const BREAK: u8 = 0x04;
/// To the controller.
const SEND_BREAK: u8 = 0x10;
