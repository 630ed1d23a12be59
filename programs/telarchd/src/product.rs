//! Product information of the service.

use service::Product;

/// Returns the product information of this machine.
pub(crate) fn of_this_machine() -> Product {
    Product { vendor: "Telarch".to_owned(), os_version: os_version() }
}

/// Returns the kernel version as three numbers, the format that clients expect.
fn os_version() -> String {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let numbers: Vec<&str> = release
        .split(|c: char| !c.is_ascii_digit())
        .filter(|number| !number.is_empty())
        .chain(std::iter::repeat("0"))
        .take(3)
        .collect();
    numbers.join(".")
}
