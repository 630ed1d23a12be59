//! Properties that hold for any input; fuzz targets and the corpus test check them.
//!
//! They include data that only root and the kernel write, because disks, program names and network packets,
//! whose content comes from others, appear in files of the kernel.

/// Checks that a response of a print server is rejected, or survives writing and parsing again.
///
/// # Panics
/// If a property does not hold.
pub fn ipp(octets: &[u8]) {
    crate::printing::oracle::response(octets);
}

/// Checks that the first blocks of a disk are recognised as partition table, file system, both or neither,
/// and that identifiers are read from the offsets in the specifications.
///
/// The first byte selects the block size; the rest is also parsed as an NVMe health log.
///
/// # Panics
/// If a property does not hold.
pub fn disk(octets: &[u8]) {
    crate::storage::oracle::disk(octets);
}

/// Checks that netlink messages are split into parts within the message, and that joining the parts gives the
/// same message.
///
/// # Panics
/// If a property does not hold.
pub fn netlink(octets: &[u8]) {
    crate::network::oracle::taken_apart(octets);
    crate::process::oracle::connector(octets);
}

/// Checks that firmware tables are parsed into consecutive structures.
///
/// # Panics
/// If a property does not hold.
pub fn smbios(octets: &[u8]) {
    crate::hardware::oracle::tables(octets);
}

/// Checks that a unit file survives parsing and writing.
///
/// # Panics
/// If a property does not hold.
pub fn unit_file(octets: &[u8]) {
    crate::service::oracle::unit_file(octets);
}

/// Checks that process arguments survive joining and splitting, and any command line splitting and joining.
///
/// # Panics
/// If a property does not hold.
pub fn command_line(octets: &[u8]) {
    crate::command_line::oracle(octets);
}

/// Checks that output of system programs is parsed or skipped: `smartctl`, `journalctl`, `rpm`, `testparm`.
///
/// # Panics
/// If a property does not hold.
pub fn printed(octets: &[u8]) {
    crate::storage::oracle::report(octets);
    crate::journal::oracle::record(octets);
    crate::package::oracle::listing(octets);
    crate::share::oracle::listing(octets);
}
