//! Configuration of a link, independent of the managing service.

use std::net::IpAddr;

/// Configuration of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    /// Whether DHCP is enabled.
    pub(super) dhcp: bool,
    pub(super) addresses: Vec<(IpAddr, u8)>,
    pub(super) gateways: Vec<(IpAddr, Option<u32>)>,
    pub(super) servers: Vec<String>,
    pub(super) search: Vec<String>,
}
