//! Client of the print server CUPS.

pub mod ipp;
pub mod job;
pub(crate) mod oracle;
pub mod port;
pub mod printer;
pub mod scheduler;
