//! Readers of a Linux machine.
//!
//! They include data that only root and the kernel write, because disks, program names and network packets,
//! whose content comes from others, appear in files of the kernel.

mod hardware;
mod journal;
mod network;
mod package;
mod printing;
mod process;
mod service;
mod share;
mod storage;

use linux::command_line::{joined, quoted, words};

/// Checks that a response of a print server is rejected, or survives writing and parsing again.
///
/// # Panics
/// If a property does not hold.
pub fn ipp(octets: &[u8]) {
    printing::response(octets);
}

/// Checks that the first blocks of a disk are recognised as partition table, file system, both or neither,
/// and that identifiers are read from the offsets in the specifications.
///
/// The first byte selects the block size; the rest is also parsed as an NVMe health log.
///
/// # Panics
/// If a property does not hold.
pub fn disk(octets: &[u8]) {
    storage::disk(octets);
}

/// Checks that netlink messages are split into parts within the message, and that joining the parts gives the
/// same message.
///
/// # Panics
/// If a property does not hold.
pub fn netlink(octets: &[u8]) {
    network::taken_apart(octets);
    process::connector(octets);
}

/// Checks that firmware tables are parsed into consecutive structures.
///
/// # Panics
/// If a property does not hold.
pub fn smbios(octets: &[u8]) {
    hardware::tables(octets);
}

/// Checks that a unit file survives parsing and writing.
///
/// # Panics
/// If a property does not hold.
pub fn unit_file(octets: &[u8]) {
    service::unit_file(octets);
}

/// Checks that process arguments survive joining and splitting, and any command line splitting and joining.
///
/// # Panics
/// If a property does not hold.
pub fn command_line(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let arguments: Vec<String> = text.trim_end_matches('\0').split('\0').map(str::to_owned).collect();
    if let (Some(line), true) = (joined(text), arguments.len() > 1) {
        assert_eq!(words(&line), Some(arguments), "{line}");
    }
    if let Some(all) = words(text) {
        let line: Vec<_> = all.iter().map(|word| quoted(word)).collect();
        assert_eq!(words(&line.join(" ")), Some(all), "{text}");
    }
}

/// Checks that output of system programs is parsed or skipped: `smartctl`, `journalctl`, `rpm`, `testparm`.
///
/// # Panics
/// If a property does not hold.
pub fn printed(octets: &[u8]) {
    storage::report(octets);
    journal::record(octets);
    package::listing(octets);
    share::listing(octets);
}
