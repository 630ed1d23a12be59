//! Read-ahead of records: while one is outstanding, the following ones are requested by their probable ids.

use std::collections::{HashSet, VecDeque};

use ipmi_proto::device_sdr::{GetDeviceSdr, ReserveDeviceSdrs};
use ipmi_proto::sdr;
use ipmi_proto::storage::{GetSdr, Piece, ReserveSdrRepository};
use ipmi_proto::{Command as _, CompletionCode, Destination, Request};
use tracing::debug;

use crate::connection::{Pending, reply};
use crate::{Connection, IpmiError};

/// Origin of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The SDR repository.
    Repository,
    /// Device SDRs, which describe the controller's own sensors.
    Device,
}

pub(super) struct Reader<'c> {
    bmc: &'c Connection,
    source: Source,
    reservation: u16,
    /// Largest piece that the controller has returned so far, in bytes.
    most: u8,
    /// Number of bytes requested of a record before its length is known.
    first: u8,
    /// Number of wrong guesses.
    wrong: usize,
    /// Whether records changed while they were read.
    is_changing: bool,
}

/// A record whose first piece has arrived.
struct PartialRecord {
    id: u16,
    octets: Vec<u8>,
    rest: Vec<(GetSdr, Pending)>,
}

impl<'c> Reader<'c> {
    pub(super) fn new(bmc: &'c Connection, source: Source) -> Self {
        Self {
            bmc,
            source,
            reservation: 0,
            most: LARGEST_PIECE,
            first: FIRST_PIECE,
            wrong: 0,
            is_changing: false,
        }
    }

    /// Returns all records with their headers, in the order of the controller. `count` is the number that the
    /// controller reports.
    pub(super) async fn all(mut self, count: usize) -> Result<Vec<Vec<u8>>, IpmiError> {
        let (mut records, mut begun) = (Vec::new(), VecDeque::new());
        if count == 0 {
            return Ok(records);
        }
        self.reservation = self.reserve().await?;
        let mut requested: VecDeque<(GetSdr, Pending)> = VecDeque::new();
        let (mut next, mut before) = (FIRST, None);
        let mut met = HashSet::from([FIRST]);
        // Some controllers report too small a count. The upper limit protects against an endless chain of
        // ids.
        for seen in 0..count.clamp(MOST_UNCOUNTED, MOST_RECORDS) {
            if requested.front().is_none_or(|(get, _)| get.record != next) {
                // Responses to wrong guesses are dropped on arrival.
                self.wrong += usize::from(!requested.is_empty());
                requested.clear();
                requested.push_back(self.begin(next));
            }
            self.guess(&mut requested, before, count.saturating_sub(seen));
            let Some((get, pending)) = requested.pop_front() else { break };
            let (one, after) = match self.rest_of(get, pending).await {
                // The previous record refers to this one, but it does not exist: the list ends here.
                Err(IpmiError::Completion(CompletionCode::NOT_PRESENT))
                    if before.is_some() && !self.is_changing =>
                {
                    debug!(record = next, "The next record is not there");
                    break;
                }
                other => other?,
            };
            begun.push_back(one);
            if begun.len() > MOST_BEGUN {
                self.finish(begun.pop_front(), &mut records).await?;
            }
            if after == LAST || !met.insert(after) {
                break;
            }
            before = Some(next);
            next = after;
        }
        while let Some(one) = begun.pop_front() {
            self.finish(Some(one), &mut records).await?;
        }
        Ok(records)
    }

    /// Requests the records that probably follow, unless too many guesses were wrong.
    fn guess(&mut self, requested: &mut VecDeque<(GetSdr, Pending)>, before: Option<u16>, left: usize) {
        // The first record is requested as id 0, whatever its id is.
        let Some(((last, _), before)) = requested.back().zip(before) else { return };
        if self.wrong > MOST_WRONG {
            return;
        }
        let front = requested.front().map_or(last.record, |(get, _)| get.record);
        let stride = if before == FIRST { 1 } else { front.wrapping_sub(before).max(1) };
        let mut id = last.record;
        while requested.len() < AHEAD.min(left) {
            id = id.wrapping_add(stride);
            if id == LAST {
                return;
            }
            requested.push_back(self.begin(id));
        }
    }

    /// Requests the first piece of a record.
    fn begin(&self, record: u16) -> (GetSdr, Pending) {
        let get = GetSdr { reservation: self.reservation, record, offset: 0, octets: self.first };
        (get, self.bmc.begin(Destination::CONTROLLER, self.request(get)))
    }

    /// Processes the first piece and requests the others. Also returns the id of the next record.
    async fn rest_of(&mut self, get: GetSdr, pending: Pending) -> Result<(PartialRecord, u16), IpmiError> {
        let piece = match reply(&get, &pending.answer().await?) {
            Ok(piece) if piece.octets.len() >= usize::from(sdr::HEADER_OCTETS) => piece,
            Ok(_) => return self.slowly(get.record).await,
            Err(IpmiError::Completion(code)) if is_too_much(code) => {
                // Either the controller cannot return so many bytes, or the record is shorter.
                self.first = sdr::HEADER_OCTETS;
                return self.slowly(get.record).await;
            }
            Err(IpmiError::Completion(_)) => return self.slowly(get.record).await,
            Err(error) => return Err(error),
        };
        let Piece { next, mut octets } = piece;
        let length = sdr::octets_of(&octets)?;
        octets.truncate(length);
        let (mut rest, mut offset) = (Vec::new(), octets.len());
        while offset < length {
            let count = (length - offset).min(self.most.into());
            let (at, count_octets) = (u8::try_from(offset), u8::try_from(count));
            let (Ok(at), Ok(count_octets)) = (at, count_octets) else {
                return self.slowly(get.record).await;
            };
            let get = GetSdr { offset: at, octets: count_octets, ..get };
            rest.push((get, self.bmc.begin(Destination::CONTROLLER, self.request(get))));
            offset += count;
        }
        Ok((PartialRecord { id: get.record, octets, rest }, next))
    }

