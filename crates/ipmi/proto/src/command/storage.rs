//! SDR repository, FRU inventories and event log: reservations and partial reads (IPMI 2.0, 31, 33 and 34).

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get SDR Repository Info (IPMI 2.0, 33.9).
#[derive(Clone, Copy, Debug)]
pub struct GetSdrRepositoryInfo;

/// SDR repository information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepositoryInfo {
    /// Number of records.
    pub records: u16,
    /// Times of the last addition and the last deletion, in seconds since 1970 by the controller's clock, or
    /// 0 or FFFFFFFFh if unknown. The records are unchanged as long as both times are.
    pub stamps: (u32, u32),
}

impl Command for GetSdrRepositoryInfo {
    type Reply = RepositoryInfo;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::STORAGE, 0x20, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<RepositoryInfo, ProtoError> {
        let mut octets = Octets::new("the answer to Get SDR Repository Info", octets);
        let _version = octets.u8()?;
        let (records, _free) = (octets.u16()?, octets.u16()?);
        Ok(RepositoryInfo { records, stamps: (octets.u32()?, octets.u32()?) })
    }
}

/// Reserve SDR Repository (IPMI 2.0, 33.11): returns the reservation for partial reads, which is cancelled
/// when records change.
#[derive(Clone, Copy, Debug)]
pub struct ReserveSdrRepository;

impl Command for ReserveSdrRepository {
    type Reply = u16;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::STORAGE, 0x22, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<u16, ProtoError> {
        Octets::new("the answer to Reserve SDR Repository", octets).u16()
    }
}

/// Get SDR: part of a record (IPMI 2.0, 33.12).
#[derive(Clone, Copy, Debug)]
pub struct GetSdr {
    /// Reservation from [`ReserveSdrRepository`].
    pub reservation: u16,
    /// Record id; 0 is the first record.
    pub record: u16,
    /// Offset of the part in bytes.
    pub offset: u8,
    /// Maximum length of the part in bytes.
    pub octets: u8,
}

/// Part of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Id of the next record; ffffh after the last record.
    pub next: u16,
    /// Bytes of the part.
    pub octets: Vec<u8>,
}

impl Command for GetSdr {
    type Reply = Piece;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        let mut data = [self.reservation.to_le_bytes(), self.record.to_le_bytes()].concat();
        data.extend([self.offset, self.octets]);
        Request { net_fn: NetFn::STORAGE, command: 0x23, data: data.into() }
    }

    fn reply(&self, octets: &[u8]) -> Result<Piece, ProtoError> {
        let mut octets = Octets::new("the answer to Get SDR", octets);
        let next = octets.u16()?;
        let octets = octets.rest();
        if octets.len() > usize::from(self.octets) {
            let (octets, limit) = (octets.len(), self.octets.into());
            return Err(ProtoError::TooLong { what: "a piece of a record", octets, limit });
        }
        Ok(Piece { next, octets: octets.to_vec() })
    }
}

/// Get FRU Inventory Area Info, of a device number (IPMI 2.0, 34.1).
#[derive(Clone, Copy, Debug)]
pub struct GetFruInfo(pub u8);

/// Size of a FRU inventory device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FruInfo {
    /// Size in bytes.
    pub octets: u16,
    /// Whether offsets and counts are in 16-bit words instead of bytes.
    pub is_in_words: bool,
}

impl Command for GetFruInfo {
    type Reply = FruInfo;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::STORAGE, 0x10, &[self.0])
    }

    fn reply(&self, octets: &[u8]) -> Result<FruInfo, ProtoError> {
        let mut octets = Octets::new("the answer to Get FRU Inventory Area Info", octets);
        Ok(FruInfo { octets: octets.u16()?, is_in_words: octets.u8()? & 1 == 1 })
    }
}

/// Read FRU Data (IPMI 2.0, 34.2). Offset and count are in the device's unit, bytes or words.
#[derive(Clone, Copy, Debug)]
pub struct ReadFru {
    /// Device number.
    pub device: u8,
    /// Offset.
    pub offset: u16,
    /// Maximum count to read.
    pub count: u8,
}

impl Command for ReadFru {
    type Reply = Vec<u8>;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        let [low, high] = self.offset.to_le_bytes();
        Request::new(NetFn::STORAGE, 0x11, &[self.device, low, high, self.count])
    }

    fn reply(&self, octets: &[u8]) -> Result<Vec<u8>, ProtoError> {
        let mut octets = Octets::new("the answer to Read FRU Data", octets);
        // The count in the response is ignored: some controllers count words, some bytes.
        let _count = octets.u8()?;
        let limit = usize::from(self.count) * 2;
        let octets = octets.rest();
        if octets.len() > limit {
            return Err(ProtoError::TooLong { what: "a piece of an inventory", octets: octets.len(), limit });
        }
        Ok(octets.to_vec())
    }
}

