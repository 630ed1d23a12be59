//! Reading an inventory, piece by piece (IPMI 2.0, 34).

use ipmi_proto::ProtoError;
use ipmi_proto::fru::Inventory;
use ipmi_proto::storage::{GetFruInfo, ReadFru};

use crate::{Connection, IpmiError};

impl Connection {
    /// The inventory of a device of the controller; 0 is the machine's.
    ///
    /// # Errors
    /// When the controller does not answer, or there is no inventory.
    pub async fn inventory(&self, device: u8) -> Result<Inventory, IpmiError> {
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
        Ok(Inventory::decode(&octets)?)
    }
}

/// As much as every controller returns.
const PIECE: usize = 16;
