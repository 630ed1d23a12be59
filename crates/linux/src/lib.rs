//! Reads and changes a Linux machine.
//!
//! A [`Machine`] is the running system, or a directory tree that imitates one. Each module reads one kind of
//! data from the kernel (`/proc`, `/sys`, netlink), from configuration files, or from system services and
//! programs; some also change it. A value that cannot be read is `None`. A list whose source cannot be read is an
//! [`Error`], or a [`Listing`](listing::Listing) with the reason; a source that does not exist is empty.
//!
//! | Data | Module |
//! |---|---|
//! | users and groups | [`account`] |
//! | control groups and containers | [`control_group`] |
//! | D-Bus | [`bus`] |
//! | firmware tables, devices | [`hardware`] |
//! | packet filter | [`firewall`] |
//! | journal | [`journal`] |
//! | mounts, `fstab` | [`mounts`], [`fstab`] |
//! | links, addresses, routes, name servers | [`network`] |
//! | installed packages, updates | [`package`], [`software`] |
//! | print server | [`printing`] |
//! | processes | [`process`] |
//! | cron | [`schedule`] |
//! | systemd units | [`service`] |
//! | logon sessions | [`session`] |
//! | Samba and NFS shares | [`share`] |
//! | disks, partitions, file systems | [`storage`] |
//! | settings of the system | [`system`] |

pub mod account;
pub mod bus;
pub mod command_line;
pub mod control_group;
mod error;
pub mod firewall;
pub mod folder;
pub mod fstab;
pub mod guid;
pub mod hardware;
pub mod journal;
pub mod lines;
pub mod listing;
mod machine;
pub mod mounts;
pub mod network;
pub mod package;
pub mod printing;
pub mod process;
pub mod processors;
pub mod program;
pub mod reread;
pub mod schedule;
pub mod service;
pub mod session;
pub mod share;
mod socket;
pub mod software;
pub mod storage;
pub mod sysfs;
pub mod system;
pub mod udev;

pub use error::Error;
pub use machine::{Machine, now};
