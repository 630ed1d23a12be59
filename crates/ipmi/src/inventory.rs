//! Reading an inventory, piece by piece, and changing it (IPMI 2.0, 34).

use std::time::Duration;

use ipmi_proto::fru::{Area, Inventory, Patch};
use ipmi_proto::storage::{GetFruInfo, ReadFru, WriteFru};
use ipmi_proto::{Command, CompletionCode, ProtoError};

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
            let piece = match self.unless_busy(&ReadFru { device, offset, count }).await {
                // Some say that they are larger than they are.
                Err(IpmiError::Completion(code)) if !octets.is_empty() && is_behind_the_end(code) => break,
                piece => piece?,
            };
            // More than was asked for is not what follows, and the next piece begins with a whole word.
            let length = piece.len().min(usize::from(count) * unit) / unit * unit;
            if length == 0 {
                break;
            }
            octets.extend(piece.into_iter().take(length));
        }
        octets.truncate(total);
        Ok(octets)
    }

    /// Asks again while the device is at work on something else.
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

/// What those say who are asked for what is behind the end.
fn is_behind_the_end(code: CompletionCode) -> bool {
    matches!(code.0, 0xc7..=0xcc | 0xff)
}

/// As much as every controller takes and returns.
const PIECE: usize = 16;
/// Of Write FRU Data.
const WRITE_PROTECTED: u8 = 0x80;
/// Of Read FRU Data and Write FRU Data.
const BUSY: u8 = 0x81;
const MOST_BUSY: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);
