//! Reading the records of sensors, piece by piece, from controllers that are not all alike (IPMI 2.0, 33).

use ipmi_proto::sdr::{self, Record};
use ipmi_proto::storage::{GetSdr, GetSdrRepositoryInfo, Piece, ReserveSdrRepository};
use ipmi_proto::{CompletionCode, ProtoError};
use tracing::debug;

use crate::{Connection, IpmiError};

impl Connection {
    /// All records of the repository. One that cannot be read as what it says it is, is left out.
    ///
    /// # Errors
    /// When the controller does not answer, or its records change faster than they can be read.
    pub async fn records(&self) -> Result<Vec<Record>, IpmiError> {
        let count = usize::from(self.run(&GetSdrRepositoryInfo).await?.records);
        let mut reader = Reader { bmc: self, reservation: 0, most: LARGEST_PIECE };
        let (mut records, mut seen, mut next) = (Vec::new(), 0, 0);
        // Some controllers count too few; one that lies about what is next must not keep us for ever.
        while seen < count.max(MOST_UNCOUNTED) && count > 0 {
            let (octets, after) = reader.record(next).await?;
            seen += 1;
            match Record::decode(&octets) {
                Ok(record) => records.push(record),
                Err(error) => debug!(record = next, %error, "Record left out"),
            }
            if after == LAST || after == next {
                break;
            }
            next = after;
        }
        Ok(records)
    }
}

struct Reader<'c> {
    bmc: &'c Connection,
    reservation: u16,
    /// As much as the controller has returned at once so far.
    most: u8,
}

impl Reader<'_> {
    /// A whole record, and which one is next.
    async fn record(&mut self, record: u16) -> Result<(Vec<u8>, u16), IpmiError> {
        for _ in 0..RESERVATIONS {
            match self.pieces(record).await {
                Err(IpmiError::Completion(CompletionCode::RESERVATION)) => {
                    self.reservation = self.bmc.run(&ReserveSdrRepository).await?;
                }
                other => return other,
            }
        }
        Err(IpmiError::Completion(CompletionCode::RESERVATION))
    }

    async fn pieces(&mut self, record: u16) -> Result<(Vec<u8>, u16), IpmiError> {
        if self.reservation == 0 {
            self.reservation = self.bmc.run(&ReserveSdrRepository).await?;
        }
        let Piece { next, octets: mut whole } = self.piece(record, 0, sdr::HEADER_OCTETS).await?;
        let length = sdr::octets_of(&whole)?;
        while whole.len() < length {
            let offset = u8::try_from(whole.len()).map_err(|_| ProtoError::Truncated { what: "a record" })?;
            let missing = u8::try_from(length - whole.len()).unwrap_or(u8::MAX);
            let piece = self.piece(record, offset, missing.min(self.most)).await?;
            if piece.octets.is_empty() {
                return Err(ProtoError::Truncated { what: "a record" }.into());
            }
            whole.extend(piece.octets);
        }
        Ok((whole, next))
    }

    /// A piece, smaller than asked for where the controller cannot return as much.
    async fn piece(&mut self, record: u16, offset: u8, octets: u8) -> Result<Piece, IpmiError> {
        let mut octets = octets;
        loop {
            let get = GetSdr { reservation: self.reservation, record, offset, octets };
            match self.bmc.run(&get).await {
                Err(IpmiError::Completion(code)) if is_too_much(code) && octets > SMALLEST_PIECE => {
                    octets = (octets / 2).max(SMALLEST_PIECE);
                    self.most = octets;
                }
                other => return other,
            }
        }
    }
}

fn is_too_much(code: CompletionCode) -> bool {
    matches!(code.0, 0xc7 | 0xc8 | 0xca | 0xff)
}

/// The number that means that there is no other record.
const LAST: u16 = 0xffff;
const MOST_UNCOUNTED: usize = 1_024;
const RESERVATIONS: usize = 3;
const LARGEST_PIECE: u8 = 64;
const SMALLEST_PIECE: u8 = 5;
