//! Links, addresses, routes and name servers.

pub mod address;
pub mod change;
pub mod dns_cache;
pub mod echo;
pub mod ethtool;
pub mod kernel_link;
pub mod lease;
pub mod link;
pub mod multicast;
pub mod neighbor;
pub mod netlink;
pub mod network_manager;
mod networkd;
mod profile;
pub mod resolver;
pub mod route;
pub mod socket;
