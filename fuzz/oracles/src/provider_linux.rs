//! Classes of a Linux machine, its registry, and access control lists of files.

mod machine;
mod registry;
mod security;

pub use machine::PLACES;

/// Checks that a machine still has valid rows if one of its files has arbitrary content.
///
/// The first line is the path of a file without leading slash, which is one of [`PLACES`] or selects one; the
/// rest is the content of the file.
/// Every class that reads the file is enumerated as by the engine: nothing panics, the number of rows is
/// limited by the length of the text, each row can be sent, and the first row is found by its keys.
///
/// # Panics
/// If a property does not hold.
pub fn machine(octets: &[u8]) {
    machine::file(octets);
}

/// Checks that a registry file is rejected, or survives writing and parsing again.
///
/// # Panics
/// If a property does not hold.
pub fn registry(octets: &[u8]) {
    registry::store(octets);
}

/// Checks that changes of registry keys have the same effect as on a simple list, and survive writing and
/// parsing.
///
/// Each line is an operation: a word, key path, value name and value, separated by slashes.
///
/// # Panics
/// If a property does not hold.
pub fn registry_changes(octets: &[u8]) {
    registry::changes(octets);
}

/// Checks that an access control list of the kernel becomes a descriptor that grants access to the same
/// users.
///
/// # Panics
/// If a property does not hold.
pub fn access_list(octets: &[u8]) {
    security::access_list(octets);
}
