//! The audit log of Linux: records of auditd, grouped into events.
//!
//! An event consists of records with the same time and serial number, which may be interleaved with those of other
//! events. [`AuditLog`] reads the files of auditd, follows new records, and survives rotation.

mod event;
mod group;
mod log;
mod record;

pub use event::AuditEvent;
pub use group::Grouping;
pub use log::AuditLog;
pub use record::AuditRecord;
