//! Configuration of a link, independent of the managing service.

use std::net::IpAddr;

/// Configuration of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Whether DHCP is enabled.
    pub dhcp: bool,
    pub addresses: Vec<(IpAddr, u8)>,
    pub gateways: Vec<(IpAddr, Option<u32>)>,
    pub servers: Vec<String>,
    pub search: Vec<String>,
}
