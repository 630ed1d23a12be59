//! Disks, partitions and file systems.

pub mod block;
pub mod file;
pub mod file_system;
pub(crate) mod oracle;
pub mod partition_table;
pub mod smart;
pub mod statistics;
pub mod superblock;