    /// Waits for the remaining pieces of a record.
    async fn finish(
        &mut self,
        begun: Option<PartialRecord>,
        records: &mut Vec<Vec<u8>>,
    ) -> Result<(), IpmiError> {
        let Some(PartialRecord { id, mut octets, rest }) = begun else { return Ok(()) };
        for (get, pending) in rest {
            match reply(&get, &pending.answer().await?) {
                Ok(piece) if piece.octets.len() == usize::from(get.octets) => octets.extend(piece.octets),
                Ok(_) | Err(IpmiError::Completion(_)) => {
                    octets = self.slowly(id).await?.0.octets;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        records.push(octets);
        Ok(())
    }

    /// Reads a whole record piece by piece, in smaller and smaller pieces, with a new reservation if
    /// necessary.
    async fn slowly(&mut self, record: u16) -> Result<(PartialRecord, u16), IpmiError> {
        for _ in 0..RESERVATIONS {
            match self.pieces(record).await {
                Err(IpmiError::Completion(CompletionCode::RESERVATION)) => {
                    self.is_changing = true;
                    self.reservation = self.reserve().await?;
                }
                Err(error) => return Err(error),
                Ok((octets, next)) => {
                    return Ok((PartialRecord { id: record, octets, rest: Vec::new() }, next));
                }
            }
        }
        Err(IpmiError::Completion(CompletionCode::RESERVATION))
    }

    async fn pieces(&mut self, record: u16) -> Result<(Vec<u8>, u16), IpmiError> {
        let Piece { next, octets: mut whole } = self.piece(record, 0, sdr::HEADER_OCTETS).await?;
        let (length, most) = (sdr::octets_of(&whole)?, self.most);
        while whole.len() < length {
            // Bytes beyond offset 255 cannot be requested.
            let Ok(offset) = u8::try_from(whole.len()) else { break };
            let missing = u8::try_from(length - whole.len()).unwrap_or(u8::MAX);
            match self.piece(record, offset, missing.min(self.most)).await {
                Ok(piece) if !piece.octets.is_empty() => whole.extend(piece.octets),
                Err(IpmiError::Completion(CompletionCode::RESERVATION)) => {
                    return Err(IpmiError::Completion(CompletionCode::RESERVATION));
                }
                // The record is shorter than its header says. The part that exists is returned as truncated,
                // and later records are still read.
                Ok(_) | Err(IpmiError::Completion(_)) => {
                    self.most = most;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok((whole, next))
    }

    /// Reads a piece, smaller than requested if the controller cannot return as much.
    async fn piece(&mut self, record: u16, offset: u8, octets: u8) -> Result<Piece, IpmiError> {
        let mut octets = octets;
        loop {
            let get = GetSdr { reservation: self.reservation, record, offset, octets };
            let response = self.bmc.ask(self.request(get)).await?;
            match reply(&get, &response) {
                Err(IpmiError::Completion(code)) if is_too_much(code) && octets > SMALLEST_PIECE => {
                    octets = (octets / 2).max(SMALLEST_PIECE);
                    self.most = octets;
                }
                other => return other,
            }
        }
    }

    async fn reserve(&self) -> Result<u16, IpmiError> {
        let reserved = match self.source {
            Source::Repository => self.bmc.run(&ReserveSdrRepository).await,
            Source::Device => self.bmc.run(&ReserveDeviceSdrs).await,
        };
        match reserved {
            // A controller without reservations accepts 0.
            Err(IpmiError::Completion(CompletionCode::UNKNOWN_COMMAND)) => Ok(0),
            other => other,
        }
    }

    fn request(&self, get: GetSdr) -> Request {
        match self.source {
            Source::Repository => get.request(),
            Source::Device => GetDeviceSdr(get).request(),
        }
    }
}

fn is_too_much(code: CompletionCode) -> bool {
    matches!(code.0, 0xc7 | 0xc8 | 0xc9 | 0xca | 0xff)
}

/// Id that requests the first record.
const FIRST: u16 = 0;
/// Id that means that there is no further record.
const LAST: u16 = 0xffff;
const MOST_UNCOUNTED: usize = 1_024;
/// ResponseGroup times the count of the largest machines; limits the work that a faulty controller can cause.
const MOST_RECORDS: usize = 8_192;
/// Number of reservations that may be lost while one record is read.
const RESERVATIONS: usize = 6;
/// Nearly as much as fits into a response of the maximum length on the simplest bus.
const FIRST_PIECE: u8 = 32;
const LARGEST_PIECE: u8 = 32;
const SMALLEST_PIECE: u8 = 5;
/// Number of records requested in parallel.
const AHEAD: usize = 8;
/// Number of records waiting for their last pieces.
const MOST_BEGUN: usize = 16;
/// Number of wrong guesses after which guessing stops.
const MOST_WRONG: usize = 3;
