//! Health log of NVMe disks (NVM Express Base Specification, SMART / Health Information).

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;

use super::Smart;
use super::admin_command::read_log;
use crate::Machine;
use crate::storage::block::Block;

/// Number of the log page, and its length in bytes.
const HEALTH: u8 = 0x02;
const LENGTH: usize = 512;

/// Reads the health log of a disk; `None` for disks other than NVMe, and for a machine other than this one.
///
/// # Errors
/// Errors of the operating system; the command requires root.
pub(super) fn ask(machine: &Machine, block: &Block) -> io::Result<Option<Smart>> {
    if !machine.is_this() || !block.name.starts_with("nvme") {
        return Ok(None);
    }
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let controller = OpenOptions::new().read(true).custom_flags(nonblocking).open(block.node())?;
    let mut page = [0; LENGTH];
    read_log(&controller, HEALTH, &mut page)?;
    Ok(parse(&page))
}

/// Parses the log; 16-byte numbers that exceed 64 bits are reported as the maximum.
pub(super) fn parse(page: &[u8]) -> Option<Smart> {
    let kelvin = page.get(1..)?.first_chunk().map(|two| i64::from(u16::from_le_bytes(*two)))?;
    // Bits: spare space is low, temperature out of range, unreliable, read-only, backup of memory failed. All
    // except the temperature predict a failure.
    let warnings = page.first()? & !0x02;
    Some(Smart {
        passed: Some(warnings == 0),
        temperature: (kelvin > 0).then(|| kelvin - 273),
        power_on_hours: number(page, 128),
        starts: number(page, 112),
        wear: page.get(5).copied(),
        rotation: Some(0),
        ..Smart::default()
    })
}

/// Returns a 16-byte number.
fn number(page: &[u8], at: usize) -> Option<u64> {
    let number = page.get(at..)?.first_chunk().map(|octets| u128::from_le_bytes(*octets))?;
    Some(u64::try_from(number).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_log_is_read_at_the_specified_offsets() {
        let mut page = vec![0; LENGTH];
        page.splice(0..6, [0, 0x2E, 0x01, 100, 10, 3]);
        page.splice(112..114, [0x10, 0x01]);
        page.splice(128..130, [0xE8, 0x03]);
        page.splice(160..161, [4]);
        let smart = parse(&page).expect("it is whole");
        assert_eq!((smart.passed, smart.temperature, smart.wear), (Some(true), Some(29), Some(3)));
        assert_eq!((smart.starts, smart.power_on_hours), (Some(272), Some(1_000)));
        page.splice(0..1, [0x02]);
        assert_eq!(parse(&page).and_then(|smart| smart.passed), Some(true), "heat passes");
        page.splice(0..1, [0x04]);
        assert_eq!(parse(&page).and_then(|smart| smart.passed), Some(false));
        page.splice(128..144, [0xFF; 16]);
        assert_eq!(parse(&page).and_then(|smart| smart.power_on_hours), Some(u64::MAX));
        assert_eq!(parse(&[0]), None);
    }
}
