//! Encrypted volumes: dm-crypt and LUKS.

use crate::Machine;
use crate::storage::block::Block;

/// Maximum depth of a stack of devices.
const DEEPEST: u32 = 8;

/// Returns the device of dm-crypt that a device is or that is below it; `None` if its data is not encrypted.
///
/// For LVM on an encrypted disk that is the device below the volume.
pub fn layer(machine: &Machine, block: &Block) -> Option<Block> {
    let mut open = vec![(block.clone(), 0)];
    while let Some((block, depth)) = open.pop() {
        if identity(machine, &block).is_some() {
            return Some(block);
        }
        if depth < DEEPEST {
            let below = machine.names(block.path("slaves")).unwrap_or_default();
            let below = below.iter().filter_map(|name| Block::named(machine, name.to_str()?));
            open.extend(below.map(|block| (block, depth + 1)));
        }
    }
    None
}

/// Returns the UUID of the LUKS header behind a device of dm-crypt, empty for plain dm-crypt; `None` for
/// other devices. The device mapper has it as `CRYPT-LUKS2-UUID-NAME`, without hyphens.
pub fn identity(machine: &Machine, block: &Block) -> Option<String> {
    let text = block.line(machine, "dm/uuid")?;
    let rest = text.strip_prefix("CRYPT-")?;
    let (kind, rest) = rest.split_once('-')?;
    let digits = rest.get(..32).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    Some(digits.filter(|_| kind.starts_with("LUKS")).map(with_hyphens).unwrap_or_default())
}

/// Returns the 32 digits of a UUID with hyphens between its parts.
fn with_hyphens(digits: &str) -> String {
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits.get(part).unwrap_or_default());
    parts.join("-")
}

/// Returns the LUKS devices that are locked: encrypted data that no device of dm-crypt uses.
pub fn locked(machine: &Machine) -> Vec<Block> {
    Block::all(machine).into_iter().filter(|block| is_locked(machine, block)).collect()
}

fn is_locked(machine: &Machine, block: &Block) -> bool {
    let is_used = machine.names(block.path("holders")).is_ok_and(|holders| !holders.is_empty());
    !is_used && block.udev(machine).property("ID_FS_TYPE") == Some("crypto_LUKS")
}
