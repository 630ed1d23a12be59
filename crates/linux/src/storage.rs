//! Disks, partitions and file systems.

pub mod block;
pub mod drive;
pub mod encryption;
pub mod file;
pub mod file_system;
pub mod lvm;
pub mod optical;
pub mod partition;
pub mod partition_table;
pub mod raid;
pub mod smart;
pub mod statistics;
pub mod superblock;
pub mod volume;
