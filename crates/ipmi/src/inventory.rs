//! Reading an inventory, piece by piece, and changing it (IPMI 2.0, 34).

use ipmi_proto::fru::{Area, Inventory, Patch};
use ipmi_proto::storage::{GetFruInfo, ReadFru, WriteFru};
use ipmi_proto::{CompletionCode, ProtoError};

use crate::{Connection, IpmiError};

impl Connection {
    /// The inventory of a device of the controller; 0 is the machine's.
    ///
    /// # Errors
    /// When the controller does not answer, or there is no inventory.
    pub async fn inventory(&self, device: u8) -> Result<Inventory, IpmiError> {
        Ok(Inventory::decode(&self.read_inventory(device).await?)?)
    }

    /// The octets of an inventory.
    ///
    /// # Errors
    /// When the controller does not answer, or there is no such device.
    pub async fn read_inventory(&self, device: u8) -> Result<Vec<u8>, IpmiError> {
        let info = self.run(&GetFruInfo(device)).await?;
        let (total, unit) = (usize::from(info.octets), if info.is_in_words { 2 } else { 1 });
        let mut octets = Vec::with_capacity(total);
        while octets.len() < total {
            let missing = (total - octets.len()).min(PIECE);
            let count = u8::try_from(missing.div_ceil(unit)).unwrap_or(1);
            let offset = u16::try_from(octets.len() / unit)
                .map_err(|_| ProtoError::Truncated { what: "an inventory" })?;
            let piece = self.run(&ReadFru { device, offset, count }).await?;
            // Some say that they are larger than they are.
            if piece.is_empty() {
                break;
            }
            octets.extend(piece);
        }
        octets.truncate(total);
        Ok(octets)
    }

    /// Changes one field of an inventory, and reads it back.
    ///
    /// # Errors
    /// When the controller does not answer or refuses, there is no such field, or no room; and
    /// [`IpmiError::Unchanged`].
    pub async fn change_inventory(
        &self,
        device: u8,
        (area, field): (Area, &str),
        text: &str,
    ) -> Result<(), IpmiError> {
        let before = self.read_inventory(device).await?;
        let patch = Patch::new(&before, area, field, text)?;
        self.write_inventory(device, &patch).await?;
        let after = self.read_inventory(device).await?;
        let written = after.get(patch.offset..).and_then(|rest| rest.get(..patch.octets.len()));
        if written == Some(&patch.octets) {
            Ok(())
        } else {
            Err(IpmiError::Unchanged { what: "the inventory" })
        }
    }

    async fn write_inventory(&self, device: u8, patch: &Patch) -> Result<(), IpmiError> {
        let unit = if self.run(&GetFruInfo(device)).await?.is_in_words { 2 } else { 1 };
        for (place, piece) in patch.octets.chunks(PIECE).enumerate() {
            // Areas begin at multiples of eight, and pieces are even, so words are whole.
            let offset = u16::try_from((patch.offset + place * PIECE) / unit)
                .map_err(|_| ProtoError::Truncated { what: "an inventory" })?;
            match self.run(&WriteFru { device, offset, octets: piece.to_vec() }).await {
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

/// As much as every controller takes and returns.
const PIECE: usize = 16;
/// Of Write FRU Data.
const WRITE_PROTECTED: u8 = 0x80;
