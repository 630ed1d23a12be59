//! `Win32_FloppyDrive`.

use linux::storage::block::Block;
use wmi::ProviderError;

use crate::table::{Fill, Table};
use crate::{Machine, events};

/// Floppy disk drives.
pub(crate) struct FloppyDrive;

impl Table for FloppyDrive {
    type Row = Block;

    const CLASS: &'static str = "Win32_FloppyDrive";

    const COLUMNS: &'static [(&'static str, Fill<Block>)] = &[
        // 3 is random access, 4 writing, 7 removable media.
        ("Capabilities", |_, _| vec![3_u16, 4, 7].into()),
        ("CapabilityDescriptions", |_, _| {
            vec!["Random Access", "Supports Writing", "Supports Removable Media"].into()
        }),
        ("Caption", |_, _| "Floppy disk drive".into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |_, _| "Floppy disk drive".into()),
        ("DeviceID", |_, block| block.node().into()),
        ("Name", |_, block| block.node().into()),
        ("PNPDeviceID", |_, block| block.folder.clone().into()),
        ("Status", |_, _| "OK".into()),
    ];

    const SUBSYSTEMS: &'static [&'static str] = events::BLOCK_DEVICES;

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Block>, ProviderError> {
        Ok(Block::all(machine).into_iter().filter(is_floppy))
    }
}

/// Returns whether the name of a device is that of a floppy drive: `fd` and a number.
fn is_floppy(block: &Block) -> bool {
    let number = block.name.strip_prefix("fd");
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}
