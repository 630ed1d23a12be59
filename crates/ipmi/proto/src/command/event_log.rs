//! Clock of the event log; adding and deleting records (IPMI 2.0, 31.6, 31.8, 31.10 to 31.11b).

use super::Command;
use crate::octets::Octets;
use crate::{NetFn, Privilege, ProtoError, Request};

/// Get SEL Time: the clock of the controller in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct GetSelTime;

impl Command for GetSelTime {
    type Reply = u32;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::STORAGE, 0x48, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<u32, ProtoError> {
        Octets::new("the answer to Get SEL Time", octets).u32()
    }
}

/// Set SEL Time.
#[derive(Clone, Copy, Debug)]
pub struct SetSelTime(
    /// Seconds since 1970.
    pub u32,
);

impl Command for SetSelTime {
    type Reply = ();
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        Request::new(NetFn::STORAGE, 0x49, &self.0.to_le_bytes())
    }

    fn reply(&self, _octets: &[u8]) -> Result<(), ProtoError> {
        Ok(())
    }
}

/// Get SEL Time UTC Offset: offset of the clock from UTC in minutes; negative if it is behind UTC.
#[derive(Clone, Copy, Debug)]
pub struct GetSelUtcOffset;

impl Command for GetSelUtcOffset {
    /// −1440 to 1440; `None` if it was not set.
    type Reply = Option<i16>;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::STORAGE, 0x5c, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<Option<i16>, ProtoError> {
        let minutes = Octets::new("the answer to Get SEL Time UTC Offset", octets).array()?;
        let minutes = i16::from_le_bytes(minutes);
        Ok((-1_440..=1_440).contains(&minutes).then_some(minutes))
    }
}

/// Add SEL Entry.
#[derive(Clone, Copy, Debug)]
pub struct AddSelEntry(
    /// The record; the controller replaces the record id.
    pub [u8; 16],
);

impl Command for AddSelEntry {
    /// Id of the added record.
    type Reply = u16;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        Request::new(NetFn::STORAGE, 0x44, &self.0)
    }

    fn reply(&self, octets: &[u8]) -> Result<u16, ProtoError> {
        Octets::new("the answer to Add SEL Entry", octets).u16()
    }
}

/// Delete SEL Entry.
#[derive(Clone, Copy, Debug)]
pub struct DeleteSelEntry {
    /// Reservation from [`ReserveSel`](super::storage::ReserveSel); 0 if the controller does not support
    /// reservations.
    pub reservation: u16,
    /// Record id.
    pub record: u16,
}

impl Command for DeleteSelEntry {
    /// Id of the deleted record.
    type Reply = u16;
    const PRIVILEGE: Privilege = Privilege::Operator;

    fn request(&self) -> Request {
        let data = [self.reservation.to_le_bytes(), self.record.to_le_bytes()].concat();
        Request { net_fn: NetFn::STORAGE, command: 0x46, data: data.into() }
    }

    fn reply(&self, octets: &[u8]) -> Result<u16, ProtoError> {
        Octets::new("the answer to Delete SEL Entry", octets).u16()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unset_utc_offset_is_decoded_as_none() {
        assert_eq!(GetSelUtcOffset.reply(&60_i16.to_le_bytes()), Ok(Some(60)));
        assert_eq!(GetSelUtcOffset.reply(&[0xff, 7]), Ok(None));
        assert_eq!(SetSelTime(0x0102_0304).request().data, [4, 3, 2, 1]);
        assert_eq!(DeleteSelEntry { reservation: 1, record: 2 }.request().data, [1, 0, 2, 0]);
        assert!(GetSelTime.reply(&[0; 3]).is_err());
    }
}