/// Write FRU Data (IPMI 2.0, 34.3). The offset is in the device's unit. Completion code 80h means that the
/// device is write-protected.
#[derive(Clone, Debug)]
pub struct WriteFru {
    /// Device number.
    pub device: u8,
    /// Offset.
    pub offset: u16,
    /// Bytes to write.
    pub octets: Vec<u8>,
}

impl Command for WriteFru {
    /// Count written, in the device's unit.
    type Reply = u8;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        let [low, high] = self.offset.to_le_bytes();
        let mut data = vec![self.device, low, high];
        data.extend(&self.octets);
        Request { net_fn: NetFn::STORAGE, command: 0x12, data: data.into() }
    }

    fn reply(&self, octets: &[u8]) -> Result<u8, ProtoError> {
        Octets::new("the answer to Write FRU Data", octets).u8()
    }
}

/// Get SEL Info (IPMI 2.0, 31.2).
#[derive(Clone, Copy, Debug)]
pub struct GetSelInfo;

/// Event log information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelInfo {
    /// Number of records.
    pub records: u16,
    /// Free space in bytes; ffffh means 65,535 or more.
    pub free: u16,
    /// Times of the last addition and the last deletion, as in [`RepositoryInfo::stamps`].
    pub stamps: (u32, u32),
    /// Whether events were lost because the log was full.
    pub has_overflowed: bool,
}

impl Command for GetSelInfo {
    type Reply = SelInfo;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::STORAGE, 0x40, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<SelInfo, ProtoError> {
        let mut octets = Octets::new("the answer to Get SEL Info", octets);
        let _version = octets.u8()?;
        Ok(SelInfo {
            records: octets.u16()?,
            free: octets.u16()?,
            stamps: (octets.u32()?, octets.u32()?),
            has_overflowed: octets.u8()? & 0x80 != 0,
        })
    }
}

/// Get SEL Entry, of the whole record (IPMI 2.0, 31.5).
#[derive(Clone, Copy, Debug)]
pub struct GetSelEntry(
    /// Record id; 0 is the first record, ffffh the last.
    pub u16,
);

impl Command for GetSelEntry {
    /// Id of the next record, and the bytes of this one: 16, or less if the controller truncated it.
    type Reply = (u16, Vec<u8>);
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        let [low, high] = self.0.to_le_bytes();
        Request::new(NetFn::STORAGE, 0x43, &[0, 0, low, high, 0, 0xff])
    }

    fn reply(&self, octets: &[u8]) -> Result<(u16, Vec<u8>), ProtoError> {
        let mut octets = Octets::new("the answer to Get SEL Entry", octets);
        let next = octets.u16()?;
        Ok((next, octets.rest().iter().copied().take(RECORD_OCTETS).collect()))
    }
}

const RECORD_OCTETS: usize = 16;

/// Reserve SEL (IPMI 2.0, 31.4).
#[derive(Clone, Copy, Debug)]
pub struct ReserveSel;

impl Command for ReserveSel {
    type Reply = u16;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::STORAGE, 0x42, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<u16, ProtoError> {
        Octets::new("the answer to Reserve SEL", octets).u16()
    }
}

/// Clear SEL (IPMI 2.0, 31.9).
#[derive(Clone, Copy, Debug)]
pub struct ClearSel {
    /// Reservation from [`ReserveSel`].
    pub reservation: u16,
    /// Step to execute.
    pub step: ClearStep,
}

/// Step of clearing the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearStep {
    /// Starts to clear.
    Start,
    /// Queries whether clearing is complete.
    Poll,
}

impl Command for ClearSel {
    /// Whether clearing is complete.
    type Reply = bool;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        let [low, high] = self.reservation.to_le_bytes();
        let step = match self.step {
            ClearStep::Start => 0xaa,
            ClearStep::Poll => 0,
        };
        Request::new(NetFn::STORAGE, 0x47, &[low, high, b'C', b'L', b'R', step])
    }

    fn reply(&self, octets: &[u8]) -> Result<bool, ProtoError> {
        Ok(Octets::new("the answer to Clear SEL", octets).u8()? & 0x0f == 1)
    }
}
