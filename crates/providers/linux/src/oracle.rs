//! What must hold for any octets at all; fuzz targets and the corpus test call these.
//!
//! What only root and the kernel write is among them: a kernel tells of disks, names of programs and records of the
//! network what others have put there.

mod machine;

pub use machine::PLACES;

/// A machine one of whose files holds anything still has rows that can be told.
///
/// The first line is the path of a file, without its slash, that is one of [`PLACES`], or stands for one; the rest is
/// what it holds.
/// Every class that reads it is listed as through the engine: nothing panics, there are not more rows than there is
/// text, each can be sent, and the first is found again by its keys.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn machine(octets: &[u8]) {
    machine::file(octets);
}

/// An answer of a print server is refused, or reads back as the same once it was written.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn ipp(octets: &[u8]) {
    crate::printing::oracle::response(octets);
}

/// The first blocks of a disk have a table, a file system, both or neither, and every identity in them stands where
/// the specifications put it.
///
/// The first octet says how long blocks are; what follows is also read as a log of health of NVMe.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn disk(octets: &[u8]) {
    crate::storage::oracle::disk(octets);
}

/// What the kernel sends over netlink is taken apart into pieces that lie within it, and that read as the same when
/// they are put together again.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn netlink(octets: &[u8]) {
    crate::network::oracle::taken_apart(octets);
    crate::events::oracle::connector(octets);
}

/// The tables of firmware are structures that follow each other in the octets.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn smbios(octets: &[u8]) {
    crate::hardware::oracle::tables(octets);
}

/// What is read of the file of a unit is written so that it reads back as the same.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn unit_file(octets: &[u8]) {
    crate::service::oracle::unit_file(octets);
}

/// A file of the registry is refused, or what is in it is written so that it reads back as the same.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn registry(octets: &[u8]) {
    crate::registry::oracle::store(octets);
}

/// What clients do to keys of the registry is what it would do to a plain list of them, and reads back as the same.
///
/// Each line is something that is done: a word, the path of a key, the name of a value and what it holds, with a
/// slash between each two.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn registry_changes(octets: &[u8]) {
    crate::registry::oracle::changes(octets);
}

/// The arguments of a process make a line of the same words, and every line has words that make it again.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn command_line(octets: &[u8]) {
    crate::command_line::oracle(octets);
}

/// What programs of the system print is read or left out: `smartctl`, `journalctl`, `rpm`, `testparm`.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn printed(octets: &[u8]) {
    crate::storage::oracle::report(octets);
    crate::log::oracle::record(octets);
    crate::package::oracle::listing(octets);
    crate::share::oracle::listing(octets);
}

/// An access control list of the kernel becomes entries of a descriptor that let in whom the list lets in.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn access_list(octets: &[u8]) {
    crate::security::oracle::access_list(octets);
}
