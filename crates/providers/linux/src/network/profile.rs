//! What a link shall have, in the words of those who look after links.

use std::net::IpAddr;

/// What a link shall have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    /// Whether a server of DHCP is asked.
    pub(super) dhcp: bool,
    pub(super) addresses: Vec<(IpAddr, u8)>,
    pub(super) gateways: Vec<(IpAddr, Option<u32>)>,
    pub(super) servers: Vec<String>,
    pub(super) search: Vec<String>,
}
