//! Object identifiers of disks.

use linux::storage::drive::Drive;

use super::object_id;

/// Returns the object identifier of a disk.
pub(super) fn of(drive: &Drive) -> String {
    object_id("Disk", &drive.block.node())
}
