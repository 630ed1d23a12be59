//! Where controllers keep records: reservations, and pieces of what is too long for one answer.

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get SDR Repository Info (IPMI 2.0, 33.9).
#[derive(Clone, Copy, Debug)]
pub struct GetSdrRepositoryInfo;

/// What is known of the repository of sensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepositoryInfo {
    /// How many records there are.
    pub records: u16,
    /// When one was added last, and one erased, in seconds since 1970 by the controller's clock, or 0 or FFFFFFFFh where
    /// it does not say: as long as both stay, so do the records.
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

/// Reserve SDR Repository (IPMI 2.0, 33.11): pieces are read under a number that ends when records change.
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

/// Get SDR: a piece of a record (IPMI 2.0, 33.12).
#[derive(Clone, Copy, Debug)]
pub struct GetSdr {
    /// From [`ReserveSdrRepository`].
    pub reservation: u16,
    /// 0 is the first.
    pub record: u16,
    /// Where the piece begins.
    pub offset: u8,
    /// How long it may be.
    pub octets: u8,
}

/// A piece of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The record after this one; ffffh is none.
    pub next: u16,
    /// The piece.
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

/// Get FRU Inventory Area Info (IPMI 2.0, 34.1).
#[derive(Clone, Copy, Debug)]
pub struct GetFruInfo(pub u8);

/// How much a device can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FruInfo {
    /// In octets.
    pub octets: u16,
    /// Whether offsets and counts are in words of two octets.
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

/// Read FRU Data (IPMI 2.0, 34.2); offset and count are in the device's units.
#[derive(Clone, Copy, Debug)]
pub struct ReadFru {
    /// Which device.
    pub device: u8,
    /// Where to begin.
    pub offset: u16,
    /// How much to read.
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
        // The count is believed only as far as there is something: some count words, some octets.
        let _count = octets.u8()?;
        let limit = usize::from(self.count) * 2;
        let octets = octets.rest();
        if octets.len() > limit {
            return Err(ProtoError::TooLong { what: "a piece of an inventory", octets: octets.len(), limit });
        }
        Ok(octets.to_vec())
    }
}

/// Write FRU Data (IPMI 2.0, 34.3); the offset is in the device's units. The code 80h says that it cannot be written.
#[derive(Clone, Debug)]
pub struct WriteFru {
    /// Which device.
    pub device: u8,
    /// Where to begin.
    pub offset: u16,
    /// What is written.
    pub octets: Vec<u8>,
}

impl Command for WriteFru {
    /// How much was written, in the device's units.
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

/// What is known of the event log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelInfo {
    /// How many records there are.
    pub records: u16,
    /// How much is free, in octets; ffffh is that much or more.
    pub free: u16,
    /// When one was added last, and one erased, as in [`RepositoryInfo::stamps`].
    pub stamps: (u32, u32),
    /// Whether events were lost because it was full.
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

/// Get SEL Entry, the whole of it (IPMI 2.0, 31.5).
#[derive(Clone, Copy, Debug)]
pub struct GetSelEntry(
    /// 0 is the first, ffffh the last.
    pub u16,
);

impl Command for GetSelEntry {
    /// The next record's number, and this one, which is of 16 octets unless the controller has cut it off.
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
    /// From [`ReserveSel`].
    pub reservation: u16,
    /// Whether it begins, or is asked whether it is done.
    pub step: ClearStep,
}

/// A step of clearing the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearStep {
    /// Begins to clear.
    Start,
    /// Asks whether it is done.
    Poll,
}

impl Command for ClearSel {
    /// Whether the log is empty now.
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
