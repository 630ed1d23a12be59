//! Reading and changing FRU inventories (IPMI 2.0, 34).

use std::time::Duration;

use ipmi_proto::fru::{Area, Field, Inventory, Patch};
use ipmi_proto::storage::{GetFruInfo, ReadFru, WriteFru};
use ipmi_proto::{Command, CompletionCode, ProtoError};

use crate::read_back::or_nothing;
use crate::{Connection, IpmiError};

impl Connection {
    /// Returns the decoded inventory of a device of the controller; device 0 is the machine itself.
    ///
    /// # Errors
    /// If the controller does not respond, or there is no valid inventory.
    pub async fn inventory(&self, device: u8) -> Result<Inventory, IpmiError> {
        Ok(Inventory::decode(&self.read_inventory(device).await?)?)
    }

    /// Returns the bytes of an inventory.
    ///
    /// # Errors
    /// If the controller does not respond, or there is no such device.
    pub async fn read_inventory(&self, device: u8) -> Result<Vec<u8>, IpmiError> {
        let info = self.run(&GetFruInfo(device)).await?;
        let (total, unit) = (usize::from(info.octets), if info.is_in_words { 2 } else { 1 });
        let mut octets = Vec::with_capacity(total);
        while octets.len() < total {
            let missing = (total - octets.len()).min(PIECE);
            let count = u8::try_from(missing.div_ceil(unit)).unwrap_or(1);
            let offset = u16::try_from(octets.len() / unit)
                .map_err(|_| ProtoError::Truncated { what: "an inventory" })?;
            let piece = match self.unless_busy(&ReadFru { device, offset, count }).await {
                // Some devices report a size that is too large.
                Err(IpmiError::Completion(code)) if !octets.is_empty() && is_behind_the_end(code) => break,
                piece => piece?,
            };
            // Extra bytes are discarded, and the next piece begins at a word boundary.
            let length = piece.len().min(usize::from(count) * unit) / unit * unit;
            if length == 0 {
                break;
            }
            octets.extend(piece.into_iter().take(length));
        }
        octets.truncate(total);
        Ok(octets)
    }

    /// Runs a command and repeats it while the device is busy.
    async fn unless_busy<C: Command>(&self, command: &C) -> Result<C::Reply, IpmiError> {
        for _ in 0..MOST_BUSY {
            match self.run(command).await {
                Err(IpmiError::Completion(CompletionCode(BUSY))) => tokio::time::sleep(PAUSE).await,
                other => return other,
            }
        }
        Err(IpmiError::Refused { reason: "the device with the inventory stays busy", code: BUSY })
    }

    /// Changes one field of an inventory, and reads it back.
    ///
    /// # Errors
    /// If the controller does not respond or rejects the change, the field does not exist, or there is no
    /// room; [`IpmiError::Unchanged`] if the change has no effect.
    pub async fn change_inventory(
        &self,
        device: u8,
        area: Area,
        field: &str,
        text: &str,
    ) -> Result<(), IpmiError> {
        let before = self.read_inventory(device).await?;
        let patch = Patch::new(&before, area, field, text)?;
        self.write_inventory(device, &patch).await?;
        let after = self.read_inventory(device).await?;
        let written = after.get(patch.offset..).and_then(|rest| rest.get(..patch.octets.len()));
        if written == Some(&patch.octets) {
            return Ok(());
        }
        let is_field = |known: &&Field| known.area == area && known.name.eq_ignore_ascii_case(field);
        let fields = Inventory::decode(&after)?.fields;
        let found = or_nothing(fields.iter().find(is_field).map(|known| format!("{:?}", known.text)));
        Err(IpmiError::unchanged("the inventory", format!("{text:?}"), found))
    }

    async fn write_inventory(&self, device: u8, patch: &Patch) -> Result<(), IpmiError> {
        let unit = if self.run(&GetFruInfo(device)).await?.is_in_words { 2 } else { 1 };
        for (index, piece) in patch.octets.chunks(PIECE).enumerate() {
            // Areas begin at multiples of eight and pieces have even lengths, so words are complete.
            let offset = u16::try_from((patch.offset + index * PIECE) / unit)
                .map_err(|_| ProtoError::Truncated { what: "an inventory" })?;
            match self.unless_busy(&WriteFru { device, offset, octets: piece.to_vec() }).await {
                Err(IpmiError::Completion(CompletionCode(WRITE_PROTECTED))) => {
                    let reason = "the inventory is protected against being written";
                    return Err(IpmiError::Refused { reason, code: WRITE_PROTECTED });
                }
                other => other?,
            };
        }
        Ok(())
    }
}

/// Returns whether the code is one of those used for offsets beyond the end.
fn is_behind_the_end(code: CompletionCode) -> bool {
    matches!(code.0, 0xc7..=0xcc | 0xff)
}

/// Length of a piece in bytes; all controllers support it.
const PIECE: usize = 16;
/// Completion code of Write FRU Data.
const WRITE_PROTECTED: u8 = 0x80;
/// Completion code of Read FRU Data and Write FRU Data.
const BUSY: u8 = 0x81;
const MOST_BUSY: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);
