//! What the service says of itself.

use service::Product;

/// The product on this machine.
pub(crate) fn of_this_machine() -> Product {
    Product { vendor: "Telarch".to_owned(), os_version: os_version() }
}

/// The version of the kernel, in the three numbers that clients expect.
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
